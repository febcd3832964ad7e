"""E-mail and web addresses in Korean words: 골뱅이, 닷컴, 점, 슬래시."""

from __future__ import annotations

import re

from malsori.text.korean_latin import read_latin
from malsori.text.korean_numbers import one_by_one

_ENDS = "com|net|org|edu|gov|info|biz|kr|jp|cn|uk|de|fr|eu|io|ai|me|tv|app|dev|shop|store|co"
_MAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,5}"
)
_WEB = re.compile(
    r"(?<![A-Za-z0-9@._-])(?:(?:https?|ftp)://[A-Za-z0-9._~:/?#@!$&'*+,;=%-]+|"
    rf"(?:[A-Za-z0-9-]{{1,63}}\.){{1,5}}(?:{_ENDS})(?![A-Za-z0-9.-]*[A-Za-z0-9])(?:/[A-Za-z0-9._~:/?#&=%+-]*)?)"
)
_SCHEME = re.compile("^(?:https?|ftp)://")
_PIECE = re.compile("[A-Za-z]+|[0-9]+|.")
_NAMES = {
    ".": "점", "@": "골뱅이", "_": "언더바", "-": "하이픈", "/": "슬래시", ":": "콜론", "~": "물결", "?": "물음표",
    "=": "이퀄", "&": "앤드", "%": "퍼센트", "#": "샵", "+": "플러스", "!": "느낌표", "$": "달러", "'": "작은따옴표",
    "*": "별표", ",": "쉼표", ";": "세미콜론",
}  # fmt: skip


def read_addresses(text: str) -> str:
    """Return ``text`` with its e-mail and web addresses in words."""
    if "@" in text:
        text = _MAIL.sub(_read_mail, text)
    if "." in text or "://" in text:
        text = _WEB.sub(_read_web, text)
    return text


def _read_mail(found: re.Match[str]) -> str:
    return _read(found[0])


def _read_web(found: re.Match[str]) -> str:
    address = _SCHEME.sub("", found[0])
    kept = address.rstrip(".,!?;:'")
    return _read(kept.rstrip("/")) + address[len(kept) :]


def _read(address: str) -> str:
    words: list[str] = []
    for piece in _PIECE.findall(address):
        if piece.isdigit():
            words.append(one_by_one(piece, zero="공"))
        elif piece.isalpha():
            if piece in ("com", "net") and words and words[-1] == "점":
                words[-1] = "닷" + read_latin(piece)
            else:
                words.append(read_latin(piece))
        else:
            words.append(_NAMES[piece])
    return " ".join(words)
