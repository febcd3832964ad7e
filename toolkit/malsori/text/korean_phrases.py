"""What happens between two written Korean words in one breath: articles 15, 27 and 29.

Whether a ㄹ at a word's end is that of a verb before a noun (갈 사람) or a noun's own (서울 사람)
would need grammar; here it is told from lists of what follows and of verb forms that are common.
"""

from __future__ import annotations

import re
from functools import lru_cache

from malsori.text import jamo
from malsori.text.korean_exceptions import PARTICLES, tensed
from malsori.text.korean_rules import Gap
from malsori.text.korean_verbs import is_adnominal, is_noun_in_l, is_number
from malsori.text.korean_words import CACHED_WORDS, I_VOWELS
from malsori.text.tables import word_set

_BOUND = re.compile(
    r"것|거(?:야|예요|에요|다|니까?|라고?|라는|지|지만|죠|요|든|란다?|기에|면|고|였다?|가)?$|겁니|걸(?:요|세)?$|게(?:요)?$|"
    r"건(?:데|데요|가요?|지)?$|수(?:가|는|도|만|밖에|록)?$|줄(?:은|을|도|만|로)?$|듯|데(?:가|는|도|로|를|다)?$|"
    r"바(?:를|가|는|에)?$|적(?:에|이|은|에는)?$|지[도는]?$|성싶"
)
"""Bound nouns with what follows them; before them every ㄹ is that of a verb, bar a few nouns."""
LONGEST_CLOSE_WORD = 2
"""Syllables of a word after which a stop moves over the space to a vowel (집 앞 → 지밥)."""
_AFTER_A_BREAK = word_set(
    "더 그 저 좀 제 다시 가장 제일 자꾸 정말 절대 조금 진짜 또 그냥 그렇게 저렇게 분명히 반드시"
)
"""Adverbs, before which even a verb before a noun ends its phrase: 막을 더 많은 방법."""
_ABLE = re.compile("수(?:가|는|도|밖에)?")
_BEFORE_WORK = word_set(
    """
웬 별 먹고살 하던 집안 바깥 부엌 논 들 막 큰 지난 해야할 큰집 농장 공장 직장 손님 남 남편
    """
)
_NUMBERS_IN_L = frozenset({"열", "여덟"})
_COUNTED = (
    "시", "살", "개", "장", "번", "병", "권", "달", "잔", "대", "사람", "가지", "그릇", "군데", "시간", "배", "곳", "박스", "분",
)  # fmt: skip
_ADNOMINAL_ENDINGS = (
    "하는", "되는", "있는", "없는", "지는", "어나는", "생기는", "던", "한", "된", "런", "은", "운", "른", "든", "쁜", "어난", "생긴",
    "않는", "모르는", "아는", "싶은", "할", "될", "볼", "적인",
)  # fmt: skip
"""Ends of words after which 일 is work or matter that they describe."""
_DESCRIBED = re.compile("잎사귀|이파리|이불|여인|여우|여학생|열매|양말|잎|엿|약|역|윷")
"""Nouns that take ㄴ after what describes them: 물든 잎 [물든닙], 내릴 역 [내릴력]."""
_SHORT_ADNOMINALS = word_set("큰 긴 쓴 찬 핀 헌 센 단 탄 준 본 뜬")
_STEMS_BEFORE_EUN = frozenset(
    "좋많작같젊깊높낮넓좁짧굵얇밝맑늙붉검굳옳싫낡먹받남입웃믿찾잡닫얻앉읽씻벗찍막묻죽늦맞맺잊쏟뽑씹접적녹참굶심담않잃끓앓놓낳쌓넣닿닮옮"
    "삶얹밟짚갚덮엎싶찮잖궂곧묵익볶묶깎닦섞겪꺾낚엮긁얽핥훑읊젖꽂찢빚갖멎좇쫓맡뱉붙짙얕옅엷떫뜯걷굽뚫꿇닳끊괜얼"
)
"""Syllables after which 은 makes an adjective or a verb, 좋은, and is no particle."""
_COUNTED_AT_ONCE = re.compile("(?:원|억|위(?!에)|월|일|인분)(?![가-힣]{4})")
"""What begins with a vowel and makes one word with the number before it."""
_NO_AMOUNTS = frozenset({"만일", "일일"})
"""What only looks like a number: 만일 일이 생기면."""
_COUNTED_BY_NUMBERS = ("연대", "연승", "연패", "연속", "열", "역", "영업")
_BEFORE_PARTS = {
    "한": ("잎", "입"),
    "옷": ("입", "이"),
    "꽃": ("이름", "잎", "이파리"),
    "잘": ("입", "익", "읽", "잊"),
    "첫": ("여름",),
    "앞": ("유리", "이마", "이빨"),
    "옆": ("유리",),
    "늦": ("여름",),
    "지난": ("여름",),
    "올": ("여름",),
}
"""Words that are said as one with what follows them."""

_OBJECTS = word_set(
    "날 널 뭘 걸 이걸 그걸 저걸 이것을 누굴 무얼 어딜 여길 거길 저길 절 우릴 오늘 내일 매일 정말 하루종일 온종일 이틀 사흘 오늘날 얼마를"
)
"""Words in ㄹ that end what is said in one breath, before ㄴ."""
_STEMS_BEFORE_AUXILIARIES = {"신고": "신꼬", "참고": "참꼬"}
_DESCRIBING = {
    "인적": ("자원", "사항", "교류", "물적", "쇄신", "구성", "네트", "피해", "오류", "요인", "정보", "자본"),
    "지적": ("능력", "호기심", "수준", "재산", "장애", "욕구", "활동", "발달", "대화", "탐구", "성장", "매력", "자극", "유희", "인"),
    "성적": ("욕", "매력", "학대", "취향", "행위", "수치", "지향", "자기", "호기심", "충동", "본능", "쾌", "대상", "표현", "농담", "접촉"),
    "사적": ("영역", "대화", "모임", "감정", "생활", "관계", "이익", "용도", "자치", "제재", "복수", "공간", "만남"),
    "공적": ("자금", "연금", "영역", "기관", "부조", "책임", "업무", "생활", "관계", "공간", "마스크", "자리"),
    "전적": ("책임", "신뢰",),
    "정적": ("이미지", "분석", "자세", "상태"),
    "시가": ("총액",),
    "외적": ("요인", "조건", "환경", "동기", "성장", "아름다움", "갈등", "변화", "형식", "내적"),
}  # fmt: skip
"""Words with a tense end of which others are spelt alike, and what follows them: 지적 능력, 지적을 받다."""
_WORN = (
    "신발을",
    "양말을",
    "구두를",
    "운동화를",
    "장화를",
    "부츠를",
    "슬리퍼를",
    "스타킹을",
    "하이힐을",
    "버선을",
    "샌들을",
    "신을",
)
_AUXILIARIES = (
    "있",
    "다니",
    "다녀",
    "싶",
    "나가",
    "나간",
    "가",
    "왔",
    "와",
    "온",
    "견",
    "버티",
    "기다",
)
"""Words that begin what may follow -고 in one breath: 신고 있다, 참고 견디다."""


@lru_cache(maxsize=CACHED_WORDS)
def meet(word: str, following: str) -> tuple[str, Gap]:
    """Return the initial that ``following`` gets after ``word``, and the kind of gap.

    Args:
        word: The written word before, as spelt.
        following: The written word after it, as spelt.

    Returns:
        The new initial as a letter, ``""`` where it stays as spelt; and the gap between the words.
    """
    final, initial = jamo.final_of(word[-1]), jamo.initial_of(following[0])
    if initial == "ㅇ":
        if _adds_n(word, following):
            return "ㄴ", Gap.WORD
        if _COUNTED_AT_ONCE.match(following) and _is_amount(word):
            return "", Gap.NONE  # article 13: 십만 원 심마눤
        return "", Gap.CLOSE if len(word) <= LONGEST_CLOSE_WORD else Gap.WORD
    if final == "ㄹ" and initial == "ㄴ":  # article 20 is for what is said as one
        apart = word in _OBJECTS or (word[-1] in "을를" and not is_adnominal(word, following))
        return "", Gap.PAUSE if apart else Gap.WORD
    if initial in "ㄱㄷㅂㅅㅈ":
        counted = word in _NUMBERS_IN_L and following.startswith(_COUNTED)
        if counted or (final == "ㄹ" and _is_adnominal(word, following)):  # article 27
            return jamo.initial_of(tensed(following[0])), Gap.WORD
    return "", Gap.WORD


def _is_adnominal(word: str, following: str) -> bool:
    """True if ``word`` is a verb in -(으)ㄹ that stands before the noun ``following``."""
    if following in _AFTER_A_BREAK:
        return False
    if is_adnominal(word, following):
        return True
    if is_noun_in_l(word):
        return False
    if word[-1] == "를":
        return _ABLE.fullmatch(following) is not None
    if word[-1] == "을" and following.startswith(("줄", "걸", "바", "건")):
        return False
    return _BOUND.match(following) is not None


def _is_amount(word: str) -> bool:
    return word not in _NO_AMOUNTS and is_number(word.lstrip("수몇"))


def _adds_n(word: str, following: str) -> bool:
    """Article 29, supplement 2: ㄴ is added between two words said as one."""
    if jamo.vowel_of(following[0]) not in I_VOWELS or jamo.final_of(word[-1]) == " ":
        return False
    if word in ("못", "안", "무슨"):
        return True
    if following.startswith("여자") or _is_described(following):
        return _describes(word, following)
    if following == "약":  # after 은 and 는 it may be "about"
        return jamo.final_of(word[-1]) == "ㄹ" and is_adnominal(word, following)
    if following.startswith("일") and (following == "일" or following[1:] in PARTICLES):
        return word in _BEFORE_WORK or (word.endswith(_ADNOMINAL_ENDINGS) and not _is_topic(word))
    if is_number(word):
        return following.startswith(_COUNTED_BY_NUMBERS)
    if word.endswith("월") and following.startswith("육"):
        return word in ("유월", "시월") or is_number(word[:-1])
    if word in _BEFORE_PARTS:
        return following.startswith(_BEFORE_PARTS[word])
    return following.startswith("엿") and (following == "엿" or following[1:] in PARTICLES)


def _is_described(following: str) -> bool:
    found = _DESCRIBED.match(following)
    if found is None:
        return False
    rest = following[found.end() :]
    return rest in PARTICLES or (not rest and found[0] != "약")


def _describes(word: str, following: str) -> bool:
    """True if ``word`` is a verb or an adjective that describes the noun after it."""
    if jamo.final_of(word[-1]) == "ㄹ":
        return is_adnominal(word, following)
    if word in _SHORT_ADNOMINALS:
        return True
    return word.endswith((*_ADNOMINAL_ENDINGS, "선", "픈", "긴", "진")) and not _is_topic(word)


def _is_topic(word: str) -> bool:
    """True if a final 은 is the particle: 사람은, but not 좋은."""
    return word[-1] == "은" and word[-2:-1] not in _STEMS_BEFORE_EUN


def respell_before(word: str, following: str, before: str) -> str:
    """Return ``word`` respelt where only its neighbours tell a verb from a noun of the same shape.

    신고 있다 and 양말을 신고 are "wearing", with a tense ㄱ (article 24); 신고 하다 is "to report".

    Args:
        word: A written word.
        following: The one after it, ``""`` for none.
        before: The one before it, ``""`` for none.
    """
    if word in _DESCRIBING and following.startswith(_DESCRIBING[word]):
        return word[0] + tensed(word[1])
    tense = _STEMS_BEFORE_AUXILIARIES.get(word)
    if tense is None:
        return word
    worn = word == "신고" and before.endswith(_WORN)
    return tense if worn or following.startswith(_AUXILIARIES) else word
