"""Korean words whose pronunciation the regular rules cannot know: the table korean_words.tsv.

Each line of the table is an entry with its marks and the article of 표준발음법 that it comes under;
the marks are explained at the head of the table. Here they become a respelling, which is read by
the regular rules like any spelling and so keeps finals that a following vowel may take over (꽃+잎 →
꽃닢, hence 꽃잎이 → 꼰니피).

Source: 표준발음법 (문화체육관광부 고시 제2017-13호), articles as noted; single words after
표준국어대사전. The entries were written down from knowledge of the language, not copied.
"""

from __future__ import annotations

from importlib.resources import files
from typing import NamedTuple

from malsori.text import jamo
from malsori.text.korean_rules import neutral
from malsori.text.tables import word_set

TABLE = "korean_words.tsv"
_MARKS = frozenset("'+*|")

PARTICLES = word_set(
    """
이 가 은 는 을 를 의 에 에서 에게 에도 에는 에서는 에게서 도 만 와 과 로 으로 로서 으로서 로써
으로써 로는 으로는 부터 까지 보다 처럼 마다 조차 밖에 이나 나 이다 이에요 예요 이야 야 입니다 이라
라 이라고 라고 들 들이 들은 들을 들의 들에게 이었다 였다 이고 인 인가 이란 란 이랑 랑 하고 이며 며
에서도 이지만 지만 인데 이죠 죠 이요 요 적 적인 적으로 적이다 님 께 께서 한테 이면 면 이네 네 네요
이네요 까지는 까지도 부터는 만은 만이 만큼 만큼은 으로도 로도 으로만 로만 에만 에까지 에서의 에서만 과는
와는 과의 와의 이라는 라는 이라도 라도 이라면 라면 이니까 니까 이었던 였던 이었지만 였지만 이잖아 잖아
이었습니다 였습니다 이었어요 였어요 이었어 였어 이래 래 이래요 래요 인지 인지는 일까 일까요 일 이든
이든지 든 든지 이여 여 씩 쯤 짜리 같은 같이 이라서 라서 이에 예 입니까 인가요 이군 이군요 군요 이십니다
이세요 세요 이신 이시다 이자 에요 들과 들도 들이다 들에 들로 들만
    """
)
"""What may follow a noun within one written word."""

_TENSE_OF = {"ㄱ": "ㄲ", "ㄷ": "ㄸ", "ㅂ": "ㅃ", "ㅅ": "ㅆ", "ㅈ": "ㅉ"}


class KnownWord(NamedTuple):
    """One entry of the table."""

    word: str
    """As it is spelt, without marks."""
    respelling: str
    """Spelt so that the regular rules read it correctly."""
    article: str
    """Of 표준발음법; ``-`` for a regular word."""
    at_start: bool
    """Only at the start of a written word."""
    at_end: bool
    """Only at the end of a written word, or before a particle."""


def tensed(syllable: str) -> str:
    """Return the syllable with its lax initial made tense; others come back unchanged."""
    letter = _TENSE_OF.get(jamo.initial_of(syllable))
    return jamo.with_initial(syllable, letter) if letter else syllable


def with_n(before: str, syllable: str) -> str:
    """Return a syllable with ㄴ added before its vowel, or ㄹ after a final ㄹ (article 29).

    Args:
        before: The syllable before it.
        syllable: It begins with a vowel.
    """
    return jamo.with_initial(syllable, "ㄹ" if jamo.final_of(before) == "ㄹ" else "ㄴ")


def entries() -> list[KnownWord]:
    """Return all entries of the table, in its order."""
    text = files("malsori.text").joinpath(TABLE).read_text(encoding="utf-8")
    return [read_entry(line) for line in text.splitlines() if line and not line.startswith("#")]


def read_entry(line: str) -> KnownWord:
    """Return the entry of one line, ``marked<TAB>article[<TAB>respelling]``.

    Raises:
        ValueError: The line has another shape, or a mark stands where it changes nothing.
    """
    columns = line.split("\t")
    if len(columns) not in (2, 3):
        raise ValueError(f"expected 'entry<TAB>article[<TAB>respelling]', got {line!r}")
    marked, article = columns[0], columns[1]
    plain = marked.strip("^$")
    word = "".join(letter for letter in plain if letter not in _MARKS)
    spoken = columns[2] if len(columns) == 3 else _respelt(plain)
    if not jamo.is_hangul(word) or not jamo.is_hangul(spoken):
        raise ValueError(f"{line!r}: Hangul and marks are expected")
    if len(columns) == 2 and (spoken == word) != (article == "-"):
        raise ValueError(f"{line!r}: the marks change nothing, or the article is missing")
    return KnownWord(word, spoken, article, marked.startswith("^"), marked.endswith("$"))


def _respelt(marked: str) -> str:
    """Return an entry with its marks carried out."""
    spoken: list[str] = []
    mark = ""
    for letter in marked:
        if letter in _MARKS:
            mark = letter
            continue
        if mark == "'":
            letter = tensed(letter)
        elif mark == "+":
            letter = with_n(spoken[-1], letter)
        elif mark == "*":
            letter = jamo.with_initial(letter, "ㄴ")
        elif mark == "|":
            spoken[-1], letter = moved(spoken[-1], letter)
        mark = ""
        spoken.append(letter)
    return "".join(spoken)


def moved(before: str, letter: str) -> tuple[str, str]:
    """Return two syllables whose final has changed first and then moved: 겉+옷 → 거돗."""
    final = neutral(jamo.final_of(before))
    if jamo.initial_of(letter) != "ㅇ":
        return jamo.with_final(before, final), letter
    return jamo.with_final(before, " "), jamo.with_initial(letter, final)
