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
from malsori.text.korean_words import CACHED_WORDS
from malsori.text.tables import word_set

_BOUND = re.compile(
    r"것|거(?:야|예요|에요|다|니까?|라고?|라는|지|지만|죠|요|든|란다?|기에|면|고|였다?|가)?$|겁니|걸(?:요|세)?$|게(?:요)?$|"
    r"건(?:데|데요|가요?|지)?$|수(?:가|는|도|만|밖에|록)?$|줄(?:은|을|도|만|로)?$|듯|데(?:가|는|도|로|를|다)?$|"
    r"바(?:를|가|는|에)?$|적(?:에|이|은|에는)?$|지[도는]?$|성싶"
)
"""Bound nouns with what follows them; before them every ㄹ is that of a verb, bar a few nouns."""
_NOUNS = (
    "사람", "곳", "생각", "계획", "준비", "시간", "자리", "자신", "자격", "기회", "방법", "장소", "돈", "가치", "작정",
    "지경", "가능성", "거리", "집", "길", "동안", "점", "상황", "조건", "권리", "자유", "시점", "동생", "도리", "셈", "대로", "정도",
)  # fmt: skip
_VERBS_IN_REUL = word_set(
    """
부를 누를 오를 흐를 모를 고를 다를 마를 지를 따를 서두를 머무를 들를 치를 바를 기를 자를 찌를
저지를 무를 게으를 푸를 이를
    """
)
_COMMON_IN_EUL = word_set(
    """
먹을 읽을 찾을 깎을 잡을 박을 믿을 죽을 늦을 받을 입을 씻을 묻을 웃을 숨을 참을 남을 넘을 쫓을
걸을 들을 싫을 나을
    """
)
"""Verb forms that are no noun with 을: before 줄 and 걸, which may also mean give and hang."""
_VERB_FINALS = frozenset("ㅆㅄㄶㅀㄵㄺㄻㄼㄲ")
_NEVER_ADNOMINAL = word_set(
    """
오늘 내일 서울 정말 얼굴 하늘 마늘 가을 겨울 마을 거울 방울 바늘 비밀 생일 휴일 요일 과일 메일
이불 연필 교실 사실 현실 화장실 거실 침실 물 말 일 날 길 글 돌 불 발 팔 술 달 별 쌀 털 풀 칼 꿀 뿔
딸 아들 잘 꼭 참말 거짓말 반말 양말 주말 지하철 호텔 이를 그를 나를 너를 저를 우리를 뭘 걸 널 절
그걸 이걸 저걸 무얼 누굴 여길 거길 저길 어딜 매일 평일 월요일 화요일 수요일 목요일 금요일 토요일
일요일 이틀 사흘 나흘 열흘 며칠 칠 십일 이십일 초콜릿 경찰 관찰 시월 팔월 칠월 일월 유월 구월 이월
삼월 사월 오월 십일월 십이월 수월 제일 별일 절대 처럼 열 여덟 스물 둘 통일 독일 동물 식물 인물
건물 선물 눈물 콧물 빗물 음식물 보물 괴물 사물 농산물 결말 정월 이슬 구슬 사슬 베틀 고을 노을 가늘
미술 예술 기술 마술 수술 출발 재발 개발 신발 맨발 양발 색깔 빨 비율 환율 법률 확률 세월 개월 서른
마흔 한글 댓글 정글 연결 해결 판결 비결 물결 숨결 굴 얼 올 번번 볼 털실 병실 욕실 진실 확실 성실
튼실 소설 시설 건설 전설 연설 개설 배달 전달 발달 반달 한달 이번달 다음달 지난달 속달 매달 캐널
채널 터널 패널 저널 모델 라벨 레벨 노벨 바벨 샤넬 싱글 커플 애플 샘플 스타일 파일 마일 타일 나일
뇌물 그물 우물 금물 강물 찬물 맹물 골목길 산길 눈길 발길 손길 갈림길 지름길 출근길 퇴근길 물길
뱃길 밤길 빗길 품질 성질 물질 본질 체질 재질 질 저울 개울 여울 한울
    """
)
_ADNOMINAL_LAST = frozenset("할될갈올볼줄킬릴낼쓸탈질칠클힐울길뛸")
_ADNOMINAL_SURE = word_set("살 만날 떠날 태어날 일어날 끝날 나갈 먹고살")
LONGEST_CLOSE_WORD = 2
"""Syllables of a word after which a stop moves over the space to a vowel (집 앞 → 지밥)."""
_I_VOWELS = frozenset("ㅣㅑㅕㅛㅠㅖㅒ")
_BEFORE_WORK = word_set(
    """
한 할 볼 된 될 못할 못한 무슨 어떤 웬 별 모든 하는 그런 이런 저런 어느 다른 급한 힘든 좋은 나쁜
많은 같은 쉬운 어려운
    """
)
_NUMBERS_IN_L = frozenset({"열", "여덟"})
_COUNTED = (
    "시",
    "살",
    "개",
    "장",
    "번",
    "병",
    "권",
    "달",
    "잔",
    "대",
    "사람",
    "가지",
    "그릇",
    "군데",
    "시간",
    "배",
)

_STEMS_BEFORE_AUXILIARIES = {"신고": "신꼬", "참고": "참꼬"}
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
        return "", Gap.CLOSE if len(word) <= LONGEST_CLOSE_WORD else Gap.WORD
    if initial in "ㄱㄷㅂㅅㅈ":
        counted = word in _NUMBERS_IN_L and following.startswith(_COUNTED)
        if counted or (final == "ㄹ" and _is_adnominal(word, following)):  # article 27
            return jamo.initial_of(tensed(following[0])), Gap.WORD
    return "", Gap.WORD


def _is_adnominal(word: str, following: str) -> bool:
    """True if ``word`` is a verb in -(으)ㄹ that stands before the noun ``following``."""
    if word in _NEVER_ADNOMINAL or word == "을":
        return False
    if word[-1] == "를" and word not in _VERBS_IN_REUL:
        return False
    if word[-1] == "을" and following.startswith(("줄", "걸")):
        return jamo.final_of(word[-2]) in _VERB_FINALS or word in _COMMON_IN_EUL
    if _BOUND.match(following):
        return True
    if not any(_is_noun(following, noun) for noun in _NOUNS):
        return False
    if word[-1] == "을":
        return jamo.final_of(word[-2]) in _VERB_FINALS
    return word in _ADNOMINAL_SURE or word[-1] in _ADNOMINAL_LAST


def _is_noun(word: str, noun: str) -> bool:
    return word.startswith(noun) and (word == noun or word[len(noun) :] in PARTICLES)


def _adds_n(word: str, following: str) -> bool:
    """Article 29, supplement 2: ㄴ is added between two words said as one."""
    if jamo.vowel_of(following[0]) not in _I_VOWELS or jamo.final_of(word[-1]) == " ":
        return False
    if word == "못":
        return True
    if following.startswith("일") and (following == "일" or following[1:] in PARTICLES):
        return word in _BEFORE_WORK
    if word in ("무슨", "어느") and following.startswith(("요일", "약", "역", "영화", "이유")):
        return True
    if word == "옷" and following.startswith(("입", "이")):
        return True
    if word == "꽃" and following.startswith(("이름", "잎", "이파리")):
        return True
    if word == "잘" and following.startswith(("입", "익", "읽", "잊")):
        return True
    return following.startswith("엿") and (following == "엿" or following[1:] in PARTICLES)


def respell_before(word: str, following: str) -> str:
    """Return ``word`` respelt where only the next word tells a verb from a noun of the same shape.

    신고 있다 is "is wearing", with a tense ㄱ (article 24); 신고 하다 is "to report".
    """
    tense = _STEMS_BEFORE_AUXILIARIES.get(word)
    return tense if tense is not None and following.startswith(_AUXILIARIES) else word
