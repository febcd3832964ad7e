"""English web and e-mail addresses in words.

Sources: RFC 3986 and RFC 5322 for what they look like; the scheme (``https://``) is not read.
"""

from __future__ import annotations

import re

from malsori.text.english_numbers import cardinal, one_by_one

_DOMAINS = ("com", "org", "net", "info", "edu", "gov", "mil", "io", "ai", "dev", "app", "co", "me")
_COUNTRIES = ("uk", "us", "ca", "au", "nz", "ie", "in", "kr", "jp", "cn", "de", "fr", "eu", "ch")
_END = r"(?![\w@-]|\.\w)"
_MAIL = re.compile(r"(?<![\w.+-])([\w.+-]{1,64})@([\w-]+(?:\.[\w-]+)+)")
_LINK = re.compile(r"(?<![\w@.])(?:(?:https?|ftp)://|(?=www\.))([^\s<>\"]+)", re.IGNORECASE)
_BARE = re.compile(
    rf"(?<![\w@.-])((?:[A-Za-z0-9-]+\.)+(?:{'|'.join(_DOMAINS)}|co\.uk|ac\.kr|co\.kr|go\.kr)"
    rf"{_END}(?:/[^\s<>\"]*)?)"
)
_PART = re.compile(r"[A-Za-z]+|[0-9]+|[^A-Za-z0-9]")
_NAMES = {
    ".": "dot", "/": "slash", "-": "dash", "_": "underscore", "?": "question mark", "@": "at",
    "=": "equals", "&": "and", "#": "hash", "%": "percent", ":": "colon", "~": "tilde",
    "+": "plus", ",": "comma", ";": "semicolon", "!": "exclamation mark",
}  # fmt: skip
_SPELT = frozenset({"www", "html", "htm", "php", "pdf", *_COUNTRIES}) - {"in"}


def read_addresses(text: str) -> str:
    """Return a text whose addresses are in words."""
    if "@" in text:
        text = _MAIL.sub(lambda m: _words(m[0]), text)
    if "://" in text or "www." in text:
        text = _LINK.sub(_link, text)
    return _BARE.sub(_link, text) if "." in text else text


def _link(found: re.Match[str]) -> str:
    address = found[1].rstrip(".,;:!?)]}'")
    return _words(address.rstrip("/")) + found[1][len(address) :]


def _words(address: str) -> str:
    words = []
    for part in _PART.findall(address):
        if part.isdigit():
            words.append(cardinal(part) if len(part) < 3 else one_by_one(part))
        elif part.lower() in _SPELT:
            words.append(" ".join(part.upper()))
        else:
            words.append(_NAMES.get(part, part))
    return " ".join(words)
