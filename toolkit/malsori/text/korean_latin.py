"""Latin letters in Korean text: a small table of common words, letter names as the last resort.

Source: 외래어 표기법 (the official transliteration of loan words) for the words.
"""

from __future__ import annotations

LETTER_NAMES = {
    "a": "에이", "b": "비", "c": "씨", "d": "디", "e": "이", "f": "에프", "g": "지",
    "h": "에이치", "i": "아이", "j": "제이", "k": "케이", "l": "엘", "m": "엠", "n": "엔",
    "o": "오", "p": "피", "q": "큐", "r": "아르", "s": "에스", "t": "티", "u": "유",
    "v": "브이", "w": "더블유", "x": "엑스", "y": "와이", "z": "제트",
}  # fmt: skip

_TABLE = """
tv 티비 | pc 피시 | dvd 디브이디 | ok 오케이 | vs 대 | mr 미스터 | mrs 미시즈 | ms 미즈 | dr 닥터
computer 컴퓨터 | internet 인터넷 | email 이메일 | mail 메일 | online 온라인 | offline 오프라인
web 웹 | site 사이트 | website 웹사이트 | blog 블로그 | news 뉴스 | data 데이터 | video 비디오
audio 오디오 | radio 라디오 | camera 카메라 | phone 폰 | smartphone 스마트폰 | game 게임
google 구글 | youtube 유튜브 | facebook 페이스북 | twitter 트위터 | instagram 인스타그램
apple 애플 | samsung 삼성 | windows 윈도 | android 안드로이드 | iphone 아이폰 | python 파이썬
java 자바 | linux 리눅스 | software 소프트웨어 | hardware 하드웨어 | program 프로그램 | file 파일
server 서버 | network 네트워크 | system 시스템 | service 서비스 | team 팀 | club 클럽
center 센터 | hotel 호텔 | cafe 카페 | coffee 커피 | bus 버스 | taxi 택시 | bank 뱅크
party 파티 | music 뮤직 | rock 록 | rap 랩 | pop 팝 | k-pop 케이팝 | kpop 케이팝 | drama 드라마
movie 무비 | show 쇼 | star 스타 | idol 아이돌 | fan 팬 | love 러브 | happy 해피 | hello 헬로
good 굿 | best 베스트 | new 뉴 | big 빅 | top 톱 | one 원 | two 투 | the 더 | of 오브 | and 앤드
my 마이 | you 유 | me 미 | house 하우스 | home 홈 | school 스쿨 | english 잉글리시
korea 코리아 | seoul 서울 | busan 부산 | japan 재팬 | china 차이나 | america 아메리카
world 월드 | city 시티 | park 파크 | tower 타워 | tom 톰 | mary 메리 | john 존 | test 테스트
sale 세일 | event 이벤트 | project 프로젝트 | report 리포트 | design 디자인 | model 모델
start 스타트 | stop 스톱 | yes 예스 | no 노 | bye 바이 | thank 생큐 | wifi 와이파이
wi-fi 와이파이 | bluetooth 블루투스 | usb 유에스비 | app 앱 | it 아이티 | ai 에이아이
nato 나토 | nasa 나사 | unesco 유네스코 | unicef 유니세프 | fifa 피파 | opec 오펙
"""

WORDS = {
    word: reading
    for cell in _TABLE.replace("\n", "|").split("|")
    if cell.strip()
    for word, reading in [cell.split()]
}
"""Lower-case word to its Korean spelling."""


def read_latin(word: str) -> str:
    """Return a Latin word in Hangul: from the table, otherwise by the names of its letters.

    Args:
        word: ASCII letters, also with hyphens inside.
    """
    known = WORDS.get(word.lower())
    if known is not None:
        return known
    if "-" in word:
        return " ".join(read_latin(part) for part in word.split("-") if part)
    return "".join(LETTER_NAMES[letter] for letter in word.lower())
