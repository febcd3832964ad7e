"""The command line, called in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest


class Answer(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line that says what went wrong."""
        assert "Traceback" not in self.err, self.err
        lines = [line for line in self.err.splitlines() if ": error: " in line]
        assert len(lines) == 1 and self.err.splitlines()[-1] == lines[0], self.err
        return lines[0]


@pytest.fixture
def malsori(capfd: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Return a function that runs one command."""
    from malsori.bin.main import main

    def run(*words: object) -> Answer:
        capfd.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capfd.readouterr()
        return Answer(code, out, err)

    return run
