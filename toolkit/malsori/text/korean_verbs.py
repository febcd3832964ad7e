"""Korean verbs by their shape: stems before endings, and which words in ㄹ are verbs.

Endings tell more than stems: 넘고 can only be a verb, 감자 may be a potato. Forms that are as well a
noun are left out, or asked for their neighbours (``korean_phrases``).
"""

from __future__ import annotations

import re

from malsori.text import jamo
from malsori.text.korean_exceptions import tensed
from malsori.text.tables import word_set

_L_STEMS = (
    "(?:둥글|가늘|드물|힘들|만들|흔들|모질|거칠|비뚤|어질|까불|부풀|시들|서툴|머물|이끌|베풀|거들|다물|떠들|기울|저물|여물|아물|허물|"
    "내밀|떠밀|치밀|낯설|뒹굴|찌들|병들|물들|되살|잠들|깃들|길들|철들|멍들|[가-힣][아어]들|스며들|매달|잇달|깨물|맞물|휘말|뛰놀|"
    "나뒹굴|되돌|떠돌|맴돌|겉돌|내걸|녹슬|일굴|내몰|휘몰|드날|밀(?=도록)|열(?=도록)|졸(?=도록)|절(?=도록)|팔(?=도록))"
)
_L_STEM_FORM = re.compile(
    _L_STEMS
    + r"(?:다(?:고|는|니|며|면|가|가도|가는|거나)?|고(?:서|는|도|자|요|나|야)?|게(?:끔|나|는|도)?|지(?:만|는|도|를|요)?|"
    r"자(?:마자|고|는|면|니)?|던(?:데|가|지)?|더(?:니|라|라도|군요?)|도록|든지|든가|거나|거든요?|기(?:가|를|에|도|만|는|로)?|소|되|죠)"
)
"""Forms of verbs in ㄹ, whose endings stay lax whatever words they look like: 머물자, 졸도록."""

_G_STEMS = "읽맑늙밝굵긁묽갉붉얽옭"
_CLUSTER_M_STEMS = "젊굶옮곪닮삶짊"
_ENDINGS_AFTER_CLUSTER = "다고지게더던습자소도겠거든"

_STEMS_IN_N_AND_M = (
    "(?:가다듬|쓰다듬|다듬|더듬|보듬|머금|살아남|뛰어넘|타넘|휘감|되감|눈감|내뿜|내뱉|굶|옮겨심|도로담|주워담|"
    "맞담|퍼담|껴안|끌어안|부둥켜안|얼싸안|떠안|감싸안|갈아신|남|넘|담|삼|숨|심|참|품|뿜|감|검|안|신)"
)
_ENDINGS_AFTER_N_AND_M = (
    "(?:고(?:서|는|도|요|야|자|파.*|싶.*|있.*|나서.*|나면|나니)?|"
    "다(?:가|가는|가도|고|는|니|니까|며|면|면서|거나|시피|만|느니|던)?|습니.*|습디.*|"
    "지(?:만|요|도|는|를|마.*|않.*|못.*)?|죠|곤|단다|자(?:마자|꾸나)?|겠.*|"
    "더(?:니|라|라도|라고|라면|군요?|구나|냐|니만)?|던(?:데.*|가|지|들)?|도록.*|든(?:지|가|지간에)?|"
    "거(?:나|든|든요|니와|들랑|라)|길래|건대|게(?:나|끔|도|는|끔은|되.*|돼.*|됐.*|하.*|해.*|했.*)?|소|소서)"
)
_STEM_AND_ENDING = re.compile(f"({_STEMS_IN_N_AND_M})({_ENDINGS_AFTER_N_AND_M})")
_ALSO_NOUNS = word_set(
    "남자 감자 신자 안자 검자 삼자 삼지 삼지만 삼지는 삼지도 삼지를 삼소 삼게 삼도 삼게도 담자 감고 감소 감다 감게 검고 검소 검지 검지만 검지는 검지도 검지를 남도 남고 담소 담지 담지만 심지 심지는 심지도 심지를 "
    "안다 안다고 안다는 안다며 안다면 안다거나 안소 안도록 안다니 안다면서 안다니까 안다만 안다느니 안단다 안다가 안더라 안더라도 안더군 안더군요 안던 안던데 안던가 안던지 안게 안게나 "
    "신고 신고서 신고는 신고도 신고요 신고자 신게 신소 참고 참고서 참고는 참고도 참고자 참소 참다 참게 숨소 품소 품고 "
    "감지 감지만 감지도 감지는 감지를 신지 안지 신다 남지 감고는"
)
_VERBS_AFTER_ALL = word_set(
    "감고 감다 남고 남지 참다 품고 검고 심지만 신다 안지 신지 검지만 안게 담지 담지만"
)
"""Of the forms above, what is nearly always the verb."""

_NOMINAL = re.compile(
    r"(?P<stem>(?:살아|뛰어|타|껴|끌어|얼싸|떠|주워|퍼|도로|가|쓰|내|맞)?(?:더듬|다듬|머금|굶|삶|닮|젊|곪|옮|담|삼|숨|참|품|뿜|남|넘|안))"
    r"기(?:가|를|는커녕|도|만|에|에는|에도|로|로는|보다|까지|조차|란|라도|나|도전에|때문에|전에|위해|쉽.*|어렵.*|힘들.*|싫.*)?"
)
"""A stem with 기, which makes a noun of it (article 24), never the causative: 굶기를, 뛰어넘기."""
_NO_NOMINALS = word_set("안기까지 삼기 삼기로")
_SOWN = ("모심기", "나무심기", "꽃심기", "옮겨심기", "머리감기", "눈감기", "갈아신기")
"""Compounds with stems that have another noun in 기 beside them (심기, 감기, 신기)."""

_FUTURE_ENDINGS = re.compile(
    r"(?P<promise>[게걸]요?)|"
    r"(?P<whether>지(?:도|라도|는|를|가|에|요|언정|어다|모르.{0,4}|도모르.{0,4})?)|"
    r"(?P<noun>거(?:야|예요|에요|다|라고|라는|란|래|니까?|지|죠|였.{1,3})|것(?:이다?|은|을|도|같.{1,3}|입니다)?|겁니.{1,2}|건(?:데|데요|가요?|지)?|수(?:는|도|가|밖에)?(?:[있없].*)?|듯.*)|"
    r"(?P<always>수록(?:은|도|요)?|진대|세라|지언정|지라도|지어다|지니)"
)
"""What makes ㄹ before it the future or adnominal ㄹ, article 27, supplement."""
_COMMON_FUTURES = frozenset("할될갈올볼줄킬질릴낼쓸일을칠탈클날")
_WHETHER_FUTURES = _COMMON_FUTURES | frozenset(
    "럴떨를쁠플뻘쩔뺄길틸딜필뜰울둘꿀셀뗄깰쉴뛸챌댈펼켤설널낄출쏠뵐얄"
)
"""Last syllables of futures before 지, where fewer nouns are in the way."""
_STEMS_BEFORE_BOUND = frozenset({"알", "살", "놀", "만들", "힘들", "떠들", "이끌", "머물"})
_STEMS_IN_L = word_set(
    """
알 살 팔 울 놀 달 길 멀 들 열 걸 벌 풀 빌 불 날 돌 말 물 밀 늘 쓸 졸 절 털 떨 끌 틀 굴 헐 글 슬
잘 가늘 둥글 드물 힘들 만들 흔들 모질 거칠 비뚤 어질 까불 부풀 시들 서툴 머물 이끌 베풀 거들 다물
떠들 기울 저물 여물 아물 허물 내밀 떠밀 치밀 낯설 뒹굴 되길 찌들 병들 물들 울 널
    """
)
"""Verb stems, and a few adverbs' stems, that end in ㄹ by themselves: 길게, 살지 stay lax."""


def is_form_in_l(word: str) -> bool:
    """True for a form of a verb in ㄹ that is pronounced as it is spelt."""
    return _L_STEM_FORM.fullmatch(word) is not None


def verb_endings(word: str) -> str:
    """Return a word respelt where a verb's stem meets its ending: articles 10.1, 11.1, 24, 27.1.

    Args:
        word: Precomposed Hangul syllables, one written word.
    """
    if len(word) < 2:
        return word
    if word not in _ALSO_NOUNS or word in _VERBS_AFTER_ALL:
        found = _STEM_AND_ENDING.fullmatch(word)
        if found is not None:
            return found[1] + tensed(found[2][0]) + found[2][1:]
    found = _NOMINAL.fullmatch(word)
    if found is not None and word not in _NO_NOMINALS:
        return found["stem"] + "끼" + word[len(found["stem"]) + 1 :]
    if word.startswith(_SOWN):
        return word.replace("기", "끼", 1)
    letters = list(word)
    for place in range(len(letters) - 1):
        stem, ending = letters[place], letters[place + 1]
        initial = jamo.initial_of(ending)
        if stem in _G_STEMS and initial == "ㄱ":
            letters[place] = jamo.with_final(stem, "ㄹ")
            letters[place + 1] = tensed(ending)
        elif stem == "밟" and initial not in "ㅇㅎ":
            letters[place] = "밥"
        elif (
            stem in _CLUSTER_M_STEMS
            and ending in _ENDINGS_AFTER_CLUSTER
            and not (stem == "삶" and ending in "도")
        ) or (jamo.final_of(stem) == "ㄹ" and _is_future(word, place)):
            letters[place + 1] = tensed(ending)
            if ending == "걸" and word.endswith("걸요"):
                letters[place + 2] = "료"  # article 29: 할걸요
    return "".join(letters)


def _is_future(word: str, place: int) -> bool:
    """True if the syllable at ``place`` ends in the adnominal or future ㄹ of a verb."""
    found = _FUTURE_ENDINGS.fullmatch(word, place + 1)
    if found is None:
        return False
    last = word[place]
    if found["always"] or (last == "을" and place > 0):
        return True
    start = word[: place + 1]
    in_l = start in _STEMS_IN_L or start[-2:] in _STEMS_IN_L
    if found["promise"]:
        if word[place + 1] == "걸":
            return start not in _NOUNS and start not in _NO_REGRETS
        return word.endswith("요") or not in_l
    if found["noun"]:
        is_verb = last in _COMMON_FUTURES or last == "울" or start in _STEMS_BEFORE_BOUND
        return is_verb and start not in _NOUNS
    return last in _WHETHER_FUTURES and not in_l and last != "쓸" and start not in _NOUNS


_NO_REGRETS = frozenset({"콜", "딸"})
"""What 걸 may follow as another word: 콜걸."""
_NOUNS = word_set(
    """
오늘 내일 서울 정말 얼굴 하늘 마늘 가을 겨울 마을 거울 방울 바늘 비밀 생일 휴일 요일 과일 메일 이메일 칠 일
이불 연필 교실 사실 현실 화장실 거실 침실 물 말 날 길 글 돌 불 발 팔 술 달 별 쌀 털 풀 칼 꿀 뿔 딸 아들 잘
꼭 참말 거짓말 반말 양말 주말 지하철 호텔 뭘 걸 널 절 그걸 이걸 저걸 무얼 누굴 여길 거길 저길 어딜 매일 평일
월요일 화요일 수요일 목요일 금요일 토요일 일요일 이틀 사흘 나흘 열흘 며칠 십일 이십일 초콜릿 제일 별일 절대 열
여덟 스물 둘 통일 독일 을 이슬 구슬 사슬 베틀 고을 노을 세월 개월 서른 마흔 한글 댓글 정글 굴 얼 번번 우릴
털실 반달 한달 싱글 커플 애플 샘플 스타일 파일 마일 타일 금물 골목길 뱃길 밤길 빗길 질 개울 여울 한울 저울
너울 시울 역할 분할 색깔 젓갈 알코올 실 한올 밧줄 핏줄 밑줄 고무줄 힘줄 빨랫줄 탯줄 소탈 해탈 박탈 약탈 이탈 수탈
허탈 마이클 오라클 서클 사이클 모터사이클 하이힐 처칠 안뜰 앞뜰 벌꿀 수출 외출 지출 대출 제출 진출 구출 연출
탈출 배출 유출 노출 추출 매출 창출 돌출 방출 도출 분출 호출 산출 표출 가출 검출 누출 속출 선출 인출 색출 소설
건설 시설 전설 연설 해설 욕설 개설 신설 배설 매설 역설 사설 학설 가설 낭설 채널 터널 저널 캐널 손질 품질 성질
물질 본질 체질 재질 자질 기질 이질 토질 수질 양치질 바느질 발길질 걸레질 다리미질 도둑질 사무실 병실 욕실 진실
확실 성실 튼실 연구실 회의실 미술실 과실 온실 지하실 휴게실 응접실 대기실 탈의실 분장실 상담실 수술실 응급실
실험실 음악실 도서실 행정실 독서실 작업실 강의실 중환자실 분실 상실 손실 내실 부실 절실 착실 충실 오늘날 옛날
전날 다음날 훗날 어느날 맨날 여름날 설날 그날 이날 첫날 생날 지난날 앞날 봄날 온종일 종일 당일 만일 과메일
시골 단골 해골 몰골 산골 두개골 월드볼 테니스볼 풋볼 핸드볼 절친 되길 하길 있길 알고있길 않길 가길 만나길
버렸길 도와주길 서둘 폴 빌 페인트칠 색칠 먹칠 잘잘 스페셜 시클 힐 룰 메달 페달
모델 동지달 섣달 시월 하루종일 보름달
    """
)
"""Words in ㄹ that are no verb before a noun, though their last syllable is a common one there."""
_VERBAL_SYLLABLES = frozenset(
    "할될갈올볼줄킬릴낼쓸탈칠클힐울뛸쉴뗄뺄댈뜰챌셀럴쩔룰낄꿀틸출깰설랄널질실앨럼뵐찔짤쏠켤펼맬밀챙잴"
)
_VERB_FORMS = word_set(
    """
만날 떠날 끝날 일어날 태어날 나타날 빛날 화날 혼날 지날 생각날 늘어날 벗어날 물러날 드러날 깨어날 자라날 살아날
달아날 고장날 솟아날 이길 생길 옮길 맡길 남길 넘길 즐길 웃길 당길 챙길 끊길 숨길 섬길 잠길 담길 벗길 보일 쓰일
죽일 높일 줄일 움직일 먹일 붙일 기울일 모일 쌓일 끓일 속일 녹일 들일 받아들일 벌일 늘일 만들 힘들 먹고살
그만둘 관둘 내버려둘 남겨둘 다닐 가질 다물 이끌 베풀 머물 모를 부를 누를 오를 흐를 고를 따를 서두를 머무를
들를 저지를 찌를 마를 죽을 늦을 믿을 받을 씻을 웃을 쫓을 찾을 맡을 잡을 뽑을 씹을 막을
찍을 얻을 닫을 쏟을 맞을 잊을 찢을 꽂을 높을 깊을 싶을 같을 갚을 덮을 갈아입을 넘을 박을 심을 잠잘 살아남을 알아들을
되찾을 눈감을 겁먹을 먹을 나을 뜯을 벗을 감싸안을 끼칠 일할 누릴
    """
)
_NUMBER = re.compile("[일이삼사오육칠팔구십백천만억조]+")
_NEVER_VERBS = frozenset("걸널절뭘늘꼴별물술쌀달발딸을이그저일길글")
"""Words of one syllable that are no verbs even before 것 and 수; 팔 수 is from a verb."""
_NOUNS_BEFORE_EUL = frozenset("닭흙값삶덟슭칡몫넋삯밖팎")
_VERB_FINALS = frozenset("ㅆㅄㄶㅀㄵㄺㄻㄼㄲㅎㄾㄿ")


_SHORT_VERBS_BEFORE = {
    "살": ("집", "곳", "사람", "날", "길", "동네", "데", "생각", "계획", "형편", "작정"),
    "알": ("권리", "길", "사람", "도리", "방법"),
    "놀": ("사람", "시간", "거리", "곳", "데", "줄"),
    "잘": ("시간", "곳", "방", "데", "자리", "준비", "것", "거", "수 ", "사람"),
    "팔": ("물건", "것", "집", "사람"),
}
"""Verbs in ㄹ by themselves, which are other words as well, and the nouns that tell."""


def is_adnominal(word: str, following: str) -> bool:
    """True if a word in ㄹ is surely a verb that stands before a noun: 할, 있을, 만날.

    Args:
        word: It ends in ㄹ.
        following: The written word after it.
    """
    if word in _SHORT_VERBS_BEFORE:
        return following.startswith(_SHORT_VERBS_BEFORE[word])
    if word in _VERB_FORMS:
        return True
    if word in _NOUNS or is_number(word):
        return False
    last = word[-1]
    if last == "을":
        before = word[-2:-1]
        return bool(before) and (
            jamo.final_of(before) in _VERB_FINALS and before not in _NOUNS_BEFORE_EUL
        )
    return last in _VERBAL_SYLLABLES and word[-2:] not in _NOUNS and word[-3:] not in _NOUNS


def is_number(word: str) -> bool:
    """True if a word is a Sino-Korean number: 삼, 십칠."""
    return _NUMBER.fullmatch(word) is not None


def is_noun_in_l(word: str) -> bool:
    """True if a word in ㄹ is known to be no verb, even before 것, 수 and their like."""
    if len(word) == 1:
        return word in _NEVER_VERBS
    return word in _NOUNS or (word[-1] == "들" and word not in _VERBS_IN_DEUL)


_VERBS_IN_DEUL = word_set(
    "만들 힘들 흔들 줄어들 거들 떠들 시들 받아들 물들 스며들 모여들 끼어들 접어들 길들 찾아들 병들"
)
