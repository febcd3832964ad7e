import contextlib
import hashlib
import pickle
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spelling import hangul

from malsori.text import FRONTENDS, FrontEnd, FrontEndConfig, TextError, jamo

HERE = Path(__file__).parent
SHARE_UNSEEN = 0.98
"""Share of the cases on which nothing was tuned that must stay right."""
FINALS_SPOKEN = set("ᆨᆫᆮᆯᆷᆸᆼ")


def cases(name: str) -> list[tuple[str, tuple[str, ...]]]:
    rows = []
    for line in (HERE / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            written, spoken = line.split("\t")[:2]
            rows.append((written, tuple(spoken.replace(" ", "").split("/"))))
    return rows


def is_unseen(written: str) -> bool:
    return hashlib.sha256(written.encode()).digest()[0] % 2 == 1


STANDARD = cases("ko_standard.tsv")
STRICT = [
    pytest.param(*case, id=f"{name}-{case[0]}")
    for name, table in [
        ("g2p_cases", cases("g2p_cases.tsv")),
        ("ko_cases", cases("ko_cases.tsv")),
        ("ko_rarer", cases("ko_rarer.tsv")),
        ("ko_standard", [case for case in STANDARD if not is_unseen(case[0])]),
    ]
    for case in table
]


@pytest.fixture(scope="module")
def ko() -> FrontEnd:
    return FRONTENDS.entry("ko").build(FrontEndConfig())


def test_example_of_the_interface(ko: FrontEnd) -> None:
    tokens = [token for word in ko("안녕하세요!") for token in word.tokens]
    assert " ".join(tokens) == "ᄋ ᅡ ᆫ ᄂ ᅧ ᆼ ᄒ ᅡ ᄉ ᅦ ᄋ ᅭ !"


@pytest.mark.parametrize(("written", "spoken"), STRICT)
def test_standard_pronunciation(ko: FrontEnd, written: str, spoken: tuple[str, ...]) -> None:
    assert hangul(ko(written)) in spoken


def test_share_of_unseen_cases_stays(ko: FrontEnd) -> None:
    table = [case for case in STANDARD if is_unseen(case[0])]
    right = sum(hangul(ko(written)) in spoken for written, spoken in table)
    assert len(table) >= 300 and right / len(table) >= SHARE_UNSEEN


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("물을 줄게요", "무를줄께요"),
        ("오늘 점심", "오늘점심"),  # a noun's own ㄹ tenses nothing
        ("서울 사람", "서울사람"),
        ("길게 말하다", "길게말하다"),
        ("즐거운 설거지", "즐거운설거지"),
        ("우유가 맛있다", "우유가마딛따"),
        ("톰은 안다", "토믄안다"),  # knows, not hugs
        ("경찰에 신고했다", "경차레신고핻따"),
        ("이틀밖에", "이틀바께"),
        ("비평가", "비평가"),
        ("차별도 있다", "차별도읻따"),
        ("재구성", "재구성"),  # no suffix
        ("해결방법", "해결방법"),
        ("석유난로", "서규날로"),
        ("다섯권", "다섣꿘"),
        ("여러권", "여러권"),
        ("지역에서", "지여게서"),
        ("번역이", "버녀기"),
        ("남다른", "남다른"),
        ("이를 줄이다", "이를주리다"),
        ("소비자가 낸다", "소비자가낸다"),  # 가 is the particle, not the price
        ("막을 더 많은 방법", "마글더마는방법"),
        ("열 살 된 아들", "열쌀된아들"),
        ("지하철도 있다", "지하철도읻따"),
        ("남자 감자 참고 심지어", "남자감자참고심지어"),
        ("남자는 신고서를", "남자는신고서를"),
        ("참고서를 감자면", "참고서를감자면"),
        ("숨진 신진", "숨진신진"),
        ("매달 보험료", "매달보험뇨"),
        ("숨지고 말았다", "숨지고마랃따"),
        ("사실대로", "사실대로"),
        ("문제투성이", "문제투성이"),
        ("무성영화", "무성영화"),
        ("재활용품 생활용품", "재화룡품생활룡품"),
        ("광섬유", "광서뮤"),
        ("일제 강점기", "일쩨강점기"),
        ("겨울방학", "겨울방학"),
        ("고추잠자리", "고추잠자리"),
        ("만일 일이 생기면", "마닐이리생기면"),
        ("천 위에", "천위에"),
        ("기둥이", "기둥이"),
        ("서울대", "서울대"),
        ("기술도", "기술도"),
        ("기술자격증", "기술자격쯩"),
        ("울림소리", "울림소리"),
        ("이걸 누가", "이걸누가"),
        ("술을 너무", "수를너무"),
        ("지적을 받다", "지저글받따"),
    ],
)
def test_what_only_looks_like_a_rule(ko: FrontEnd, written: str, spoken: str) -> None:
    assert hangul(ko(written)) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("창의성이", "창의썽이"),
        ("배타성도", "배타썽도"),
        ("조업권을", "조업꿔늘"),
        ("항해법", "항해뻡"),
        ("멀미증", "멀미쯩"),
        ("무고죄로", "무고쬐로"),
        ("거울용", "거울룡"),
        ("구강염", "구강념"),
        ("교란력", "교란녁"),
        ("충전료", "충전뇨"),
        ("지방여행", "지방녀행"),
        ("돌발적인", "돌발쩌긴"),
        ("순찰대", "순찰때"),
        ("해결사였다", "해결싸엳따"),
        ("예술제에서", "예술쩨에서"),
        ("홍보과", "홍보꽈"),
        ("고함소리가", "고함쏘리가"),
        ("눈물자국", "눈물짜국"),
        ("외상값도", "외상깝또"),
        ("백분율", "백뿐뉼"),
        ("향학열", "향항녈"),
        ("회충약", "회충냑"),
        ("감람유", "감남뉴"),
        ("회견록", "회견녹"),
        ("수사권", "수사꿘"),
        ("첫음절", "처듬절"),
        ("헛인심", "허딘심"),
        ("십만 원", "심마눤"),
        ("할 나이", "할라이"),
        ("지적 능력", "지쩡능녁"),
    ],
)
def test_suffixes_are_read_in_words_that_no_table_has(
    ko: FrontEnd, written: str, spoken: str
) -> None:
    assert hangul(ko(written)) == spoken


def test_punctuation_ends_assimilation(ko: FrontEnd) -> None:
    assert hangul(ko("밥 먹어")) == "밤머거"
    assert hangul(ko("밥, 먹어")) == "밥머거"
    assert [word.text for word in ko("밥, 먹어!")] == ["밥", ",", "먹어", "!"]


def test_all_final_consonants_are_those_of_article_8(ko: FrontEnd) -> None:
    for written, _ in cases("g2p_cases.tsv") + cases("ko_rarer.tsv") + STANDARD:
        spoken = {token for word in ko(written) for token in word.tokens}
        assert spoken & set(jamo.FINALS) <= FINALS_SPOKEN


TEXTS = st.one_of(
    st.text(max_size=40),
    st.text(
        "가나다라밟읽못 잎입일을할수것거게0123456789.,~-:/%km$월시개명AIㅋㅠ!?“”()[]{}漢女年=·",
        max_size=40,
    ),
    st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), max_size=20),
)


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_every_text_gives_tokens_of_the_inventory_or_a_text_error(text: str) -> None:
    ko = FRONTENDS.entry("ko").build(FrontEndConfig())
    try:
        words = ko(text)
    except TextError:
        return
    tokens = [token for word in words for token in word.tokens]
    assert set(tokens) <= set(jamo.INVENTORY)
    assert all(word.tokens for word in words)
    if "{" not in text and "[[" not in text:  # NFD would make tokens of what is in brackets
        assert ko(unicodedata.normalize("NFD", text)) == words
    assert ko.pronounce(ko.normalize(text)) == words
    assert ko.normalize(ko.normalize(text)) == ko.normalize(text)


@pytest.mark.parametrize("piece", ["1", "1,", "가", "a", "1-", "1~", "$", "밟", "가 ", "(", "3시 "])
def test_time_is_linear_in_the_length(ko: FrontEnd, piece: str) -> None:
    start = time.process_time()
    with contextlib.suppress(TextError):
        ko(piece * 40_000)
    assert time.process_time() - start < 5


def test_error_names_word_and_sentence(ko: FrontEnd) -> None:
    with pytest.raises(TextError, match=r"'かな를'.*'그는 かな를 읽는다'"):
        ko("그는 かな를 읽는다")


def test_only_normalised_text_can_be_pronounced(ko: FrontEnd) -> None:
    with pytest.raises(TextError, match="'3'"):
        ko.pronounce("3시")


def test_pickled_front_end_reads_the_same(ko: FrontEnd) -> None:
    assert pickle.loads(pickle.dumps(ko))("꽃잎이 3개") == ko("꽃잎이 3개")  # noqa: S301


@pytest.mark.parametrize(
    ("phrases", "said"),
    [
        ("word", ["옫", "안", "꼳", "망울", "고등어국", "안"]),
        ("short", ["오", "단", "꼰", "망울", "고등어국", "안"]),
        ("all", ["오", "단", "꼰", "망울", "고등어구", "간"]),
    ],
)
def test_setting_says_over_which_spaces_sounds_meet(phrases: str, said: list[str]) -> None:
    entry = FRONTENDS.entry("ko")
    ko = entry.build(entry.config(phrases=phrases))
    words = ko("옷 안") + ko("꽃 망울") + ko("고등어국 안")
    assert [hangul([word]) for word in words] == said


class TestInline:
    def test_tokens_in_braces(self, ko: FrontEnd) -> None:
        words = ko("그 {ᄆ ᅡ ᆯ}을 해")
        assert [word.text for word in words] == ["그", "말을", "해"]
        assert words[1].tokens == tuple(unicodedata.normalize("NFD", "말을"))

    def test_respelling_in_double_brackets(self, ko: FrontEnd) -> None:
        assert hangul(ko("[[맏찝]]에서 [[ᄆ ᅡ ᆯ]]")) == "맏찌베서말"

    def test_normalised_text_keeps_it(self, ko: FrontEnd) -> None:
        assert ko.normalize("{ᄆ ᅡ ᆯ}을 2개") == "[[ᄆ ᅡ ᆯ]]을 두개"

    def test_other_braces_are_brackets_of_the_text(self, ko: FrontEnd) -> None:
        assert hangul(ko("{가} 나")) == "가나"

    def test_unknown_token_is_named(self, ko: FrontEnd) -> None:
        with pytest.raises(TextError, match=r"'q' is not a token"):
            ko("[[ᄆ q]]")


class TestLexicon:
    @pytest.fixture
    def build(self, tmp_path: Path):
        def made(content: str) -> FrontEnd:
            path = tmp_path / "lexicon.tsv"
            path.write_text(content, encoding="utf-8")
            return FRONTENDS.entry("ko").build(FrontEndConfig(lexicon=str(path)))

        return made

    def test_respelling_wins_and_particles_join_it(self, build) -> None:
        ko = build("# comment\n맛집\t맏찜\n")
        assert hangul(ko("맛집")) == "맏찜"
        assert hangul(ko("맛집에서")) == "맏찌메서"
        assert hangul(ko("맛집다")) == "맏찝따"  # 다 is no particle: another word

    def test_tokens_are_taken_as_they_are(self, build) -> None:
        ko = build("말\tᄆ ᅡ ᆯ ~\n")
        assert [word.tokens for word in ko("말 나")] == [tuple("말~"), tuple("나")]
        assert ko("말을")[0].tokens == tuple("말~을")

    def test_word_in_latin_is_replaced_first(self, build) -> None:
        assert hangul(build("GPT-4\t지피티포\n")("GPT-4를")) == "지피티포를"

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("말\n", "lexicon.tsv:1"),
            ("말\tᄆ q\n", "'q' is not a token"),
            ("GPT\tᄌ ᅵ\n", "not Hangul"),
            ("말\t말\n말\t망\n", "lexicon.tsv:2: '말' has two"),
        ],
    )
    def test_bad_lexicon_is_named(self, build, content: str, message: str) -> None:
        with pytest.raises(TextError, match=message):
            build(content)

    def test_missing_lexicon_is_named(self) -> None:
        with pytest.raises(TextError, match=r"nowhere\.tsv"):
            FRONTENDS.entry("ko").build(FrontEndConfig(lexicon="nowhere.tsv"))
