"""A small subset of SSML: a text with breaks, pronunciations, substitutions and prosody.

The parser is expat's. Documents are bounded in size and depth, and have no document type: so
there are no entities but XML's five, and nothing outside of the text is ever read. An ``&`` or
``<`` that begins no markup (``R & D``, ``3 < 5``) is text. What is not known is an error that names
it and its place; no tag is ever read aloud.

Source: W3C, Speech Synthesis Markup Language 1.1 (2010): sections 3.1.8 (p, s), 3.1.10 (phoneme),
3.1.11 (sub), 3.2.3 (break), 3.2.4 (prosody). Names of steps (``slow``, ``high``) have no numbers
there; those here are our own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NoReturn
from xml.parsers import expat

from malsori.text.frontend import TextError
from malsori.text.inline import LONGEST as LONGEST_PRONUNCIATION

MOST_CHARACTERS = 1_000_000
MOST_DEPTH = 32
MOST_SHOWN = 60
"""Characters of a tag or a value that a message repeats."""
LONGEST_BREAK = 60.0
"""Seconds."""

RATES = {
    "x-slow": 0.5, "slow": 0.75, "medium": 1.0, "default": 1.0, "fast": 1.25, "x-fast": 1.75,
}  # fmt: skip
PITCHES = {
    "x-low": -6.0, "low": -3.0, "medium": 0.0, "default": 0.0, "high": 3.0, "x-high": 6.0,
}  # fmt: skip
"""Semitones."""
VOLUMES = {
    "x-soft": -12.0, "soft": -6.0, "medium": 0.0, "default": 0.0, "loud": 6.0, "x-loud": 12.0,
}  # fmt: skip
"""Decibels."""
BREAKS = {
    "none": 0.0, "x-weak": 0.1, "weak": 0.2, "medium": 0.4, "strong": 0.7, "x-strong": 1.0,
}  # fmt: skip
"""Seconds."""
ATTRIBUTES: dict[str, frozenset[str]] = {
    "speak": frozenset(
        {"version", "xmlns", "xml:lang", "xmlns:xsi", "xsi:schemaLocation", "xml:base"}
    ),
    "p": frozenset(),
    "s": frozenset(),
    "break": frozenset({"time", "strength"}),
    "phoneme": frozenset({"ph", "alphabet"}),
    "sub": frozenset({"alias"}),
    "prosody": frozenset({"rate", "pitch", "volume"}),
}
"""Tags and what may stand in them."""
ALPHABETS = ("x-malsori",)

_NUMBER = r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_TIME = re.compile(rf"\+?{_NUMBER}(ms|s)")
_PERCENT = re.compile(rf"([+-]?){_NUMBER}%")
_FACTOR = re.compile(_NUMBER)
_SEMITONES = re.compile(rf"([+-]{_NUMBER})st")
_DECIBELS = re.compile(rf"([+-]?{_NUMBER})dB", re.IGNORECASE)
_NO_MARKUP = re.compile(r"&(?!#?\w+;)|<(?![A-Za-z/!?])")
_AMPERSAND, _LESS = "\ufdd0", "\ufdd1"
"""Stand for themselves while XML is read; Unicode gives these two to nobody."""
_ROOT = re.compile(r"\s*(?:<\?xml\b[^<>]*\?>\s*)?(?:<!--(?:(?!-->).)*-->\s*)*<speak\b", re.DOTALL)
_DECLARATION = re.compile(r"<!(?!--|\[CDATA\[)\w*")
_TAG = re.compile(rf"</?(?:{'|'.join(ATTRIBUTES)})(?:\s[^<>]*)?/?>")


class MarkupError(TextError):
    """SSML that is not known or not well formed; the message names what and where."""


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How a part of a text is spoken, besides how the whole is."""

    speed: float = 1.0
    """2 is twice as fast."""
    pitch: float = 0.0
    """Semitones."""
    energy: float = 0.0
    """Decibels."""


PLAIN = Manner()


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A part of a text that is spoken in one manner."""

    text: str
    """Without markup; pronunciations stand in double brackets."""
    manner: Manner = PLAIN


@dataclass(frozen=True, kw_only=True)
class Break:
    """Silence in a text."""

    seconds: float


@dataclass(frozen=True, kw_only=True)
class Script:
    """What a marked up text asks for."""

    parts: tuple[Passage | Break, ...]
    language: str | None = None
    """Of ``xml:lang``."""


def is_ssml(text: str) -> bool:
    """Return whether a text begins with ``<speak>``, behind an XML declaration or not."""
    return _ROOT.match(text) is not None


def read_plain(text: str) -> Script:
    """Return a text without markup; pronunciations may be written into it.

    Raises:
        MarkupError: It has tags of SSML: that it is SSML must be said.
    """
    found = _TAG.search(text) if "<" in text else None
    if found is not None:
        raise MarkupError(
            f"{_shown(found[0])} in a text that is not read as SSML: put the text into "
            "<speak>…</speak>, or say --ssml (in Python ssml=True)"
        )
    return Script(parts=(Passage(text=text),))


def read_ssml(text: str) -> Script:
    """Return what a text with markup asks for; the root ``<speak>`` may be left out.

    Raises:
        MarkupError: It is not well formed, too large or too deep, or has a tag, an attribute or a
            value that is not known.
    """
    if len(text) > MOST_CHARACTERS:
        raise MarkupError(f"SSML of {len(text)} characters: {MOST_CHARACTERS} is the most")
    return _Reader(text).read()


@dataclass
class _Open:
    """A tag that has not been closed."""

    name: str
    manner: Manner
    instead: str | None = None
    """Spoken in place of what is inside."""


class _Reader:
    """One reading of one text."""

    def __init__(self, text: str) -> None:
        text = text.replace(_AMPERSAND, " ").replace(_LESS, " ")
        self._text = _NO_MARKUP.sub(lambda m: _AMPERSAND if m[0] == "&" else _LESS, text)
        self._has_root = is_ssml(text)
        self._parts: list[Passage | Break] = []
        self._open: list[_Open] = []
        self._language: str | None = None
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.ProcessingInstructionHandler = self._instruction

    def read(self) -> Script:
        """Return what the text asks for."""
        declared = _DECLARATION.search(self._text)
        if declared is not None:
            before = self._text[: declared.start()]
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n") - 1
            raise self._error(f"{_shown(declared[0])} is not read: leave it out", line, column)
        try:
            if not self._has_root:
                self._parser.Parse("<speak>", False)
            self._parser.Parse(self._text.lstrip() if self._has_root else self._text, False)
            if len(self._open) > (0 if self._has_root else 1):
                self._refuse(f"<{self._open[-1].name}> is not closed")
            self._parser.Parse("" if self._has_root else "</speak>", True)
        except expat.ExpatError as error:
            reason = expat.errors.messages[error.code]
            column = error.offset - (0 if self._has_root or error.lineno > 1 else len("<speak>"))
            raise self._error(f"not well formed: {reason}", error.lineno, column) from None
        except UnicodeEncodeError:
            raise MarkupError("SSML with a character that is half of a surrogate pair") from None
        return Script(parts=tuple(self._parts), language=self._language)

    @staticmethod
    def _error(reason: str, line: int, column: int) -> MarkupError:
        return MarkupError(f"SSML, line {line}, column {max(0, column) + 1}: {reason}")

    def _refuse(self, reason: str) -> NoReturn:
        line, column = self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber
        if line == 1 and not self._has_root:
            column -= len("<speak>")
        raise self._error(reason, line, column)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name not in ATTRIBUTES:
            self._refuse(f"<{_shown(name)}> is not known; known: {', '.join(sorted(ATTRIBUTES))}")
        if name == "speak" and self._open:
            self._refuse("<speak> is the root and stands nowhere else")
        if len(self._open) >= MOST_DEPTH:
            self._refuse(f"<{name}> is more than {MOST_DEPTH} tags deep")
        inside = self._open[-1] if self._open else None
        if inside is not None and inside.name in ("phoneme", "sub", "break"):
            self._refuse(f"<{name}> inside <{inside.name}>, which holds text only")
        for attribute in attributes:
            if attribute not in ATTRIBUTES[name]:
                known = ", ".join(sorted(ATTRIBUTES[name])) or "none"
                self._refuse(f"<{name} {_shown(attribute)}>: no such attribute; known: {known}")
        told = {key: _plain(value).strip() for key, value in attributes.items()}
        opened = _Open(name, inside.manner if inside is not None else PLAIN)
        if name == "prosody":
            opened.manner = self._prosody(told, opened.manner)
        elif name == "phoneme":
            opened.instead = self._pronunciation(told)
        elif name == "sub":
            if not told.get("alias"):
                self._refuse('<sub> needs alias="…", what is said in place of the text')
            opened.instead = told["alias"]
        elif name == "break":
            self._break(told)
        elif name in ("p", "s"):
            self._add("\n", opened.manner)
        elif name == "speak":
            self._language = told.get("xml:lang")
        self._open.append(opened)

    def _end(self, name: str) -> None:
        closed = self._open.pop()
        if closed.instead is not None:
            self._add(closed.instead, closed.manner)
        elif name in ("p", "s"):
            self._add("\n", closed.manner)

    def _characters(self, data: str) -> None:
        inside = self._open[-1]
        text = re.sub(r"\s+", " ", _plain(data))
        if inside.name == "break" and text.strip():
            self._refuse('<break> holds no text: write <break time="…"/>')
        if inside.instead is None and inside.name != "break":
            self._add(text, inside.manner)

    def _add(self, text: str, manner: Manner) -> None:
        last = self._parts[-1] if self._parts else None
        if isinstance(last, Passage) and last.manner == manner:  # read together
            self._parts[-1] = replace(last, text=last.text + text)
        else:
            self._parts.append(Passage(text=text, manner=manner))

    def _break(self, told: Mapping[str, str]) -> None:
        seconds = BREAKS["medium"]
        if "strength" in told:
            seconds = self._named("break", "strength", told["strength"], BREAKS)
        if "time" in told:
            found = _TIME.fullmatch(told["time"])
            if found is None:
                self._refuse(f"<break time={_shown(told['time'])!r}>: write seconds or 300ms")
            seconds = float(found[1]) / (1000 if found[2] == "ms" else 1)
        if seconds > LONGEST_BREAK:
            self._refuse(f"<break> of {seconds:g} s: {LONGEST_BREAK:g} s is the most")
        if seconds:
            self._parts.append(Break(seconds=seconds))

    def _pronunciation(self, told: Mapping[str, str]) -> str:
        if not told.get("ph"):
            self._refuse('<phoneme> needs ph="…", tokens with spaces between')
        if told.get("alphabet", ALPHABETS[0]) not in ALPHABETS:
            self._refuse(
                f"<phoneme alphabet={_shown(told['alphabet'])!r}>: pronunciations are tokens of "
                f"the voice's front end; leave it out or write {ALPHABETS[0]}"
            )
        if len(told["ph"]) > LONGEST_PRONUNCIATION or set(told["ph"]) & set("[]{}"):
            self._refuse(
                f"<phoneme ph>: at most {LONGEST_PRONUNCIATION} characters, and no brackets"
            )
        return f"[[{told['ph']}]]"

    def _prosody(self, told: Mapping[str, str], outer: Manner) -> Manner:
        if not told:
            self._refuse("<prosody> needs rate, pitch or volume")
        changes: dict[str, Callable[[str], float | None]] = {
            "rate": _rate, "pitch": _pitch, "volume": _volume,
        }  # fmt: skip
        names = {"rate": RATES, "pitch": PITCHES, "volume": VOLUMES}
        units = {"rate": "80%", "pitch": "+2st or +10%", "volume": "+6dB"}
        found = {}
        for key, value in told.items():
            number = changes[key](value)
            if number is None:
                number = self._named("prosody", key, value, names[key], units[key])
            found[key] = number
        return replace(
            outer,
            speed=outer.speed * found.get("rate", 1.0),
            pitch=outer.pitch + found.get("pitch", 0.0),
            energy=outer.energy + found.get("volume", 0.0),
        )

    def _named(
        self, tag: str, key: str, value: str, names: Mapping[str, float], other: str = ""
    ) -> float:
        if value not in names:
            also = f", or {other}" if other else ""
            self._refuse(f"<{tag} {key}={_shown(value)!r}>: write one of {', '.join(names)}{also}")
        return names[value]

    def _instruction(self, target: str, _: str) -> None:
        self._refuse(f"<?{_shown(target)}?> is not read: leave it out")


def _shown(text: str) -> str:
    """Return what stands in a message, not longer than people read."""
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def _plain(text: str) -> str:
    return text.replace(_AMPERSAND, "&").replace(_LESS, "<")


def _rate(value: str) -> float | None:
    """Return how many times as fast: ``80%`` is 0.8, ``+20%`` is 1.2, ``1.2`` is 1.2."""
    percent, factor = _PERCENT.fullmatch(value), _FACTOR.fullmatch(value)
    if percent is not None:
        part = float(percent[2]) / 100
        rate = part if not percent[1] else 1 + part if percent[1] == "+" else 1 - part
        return rate if rate > 0 else None
    return float(value) if factor is not None and float(value) > 0 else None


def _pitch(value: str) -> float | None:
    """Return semitones: ``+2st`` is 2, ``+10%`` is 1.65."""
    semitones, percent = _SEMITONES.fullmatch(value), _PERCENT.fullmatch(value)
    if semitones is not None:
        return float(semitones[1])
    if percent is not None and percent[1]:
        factor = 1 + float(percent[1] + percent[2]) / 100
        return 12 * math.log2(factor) if factor > 0 else None
    return None


def _volume(value: str) -> float | None:
    """Return decibels: ``+6dB`` is 6."""
    found = _DECIBELS.fullmatch(value)
    return None if found is None else float(found[1])
