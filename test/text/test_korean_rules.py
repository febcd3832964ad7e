import pytest
from hypothesis import given
from hypothesis import strategies as st

from malsori.text import jamo
from malsori.text.korean_rules import Gap, apply

SYLLABLE = st.integers(0xAC00, 0xD7A3).map(lambda place: jamo.split(chr(place)))


def spoken(text: str, gap: Gap = Gap.WORD) -> str:
    letters = text.replace(" ", "")
    gaps = []
    for place, letter in enumerate(text):
        if letter != " ":
            gaps.append(gap if text[place + 1 : place + 2] == " " else Gap.NONE)
    return "".join(map(jamo.join, apply([jamo.split(c) for c in letters], gaps)))


@pytest.mark.parametrize(
    ("written", "said", "article"),
    [
        ("져", "저", "5"),
        ("희", "히", "5"),
        ("의", "의", "5"),
        ("닦다", "닥따", "9"),
        ("넋", "넉", "10"),
        ("닭", "닥", "11"),
        ("좋던", "조턴", "12"),
        ("닳지", "달치", "12"),
        ("맏형", "마청", "17"),
        ("각하", "가카", "12"),
        ("싫어도", "시러도", "12"),
        ("깎아", "까까", "13"),
        ("앉아", "안자", "14"),
        ("없어", "업써", "14"),
        ("굳이", "구지", "17"),
        ("핥이다", "할치다", "17"),
        ("국물", "궁물", "18"),
        ("담력", "담녁", "19"),
        ("협력", "혐녁", "19"),
        ("난로", "날로", "20"),
        ("칼날", "칼랄", "20"),
        ("뚫네", "뚤레", "20"),
        ("국밥", "국빱", "23"),
        ("앉고", "안꼬", "24"),
        ("넓게", "널께", "25"),
    ],
)
def test_articles(written: str, said: str, article: str) -> None:
    assert spoken(written) == said, article


@pytest.mark.parametrize(
    ("gap", "said"),
    [(Gap.NONE, "꼬취"), (Gap.CLOSE, "꼬뒤"), (Gap.WORD, "꼳위"), (Gap.PAUSE, "꼳위")],
)
def test_gap_decides_what_moves_to_a_vowel(gap: Gap, said: str) -> None:
    assert spoken("꽃 위", gap) == said


def test_space_keeps_nasals_before_r() -> None:
    assert spoken("신 라면") == "신라면" and spoken("신라면") == "실라면"


@given(st.lists(st.tuples(SYLLABLE, st.sampled_from(Gap)), max_size=8))
def test_every_spelling_has_a_pronunciation_of_the_same_length(pairs: list) -> None:
    said = apply([syllable for syllable, _ in pairs], [gap for _, gap in pairs])
    assert len(said) == len(pairs)
    assert all(jamo.final_of(jamo.join(syllable)) in " ㄱㄴㄷㄹㅁㅂㅇ" for syllable in said)
