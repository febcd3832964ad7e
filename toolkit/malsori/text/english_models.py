"""The data package ``gruut-lang-en`` (MIT): its lexicon and its two conditional random fields.

One model gives sounds to the letters of a word that the lexicon does not have, the other parts of
speech to words. ``python-crfsuite`` (MIT) runs both; they are opened on first use.

Source: gruut 2.4.0, modules ``g2p`` and ``pos`` (MIT), where the models' features are defined;
parts of speech are those of the Penn Treebank, learnt from Universal Dependencies.
"""

from __future__ import annotations

import base64
import re
import sqlite3
import string
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from malsori.text.frontend import TextError

_INSTALL = "the front end 'en' needs gruut-lang-en and python-crfsuite: pip install 'malsori[en]'"
_CONTRACTION = re.compile(r"(.+)(n't|'(?:s|re|ve|ll|d|m))", re.IGNORECASE)
"""Two words in the Penn Treebank."""
_NEAR = 2
"""Words on either side that the model of parts of speech sees."""
CACHED_FEATURES = 50_000


def data_rows(query: str) -> list[tuple[str, str, str]]:
    """Return rows of the lexicon: word, phonemes, role.

    Args:
        query: What follows the table's name in SQL.

    Raises:
        TextError: The extra ``[en]`` is not installed.
    """
    path = _data_folder() / "lexicon.db"
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        return connection.execute(
            f"SELECT word, phonemes, role FROM word_phonemes {query}"
        ).fetchall()
    finally:
        connection.close()


def guess(word: str) -> tuple[str, ...]:
    """Return the phonemes that the model gives to the letters of a word.

    Each letter is described by itself and three neighbours on either side; each label is zero or
    more phonemes. Names and values are Base64.

    Raises:
        TextError: The extra ``[en]`` is not installed.
    """
    coded = [_coded(letter) for letter in word]
    features = []
    for place, letter in enumerate(coded):
        described: dict[str, str | bool | float] = {"bias": 1.0, "grapheme": letter}
        if place == 0:
            described["begin"] = True
        if place == len(coded) - 1:
            described["end"] = True
        for distance in (1, 2, 3):
            if place >= distance:
                described[f"grapheme-{distance}"] = coded[place - distance]
            if place + distance < len(coded):
                described[f"grapheme+{distance}"] = coded[place + distance]
        features.append(described)
    labels = (base64.b64decode(label).decode() for label in _model("g2p").tag(features))
    return tuple(token for label in labels for token in label.split("|") if token != "_")


def parts_of_speech(words: Sequence[str]) -> list[str]:
    """Return the Penn Treebank's tag of every word and punctuation mark of a sentence.

    A contraction has the tag of its first half (``they've`` is a pronoun).

    Raises:
        TextError: The extra ``[en]`` is not installed.
    """
    parts: list[str] = []
    places = []
    for word in words:
        places.append(len(parts))
        halves = _CONTRACTION.fullmatch(word)
        parts += [word] if halves is None else halves.groups()
    features = []
    for place, part in enumerate(parts):
        described = dict(_described(part, ""))
        if place == 0:
            described["BOS"] = True
        if place == len(parts) - 1:
            described["EOS"] = True
        for distance in range(1, _NEAR + 1):
            if place >= distance:
                described.update(_described(parts[place - distance], f"-{distance}:"))
            if place + distance < len(parts):
                described.update(_described(parts[place + distance], f"+{distance}:"))
        features.append(described)
    tags = _model("pos").tag(features)
    return [tags[place] for place in places]


@lru_cache(maxsize=CACHED_FEATURES)
def _described(word: str, prefix: str) -> dict[str, str | bool | float]:
    """Return what the model of parts of speech sees of one word."""
    described: dict[str, str | bool | float] = {
        f"{prefix}bias": 1.0,
        f"{prefix}word": _coded(word),
        f"{prefix}len(word)": len(word),
        f"{prefix}word.ispunctuation": word in string.punctuation,
        f"{prefix}word.isdigit()": word.isdigit(),
    }
    for letters in (2, 3):
        described[f"{prefix}word[:{letters}]"] = word[:letters]
        described[f"{prefix}word[-{letters}:]"] = word[-letters:]
    return described


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@lru_cache(maxsize=2)
def _model(name: str) -> Any:
    try:
        import pycrfsuite  # type: ignore[import]
    except ModuleNotFoundError:
        raise TextError(_INSTALL) from None
    tagger = pycrfsuite.Tagger()
    tagger.open(str(_data_folder() / name / "model.crf"))
    return tagger


def _data_folder() -> Path:
    try:
        import gruut_lang_en  # type: ignore[import]
    except ModuleNotFoundError:
        raise TextError(_INSTALL) from None
    return Path(gruut_lang_en.get_lang_dir())
