"""Stage 2 does nothing where nothing changed, and everything where anything did."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from malsori.core.errors import MalsoriError
from malsori.data import token_folder
from malsori.data.tokens import make_tokens
from malsori.text.tokenizer import TokenizerConfig

LEXICON = "학교\tㅎㅏㄱㄱㅛ\n"


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setattr(importlib.metadata, "distributions", lambda: ())  # there may be many
    for name, first in (("train", 1), ("dev", 30)):
        (tmp_path / name).mkdir()
        rows = [f"u{i:02} 나는 학교에 갔다.\n" for i in range(first, first + 20)]
        (tmp_path / name / "text").write_text("".join(rows), encoding="utf-8")
    (tmp_path / "lexicon.tsv").write_text(LEXICON, encoding="utf-8")
    return [tmp_path / "train", tmp_path / "dev"]


def run(sets: list[Path], **changes: Any) -> list[Any]:
    folder = sets[0].parent
    settings = {"type": "char", "lexicon": None, **changes}
    return make_tokens(sets, folder / "tokens", TokenizerConfig(**settings))


def states(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in (folder / "tokens").iterdir()}


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def test_nothing_is_done_again(sets: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    append(sets[1] / "text", "u98 \n")
    made = run(sets)
    assert made[1].rejected[0].utterance == "u98"
    before = states(sets[0].parent)
    monkeypatch.setattr("malsori.text.tokenizer.Tokenizer.tokens", None)  # would be called
    assert run(sets) == made
    assert states(sets[0].parent) == before


def test_too_many_rejected_are_told_again(sets: list[Path]) -> None:
    append(sets[1] / "text", "u98 \n")
    run(sets)
    with pytest.raises(MalsoriError, match=r"dev/text: 1 of 21 .*u98: empty text"):
        make_tokens(sets, sets[0].parent / "tokens", TokenizerConfig(type="char"), 0.01)


CHANGES: dict[str, Callable[[Path], object]] = {
    "a text": lambda root: append(root / "dev/text", "u97 나는 갔다.\n"),
    "a language": lambda root: (root / "train/utt2lang").write_text(
        "".join(f"u{i:02} ko\n" for i in range(1, 21))
    ),
    "what was written": lambda root: append(root / "tokens/dev.tokens", "u99 a\n"),
    "a file is gone": lambda root: (root / "tokens/tokens.txt").unlink(),
    "nothing was noted": lambda root: (root / "tokens/made.json").unlink(),
    "the note is damaged": lambda root: (root / "tokens/made.json").write_text("[]"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_all_is_done_again_where_something_changed(sets: list[Path], change: str) -> None:
    root = sets[0].parent
    run(sets)
    before = states(root)
    CHANGES[change](root)
    run(sets)
    assert states(root)["train.tokens"] != before["train.tokens"]
    assert "u99" not in (root / "tokens/dev.tokens").read_text()
    after = states(root)
    run(sets)
    assert states(root) == after


def test_settings_sets_and_packages_count(
    sets: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    lexicon = {"type": "phn", "lexicon": str(sets[0].parent / "lexicon.tsv")}
    seen = {}

    def hashed(what: str, data: list[Path], **changes: Any) -> None:
        config = TokenizerConfig(**{"type": "char", **changes})
        seen[what] = token_folder.fingerprint(data, config, ())

    hashed("plain", sets)
    hashed("order", sets[::-1])
    hashed("fewer", sets[:1])
    hashed("blanks", sets, blanks=True)
    hashed("lexicon", sets, **lexicon)
    append(sets[0].parent / "lexicon.tsv", LEXICON.replace("학교", "나는"))
    hashed("more in it", sets, **lexicon)
    package = SimpleNamespace(name="reader", version="1")
    monkeypatch.setattr(importlib.metadata, "distributions", lambda: (package, package))
    hashed("packages", sets)
    assert len(set(seen.values())) == len(seen)
    hashed("again", sets)
    assert seen["again"] == seen["packages"]


def test_code_of_front_ends_counts(
    sets: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "odd_front_end.py"
    found = []
    for text in ("class Odd: pass\n", "class Odd: x = 1\n"):
        module.write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path))
        import odd_front_end

        found.append(token_folder.fingerprint(sets, TokenizerConfig(), [odd_front_end.Odd()]))
    monkeypatch.setattr(token_folder.malsori.text, "__file__", str(module))
    found.append(token_folder.fingerprint(sets, TokenizerConfig(), ()))
    assert len(set(found)) == 3
