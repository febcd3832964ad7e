"""What a token folder was made of, so that stage 2 does nothing where nothing changed.

``made.json`` in the folder holds a hash of all that its tokens depend on (texts, settings, the text
front ends' own code and the packages installed beside them), hashes of the files that were written,
and what became of each set.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import inspect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import malsori.text
from malsori.core.config import to_yaml
from malsori.core.errors import MalsoriError
from malsori.core.files import add_content, read_json, sha256, write_json
from malsori.text.frontend import FrontEnd
from malsori.text.tokenizer import TokenizerConfig

MADE_FILE = "made.json"


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """An utterance that is left out."""

    utterance: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class TokenSet:
    """What became of one data dir."""

    name: str
    utterances: int
    """How many were written."""
    tokens: int
    """How many tokens they have together."""
    rejected: tuple[Rejection, ...]


def fingerprint(
    data: Sequence[Path], config: TokenizerConfig, front_ends: Iterable[FrontEnd]
) -> str:
    """Return a hash that changes when tokens may.

    Args:
        data: Data dirs, in their order.
        config: How text becomes tokens.
        front_ends: That read the texts; of one from elsewhere its module is looked at.
    """
    total = hashlib.sha256(to_yaml(config).encode())
    for folder in data:
        total.update(f"\0{folder.name}\0".encode())
        for path in (folder / "text", folder / "utt2lang"):
            _add(total, path)
    if config.lexicon is not None:
        _add(total, Path(config.lexicon))
    own = Path(malsori.text.__file__).parent
    code = {path for path in own.rglob("*") if path.suffix != ".pyc" and path.is_file()}
    for front_end in front_ends:
        with contextlib.suppress(TypeError, OSError):  # made without a file
            code.add(Path(inspect.getfile(type(front_end))))
    for path in sorted(code):
        _add(total, path)
    found = importlib.metadata.distributions()
    packages = sorted({f"{package.name} {package.version}" for package in found})
    total.update("\0".join(packages).encode())
    return total.hexdigest()


def note_made(folder: Path, fingerprint: str, sets: Sequence[TokenSet]) -> None:
    """Write into a finished folder what it was made of and what became of each set."""
    made = {
        "fingerprint": fingerprint,
        "sets": [dataclasses.asdict(each) for each in sets],
        "files": _hashes(folder),
    }
    write_json(folder / MADE_FILE, made)


def made_before(folder: Path, fingerprint: str) -> list[TokenSet] | None:
    """Return what became of each set if the folder is what stage 2 would make again.

    None if it is not: of something else, changed since, or of a version that noted nothing.
    """
    try:
        made = read_json(folder / MADE_FILE)
        if made["fingerprint"] != fingerprint or made["files"] != _hashes(folder):
            return None
        return [
            TokenSet(**{**each, "rejected": tuple(Rejection(**it) for it in each["rejected"])})
            for each in made["sets"]
        ]
    except (MalsoriError, OSError, KeyError, TypeError):
        return None


def _hashes(folder: Path) -> dict[str, str]:
    files = (path for path in folder.iterdir() if path.is_file() and path.name != MADE_FILE)
    return {path.name: sha256(path) for path in sorted(files)}


def _add(total: hashlib._Hash, path: Path) -> None:
    """Put a file into a hash, with its length before it; there may be none."""
    total.update(f"{path.stat().st_size if path.exists() else -1}\0".encode())
    if path.exists():
        add_content(total, path)
