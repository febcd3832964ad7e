"""Every class of verb stem before every common ending, built from the standard's rules by class.

The expectation knows nothing of the package: a class says what becomes of its final before a
consonant and what becomes of the ending's ㄱ, ㄷ, ㅅ and ㅈ.
"""

import unicodedata
from typing import NamedTuple

import pytest
from spelling import hangul

from malsori.text import FRONTENDS, FrontEnd, FrontEndConfig

TENSE = {"ᄀ": "ᄁ", "ᄃ": "ᄄ", "ᄉ": "ᄊ", "ᄌ": "ᄍ"}
ASPIRATED = {"ᄀ": "ᄏ", "ᄃ": "ᄐ", "ᄉ": "ᄊ", "ᄌ": "ᄎ"}
LAX: dict[str, str] = {}
ENDINGS = (
    "다", "고", "지", "게", "던", "더라", "거나", "자마자", "도록", "거든", "지만", "고서",
    "더니", "든지", "거니와",
)  # fmt: skip
POLITE = "습니다"


class StemClass(NamedTuple):
    """What becomes of a stem's final, and of the ending after it."""

    final: str
    """Before a consonant, as a conjoining jamo; "" for none."""
    change: dict[str, str]
    """Of the ending's first consonant."""
    stems: str
    """With white space between."""
    before_g: str = ""
    """The final before ㄱ where it is another one (article 11.1)."""


CLASSES = {
    "ㄱ": StemClass("ᆨ", TENSE, "먹 막 죽 녹 작 적 닦 볶 깎 꺾 묶 섞 겪 낚"),
    "ㄷ": StemClass("ᆮ", TENSE, "닫 믿 받 묻 걷 쏟 벗 웃 씻 솟 찾 잊 꽂 맞 찢 늦 쫓 같 맡 붙 뱉 있"),
    "ㅂ": StemClass("ᆸ", TENSE, "잡 입 뽑 씹 접 돕 춥 맵 높 깊 갚 덮 엎 싶 없 가엾"),
    "ㄴ and ㅁ": StemClass("", TENSE, "껴안 끌어안 넘 숨 뿜 더듬 쓰다듬 머금 뛰어넘 살아남"),
    "ㄵ": StemClass("ᆫ", TENSE, "앉 얹"),
    "ㄼ": StemClass("ᆯ", TENSE, "넓 짧 얇 떫 엷"),
    "밟": StemClass("ᆸ", TENSE, "밟 짓밟"),
    "ㄾ": StemClass("ᆯ", TENSE, "핥 훑"),
    "ㄿ": StemClass("ᆸ", TENSE, "읊"),
    "ㄺ": StemClass("ᆨ", TENSE, "읽 맑 밝 늙 긁 굵 묽 붉 갉", before_g="ᆯ"),
    "ㄻ": StemClass("ᆷ", TENSE, "닮 굶 젊 곪 옮"),
    "ㅎ": StemClass("", ASPIRATED, "놓 넣 쌓 좋 낳 그렇 하얗"),
    "ㄶ": StemClass("ᆫ", ASPIRATED, "많 끊 않 괜찮"),
    "ㅀ": StemClass("ᆯ", ASPIRATED, "잃 싫 뚫 앓 끓 꿇"),
    "ㄹ": StemClass("", LAX, "알 살 놀 만들 힘들 이끌 머물 다물 떠들 흔들 깨물 저물 받아들"),
    "vowel": StemClass("", LAX, "가 보 쓰 되 마시 다니"),
}  # fmt: skip
CASES = [
    pytest.param(stem, kind, id=f"{name}-{stem}")
    for name, kind in CLASSES.items()
    for stem in kind.stems.split()
]
KEPT_FINALS = {"ᆫ", "ᆷ", "ᆯ"}


@pytest.fixture(scope="module")
def ko() -> FrontEnd:
    return FRONTENDS.entry("ko").build(FrontEndConfig())


def said(stem: str, ending: str, kind: StemClass) -> str:
    """Return what the rules of the class make of a form."""
    letters = list(unicodedata.normalize("NFD", stem))
    first, rest = unicodedata.normalize("NFD", ending)[0], unicodedata.normalize("NFD", ending)[1:]
    if "\u11a8" <= letters[-1] <= "\u11c2" and letters[-1] not in KEPT_FINALS:
        letters.pop()
        letters.append(kind.before_g if kind.before_g and first == "ᄀ" else kind.final)
    elif stem[-1] in "밟":
        letters[-1] = kind.final
    spoken = "".join(letters) + kind.change.get(first, first) + rest
    return regular_inside(unicodedata.normalize("NFC", spoken))


def regular_inside(spoken: str) -> str:
    """Return a form with what the rules do before its ending: 끌어안 끄러안, 짓밟 짇빱."""
    for written, heard in (
        ("끌어", "끄러"), ("짓", "짇"), ("짇밥", "짇빱"), ("짇밤", "짇빰"), ("살아", "사라"),
        ("받아", "바다"), ("습니", "슴니"), ("씁니", "씀니"), ("씃니", "씀니"),
    ):  # fmt: skip
        spoken = spoken.replace(written, heard)
    return spoken


@pytest.mark.parametrize(("stem", "kind"), CASES)
def test_stem_before_every_ending(ko: FrontEnd, stem: str, kind: StemClass) -> None:
    endings = list(ENDINGS)
    if kind.change:
        endings.append(POLITE)
    wrong = {}
    for ending in endings:
        expected = said(stem, ending, kind)
        heard = hangul(ko(stem + ending))
        if heard != expected:
            wrong[stem + ending] = (heard, expected)
    assert not wrong


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("먹는다", "멍는다"),
        ("닫는", "단는"),
        ("잡는", "잠는"),
        ("없는", "엄는"),
        ("앉는다", "안는다"),
        ("밟는다", "밤는다"),
        ("핥는다", "할른다"),
        ("읊는다", "음는다"),
        ("읽는", "잉는"),
        ("닮는", "담는"),
        ("놓는", "논는"),
        ("끊는", "끈는"),
        ("뚫는", "뚤른"),
        ("뚫리다", "뚤리다"),
        ("넓히다", "널피다"),
        ("앉히다", "안치다"),
        ("닫히다", "다치다"),
        ("맞히다", "마치다"),
        ("감기다", "감기다"),
        ("굶기다", "굼기다"),
        ("굶기를", "굼끼를"),
        ("젊기", "점끼"),
        ("참기", "참끼"),
        ("참기름", "참기름"),
        ("넘기로", "넘끼로"),
        ("남기는", "남기는"),
        ("모심기를", "모심끼를"),
        ("할게요", "할께요"),
        ("할걸요", "할껄료"),
        ("할까요", "할까요"),
        ("할지도", "할찌도"),
        ("할지가", "할찌가"),
        ("느낄지", "느낄찌"),
        ("빠를지도", "빠를찌도"),
        ("어떨지", "어떨찌"),
        ("추울지", "추울찌"),
        ("기울지", "기울지"),
        ("낯설지", "낟썰지"),
        ("만들지", "만들지"),
        ("만들걸", "만들껄"),
        ("콜걸", "콜걸"),
        ("만들게", "만들게"),
        ("만들게요", "만들께요"),
        ("만들수록", "만들쑤록"),
        ("올수록", "올쑤록"),
        ("알거예요", "알꺼예요"),
        ("도울거야", "도울꺼야"),
        ("설거지", "설거지"),
        ("굴지", "굴지"),
        ("열도록", "열도록"),
        ("팔도록", "팔도록"),
        ("물들자", "물들자"),
    ],
)
def test_forms_by_hand(ko: FrontEnd, written: str, spoken: str) -> None:
    assert hangul(ko(written)) == spoken
