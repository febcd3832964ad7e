"""Text front ends: normalisation, pronunciation, token lists.

Imports of one language never touch another's: a front end is imported when it is asked for.
"""

from __future__ import annotations

from malsori.core.registry import Registry
from malsori.text.frontend import FrontEnd, FrontEndConfig, TextError, Word

FRONTENDS = Registry(
    "text front end",
    {
        "ko": "malsori.text.korean:ENTRY",
        "g2pk": "malsori.text.g2pk:ENTRY",
        "g2pkk": "malsori.text.g2pk:G2PKK",
        "espeak": "malsori.text.espeak_korean:ENTRY",
        "jamo": "malsori.text.korean_spelling:ENTRY",
        "en": "malsori.text.english:ENTRY",
    },
)

__all__ = ["FRONTENDS", "FrontEnd", "FrontEndConfig", "TextError", "Word"]
