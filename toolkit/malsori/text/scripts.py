"""Which of several languages a text is in, where its script tells: Hangul is Korean.

Source: The Unicode Standard, chapter 24: the names of its blocks; no statistics of letters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff]")
_KANA = re.compile("[\u3040-\u30ff]")
_CYRILLIC = re.compile("[\u0400-\u052f]")
_GREEK = re.compile("[\u0370-\u03ff]")
_HAN = re.compile("[\u4e00-\u9fff]")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]")
SCRIPTS = (
    (_HANGUL, frozenset({"ko"})),
    (_KANA, frozenset({"ja"})),
    (_CYRILLIC, frozenset({"bg", "ru", "uk"})),
    (_GREEK, frozenset({"el"})),
    (_HAN, frozenset({"zh", "ja", "ko"})),
    (_LATIN, frozenset({"de", "en", "es", "fr", "it", "nl", "pl", "pt", "sv", "tr", "vi"})),
)
"""Letters and the languages that are written with them. The first script that a text has counts:
Korean has Latin letters and Hanja in it, English has no Hangul."""


def language_by_script(text: str, languages: Mapping[str, str]) -> str | None:
    """Return the only one of several languages that a text can be in; None where that is open.

    Args:
        text: Any.
        languages: What a voice calls its languages, to what front ends call them (``ko``).
    """
    for letters, written in SCRIPTS:
        if letters.search(text) is not None:
            able = [name for name, language in languages.items() if language in written]
            if able:
                return able[0] if len(able) == 1 else None
    return None
