"""Last parts of words after a stem of two syllables or more: 창조+성, 판단+력, 해결+사, 고함+소리.

They are productive, so a table of words is never complete; what they look like but are not (구성 in
재구성, 방법 in 해결방법) are words of two syllables, which are few. What the table of words says wins.
Four kinds: suffixes of their own change (``SUFFIXES``), those that are tense after a Sino-Korean ㄹ,
과 after a vowel, where the particle would be 와, and nouns that close a compound (``korean_compounds``).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from malsori.text import jamo
from malsori.text.korean_compounds import n_part, tense_head
from malsori.text.korean_exceptions import PARTICLES, tensed, with_n
from malsori.text.tables import word_set

SHORTEST_STEM = 2


class Suffix(NamedTuple):
    """One suffix and the words of two syllables that only end like it."""

    change: str
    """``'`` it becomes tense (article 28), ``ㄹ`` so after a ㄹ alone (26), ``+`` ㄴ is added (29),
    ``*`` ㄹ becomes ㄴ after ㄴ (20)."""
    words: frozenset[str]
    """Two-syllable words with that ending, in which it is no suffix."""


_NASAL_WORDS = word_set(
    """
    난로 선로 진로 원로 신로 관로 간로 언론 반론 분량 전량 원량 연료 원료 진료 인류 분류 전류 한류 본류 난류 곤란 혼란 논란
    분란 전란 본란 반란 민란 산란 문란 찬란 현란 연령 전력 권력 인력 관력 신력 관령 원력 근력 완력 안력 분력 안료 관료 만료
    """
)
SUFFIXES = {
    "성": Suffix(
        "'",
        word_set(
            """
            여성 남성 완성 구성 찬성 작성 형성 생성 위성 장성 만성 혹성 행성 항성 백성 음성 육성 양성 편성 조성 삼성 화성 금성
            수성 토성 합성 개성 지성 감성 이성 인성 천성 근성 야성 정성 함성 환성 탄성 급성 산성 중성 각성 반성 대성 명성 동성
            왕성 농성 관성 유성 기성 우성 품성 교성 영성 심성 모성 부성 칠성 나성 창성 투성 보성 홍성 안성 고성 횡성 의성 소성
            """
        ),
    ),
    "권": Suffix("'", frozenset()),
    "적": Suffix("ㄹ", frozenset()),
    "법": Suffix("'", word_set("방법 마법 사법 무법 위법 율법 입법 탈법")),
    "증": Suffix(
        "'",
        word_set("수증 검증 보증 인증 논증 고증 입증 확증 심증 반증 방증 위증 예증 공증 기증 변증"),
    ),
    "죄": Suffix("'", word_set("범죄 사죄 속죄 면죄 무죄 유죄 단죄")),
    "용": Suffix(
        "+",
        word_set(
            """
            작용 적용 활용 인용 신용 전용 겸용 통용 상용 실용 관용 식용 군용 약용 복용 공용 착용 남용 응용 범용 운용 선용 병용
            준용 중용 등용 임용 음용 혼용 악용 도용 일용 당용 변용 포용 형용 허용 내용 수용 미용 무용 얼용
            """
        ),
    ),
    "염": Suffix("+", word_set("감염 전염 폭염 간염 장염")),
    "율": Suffix("+", word_set("환율 선율 운율 전율 음율")),
    "잎": Suffix("+", frozenset()),
    "욕": Suffix(
        "+",
        word_set("식욕 성욕 물욕 탐욕 정욕 금욕 목욕 족욕 입욕 곤욕 굴욕 영욕 음욕 인욕 색욕 육욕"),
    ),
    "유": Suffix(
        "+",
        word_set(
            "분유 원유 연유 권유 온유 향유 공유 특유 경유 정유 중유 등유 석유 급유 함유 인유 산유 만유 섬유 습유 장유 신유"
        ),
    ),
    "열": Suffix(
        "+",
        word_set(
            """
            발열 가열 과열 진열 정열 균열 분열 검열 방열 단열 전열 흡열 선열 순열 작열 강열 음열 목열 직열 병열 격열 반열 관열
            """
        ),
    ),
    "약": Suffix(
        "+",
        word_set(
            """
            예약 절약 공약 협약 선약 한약 독약 농약 탄약 폭약 극약 신약 언약 강약 연약 병약 청약 집약 활약 밀약 빈약 묵약 생약
            확약 만약 작약 성약 단약 장약 경약 맹약 양약 점약 통약 혼약 군약 금약 찰약 당약
            """
        ),
    ),
    "례": Suffix("*", word_set("전례 선례 판례 순례 혼례 관례 연례 군례 반례")),
    "록": Suffix("*", word_set("신록 원록 연록 산록 분록 전록")),
    "력": Suffix("*", _NASAL_WORDS),
    "량": Suffix("*", _NASAL_WORDS),
    "로": Suffix("*", _NASAL_WORDS),
    "론": Suffix("*", _NASAL_WORDS),
    "료": Suffix("*", _NASAL_WORDS),
    "류": Suffix("*", _NASAL_WORDS),
    "란": Suffix("*", _NASAL_WORDS),
    "령": Suffix("*", _NASAL_WORDS),
}
"""By their syllable."""
_SINO_STEMS = word_set(
    """
    기술 개발 특별 생활 연결 경찰 시설 역할 동물 예술 건물 현실 사실 건설 비밀 수술 소설 물질 인물 출발 동일 차별 자살 진실 통일
    폭발 전달 진출 노출 검찰 미술 연출 탈출 체결 선발 거절 식물 전설 충돌 판결 대출 조절 관찰 처벌 교실 제출 약물 생물 계열 지불
    부활 사설 수출 총괄 학술 배출 연설 대결 배달 상실 발굴 보물 실질 개설 우울 신설 개별 고발 유출 본질 손실 암살 괴물 출혈 계절 선출 성별
    호출 화물 진술 품질 사물 전술 구별 사찰 명절 유발 재벌 분할 외출 자율 강철 학살 해설 이별 뇌물 분열 환불 거실 이탈 소멸 유물 정밀 서술
    종말 초월 강렬 재질 휴일 시술 식별 연말 방출 추출 정렬 재활 침몰 마술 조달 전철 완결 표절 역설 가설 과실 나열 종결 침실 창출 욕실
    단절 부실 분실 의결 지출 관절 기밀 도발 왕실 마찰 감찰 격렬 박탈 서열 욕설 검열 다발 정찰 골절 검출 재발 체질 객실 규율 형벌 무술
    창설 돌출 약탈 기질 산출 고찰 요일 격일 전일 종일 작물 적발 직결 퇴출 표출 광물 채굴 노골 순찰 곡물 분출 입찰 변질 조율 단결 유골
    증발 친밀 파열 대열 매월 격월 전월 타율 해골 강탈 도출 작별 만물 재물 치밀 촉발 파멸 간결 선별 저술 혼혈 결별 부설 상설 증설 균열 근절
    누출 몰살 연일 단발 발열 해열 송출 제철 비열 인출 수혈 온실 임실 병실 사절 성찰 폭설 주술 추월 경질 정벌 말살 판별 병렬 속출 총살 관철
    표결 이질 동질 두절 선불 후불 논술 분말 굴절 단말 진찰 과열 추돌 인솔 징벌 광활 우발 유실 직설 통찰 검술 반출 진열 격돌 상술
    피살 양질 미달 영결 엄밀 이발 타결 학설 연발 학벌 시찰 지혈 고질 공갈 배설 자결 전출 투철 색출 모발 장발 적출 전열 박멸 축출 시발 착발 종별
    도달 쟁탈 해결 구설 수탈 사멸 체불 차출 단열 방열 제설 청결 순결 동결 성질 선결 재결 항우울 유월 백일 오일 생일
    산발 돌발 간헐 간질 소실 화실 부절 음절 악절 어절 관할 직할 분별 저질 등질 균질 점질 수질 토질 골질 지질 전분질 단백질 석회질 섬유질
    응급실 예술 강설 낭설 도열 작렬 전말 시말 결말 월말 기말 휘발 폐활 일탈 해탈 함몰 매몰 출몰 보궐 교열 독설 매설
    """
)
"""Sino-Korean words in ㄹ: what is joined to them follows article 26; 서울 and 하늘 do not."""
_AFTER_SINO_L = frozenset("자제사소서대단전점절지선실상세색식산시직심수술석족조진작")
"""Suffixes that become tense after those words: 기술+자, 예술+제, 해결+사, 동일+시."""
_NO_SECTION = word_set(
    "사과 결과 효과 성과 교과 여과 투과 초과 부과 제과 유과 다과 무화과 화과 수과 약과 견과 장과 재과 선악과 하과 모과 석과 대과 소과 시과 가과"
)
"""What ends in 과 after a vowel and is neither a department nor a family of plants."""
_NUMERAL = re.compile(
    "(?:열|스물|서른|마흔|쉰|예순|일흔|여든|아흔)?(?:한|두|세|네|다섯|여섯|일곱|여덟|아홉)?|[일이삼사오육칠팔구십백천만억]+|여러|수십|수백|수천|몇십|스무"
)
"""What counts books before 권: 다섯 권, even without its space."""
LONGEST_PARTICLE = max(map(len, PARTICLES))


def suffixes(word: str, spelt: str) -> str:
    """Return a respelling with the suffix of the word, if it has one, respelt.

    Args:
        word: As written, Hangul, one written word.
        spelt: What the table of words made of it, one syllable for each of ``word``.
    """
    for end in range(len(word), max(SHORTEST_STEM, len(word) - LONGEST_PARTICLE - 1), -1):
        rest = word[end:]
        if rest and rest not in PARTICLES:
            continue
        place = end - 1
        suffix = SUFFIXES.get(word[place])
        if suffix is not None and place >= SHORTEST_STEM and spelt[place] == word[place]:
            changed = _changed(word, spelt, place, suffix)
            if changed != spelt:
                return changed
        place = n_part(word, end)
        if place > 0 and spelt[place] == word[place]:
            return spelt[:place] + with_n(spelt[place - 1], spelt[place]) + spelt[place + 1 :]
        changed = _tense_part(word, spelt, end)
        if changed != spelt:
            return changed
    return spelt


def _tense_part(word: str, spelt: str, end: int) -> str:
    """Return a respelling with the last part before ``end`` tense, if it becomes so."""
    place = end - 1
    last = word[place]
    if last in _AFTER_SINO_L and _ends_in_sino_l(word[:place]) and word[place:] != "대로":
        return _tensed_at(spelt, word, place)
    if last == "과" and jamo.final_of(word[place - 1]) == " ":
        is_section = place >= SHORTEST_STEM and word[place - 1 : end] not in _NO_SECTION
        return _tensed_at(spelt, word, place) if is_section else spelt
    place = tense_head(word, end)
    return _tensed_at(spelt, word, place) if place > 0 else spelt


def _ends_in_sino_l(stem: str) -> bool:
    return stem[-2:] in _SINO_STEMS or stem[-3:] in _SINO_STEMS


def _tensed_at(spelt: str, word: str, place: int) -> str:
    if spelt[place] != word[place]:
        return spelt
    return spelt[:place] + tensed(spelt[place]) + spelt[place + 1 :]


def _changed(word: str, spelt: str, place: int, suffix: Suffix) -> str:
    if word[place - 1 : place + 1] in suffix.words:
        return spelt
    if word[place] == "권" and _NUMERAL.fullmatch(word[:place]):
        return spelt
    before, letter = spelt[place - 1], spelt[place]
    if suffix.change == "'" or (suffix.change == "ㄹ" and jamo.final_of(before) == "ㄹ"):
        letter = tensed(letter)
    elif suffix.change == "*":
        if jamo.final_of(before) != "ㄴ":
            return spelt
        letter = jamo.with_initial(letter, "ㄴ")
    elif suffix.change == "+" and jamo.final_of(before) != " ":
        letter = with_n(before, letter)
    return spelt[:place] + letter + spelt[place + 1 :]
