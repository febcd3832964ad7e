"""Stage 2 converts the texts; training reads its tokens and never a text."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import pytest

from malsori.text import FRONTENDS
from malsori.text.tokenizer import Tokenizer
from malsori.train.run import train


def test_training_converts_no_text(
    tiny_corpus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError("training asked for a front end")

    monkeypatch.setattr(Tokenizer, "__init__", refuse)
    monkeypatch.setattr(type(FRONTENDS), "entry", _entries_without_text(refuse))
    config = tiny_corpus.settings(
        "training.steps=2", "training.validate_every=2", "training.save_every=2"
    )
    train(config, tmp_path / "exp")
    assert (tmp_path / "exp" / "checkpoints" / "last").read_text() == "step-2\n"


def _entries_without_text(refuse: Any) -> Any:
    plain = type(FRONTENDS).entry
    return lambda table, name: refuse() if table is FRONTENDS else plain(table, name)
