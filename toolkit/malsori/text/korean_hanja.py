"""Hanja (Chinese characters) in Korean text, by their Korean reading.

One reading a character from the table, words with another one by a list; at a word's start the
initial law of Hangul spelling applies (女子 여자, but 男女 남녀). A reading that stands beside in
brackets, 학교(學校), is not said twice.

Source: field kHangul of the Unicode Han Database; 한글 맞춤법, articles 10 to 12 (두음 법칙).
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from malsori.text import jamo

TABLE = "hanja.tsv"
_HANJA = "\u3400-\u9fff\U00020000-\U0003ffff"
_RUN = re.compile(f"[가-힣0-9]?[{_HANJA}]+")
_ANY = re.compile(f"[{_HANJA}]")
_GLOSS_AFTER = re.compile(rf"(?<![가-힣])([가-힣]{{1,20}}) ?\(([{_HANJA}]+)\)")
_GLOSS_BEFORE = re.compile(rf"(?<![{_HANJA}])([{_HANJA}]{{1,20}}) ?\(([가-힣]+)\)")
_Y_VOWELS = frozenset("ㅑㅒㅕㅖㅛㅠㅣ")

_READINGS = {
    "不": "불", "車": "차", "金": "금", "樂": "락", "行": "행", "北": "북", "省": "성", "易": "역", "更": "경",
    "復": "복", "殺": "살", "降": "강", "數": "수", "洞": "동", "暴": "폭", "便": "편", "茶": "차", "說": "설",
    "度": "도", "宅": "택", "見": "견", "切": "절", "拾": "습", "參": "참", "狀": "상", "糖": "당", "率": "률",
    "六": "륙", "內": "내", "索": "색", "惡": "악", "塞": "색", "識": "식", "則": "칙", "布": "포", "畫": "화",
    "龜": "귀", "刺": "자", "丹": "단", "句": "구", "兩": "량", "來": "래", "冷": "랭", "老": "로", "論": "론",
}  # fmt: skip
"""Characters whose usual reading is not the table's first one."""

_WORDS = {
    "自轉車": "자전거", "人力車": "인력거", "金氏": "김씨", "金哥": "김가", "音樂": "음악", "樂器": "악기", "樂譜": "악보",
    "聲樂": "성악", "國樂": "국악", "樂團": "악단", "樂山": "요산", "銀行": "은행", "行列": "행렬", "敗北": "패배",
    "省略": "생략", "容易": "용이", "安易": "안이", "難易": "난이", "簡易": "간이", "更新": "갱신", "復活": "부활",
    "復興": "부흥", "相殺": "상쇄", "殺到": "쇄도", "降伏": "항복", "投降": "투항", "洞察": "통찰", "暴惡": "포악",
    "便所": "변소", "大便": "대변", "小便": "소변", "遊說": "유세", "宅內": "댁내", "謁見": "알현", "一切": "일체",
    "參億": "삼억", "賞狀": "상장", "令狀": "영장", "告訴狀": "고소장", "年賀狀": "연하장", "雪糖": "설탕", "砂糖": "사탕",
    "六月": "유월", "十月": "시월", "五六月": "오뉴월", "初八日": "초파일", "憎惡": "증오", "嫌惡": "혐오", "要塞": "요새",
    "標識": "표지", "企劃": "기획", "牡丹": "모란", "許諾": "허락", "承諾": "승낙", "受諾": "수락", "困難": "곤란",
    "論難": "논란", "議論": "의논", "討論": "토론", "智異山": "지리산", "漢拏山": "한라산", "統率": "통솔", "率直": "솔직",
    "率先": "솔선", "輕率": "경솔", "引率": "인솔", "法則": "법칙", "規則": "규칙", "然則": "연즉", "布施": "보시",
    "十方": "시방", "木瓜": "모과", "契丹": "거란", "女眞": "여진", "李氏": "이씨", "柳氏": "유씨", "林氏": "임씨",
    "中國": "중국", "新女性": "신여성", "男尊女卑": "남존여비", "空念佛": "공염불",
}  # fmt: skip
_LONGEST_WORD = max(map(len, _WORDS))
_BEFORE_BU = frozenset("ㄷㅈ")


def read_hanja(text: str) -> str:
    """Return ``text`` with its Hanja in Hangul; characters without a reading stay.

    Args:
        text: In NFC.
    """
    if not _ANY.search(text):
        return text
    text = _GLOSS_AFTER.sub(_without_gloss, text)
    text = _GLOSS_BEFORE.sub(_without_hanja, text)
    return _RUN.sub(_read_run, text)


def _without_gloss(found: re.Match[str]) -> str:
    """Drop the Hanja in brackets behind the word that they write."""
    word, hanja = found.groups()
    return word if word.endswith((_read(hanja, ""), _read(hanja, "가"))) else f"{word}({hanja})"


def _without_hanja(found: re.Match[str]) -> str:
    hanja, word = found.groups()
    return word if word in (_read(hanja, ""), _read(hanja, "가")) else f"{hanja}({word})"


def _read_run(found: re.Match[str]) -> str:
    run = found[0]
    before = run[0] if jamo.is_syllable(run[0]) or run[0].isdigit() else ""
    return before + _read(run[len(before) :], before)


def _read(run: str, before: str) -> str:
    """Return the reading of a run of Hanja.

    Args:
        run: Hanja only.
        before: The Hangul syllable or digit just before it, ``""`` at a word's start.
    """
    table = _table()
    spoken: list[str] = []
    place = 0
    while place < len(run):
        for length in range(min(_LONGEST_WORD, len(run) - place), 1, -1):
            known = _WORDS.get(run[place : place + length])
            if known is not None:
                spoken += known
                place += length
                break
        else:
            character = run[place]
            reading = table.get(character)
            if reading is None:
                spoken.append(character)
            else:
                last = spoken[-1] if spoken else before
                following = table.get(run[place + 1 : place + 2])
                spoken.append(_adapted(character, reading, last, following))
            place += 1
    return "".join(spoken)


def _adapted(character: str, reading: str, before: str, following: str | None) -> str:
    """Return a reading as it is spelt in its place."""
    if character == "不":
        return "부" if following and jamo.initial_of(following) in _BEFORE_BU else reading
    if not before or not (jamo.is_syllable(before) or before.isdigit()):
        return initial_law(reading)
    if before.isdigit():
        return reading
    if reading in ("렬", "률") and jamo.final_of(before) in " ㄴ":
        return initial_law(reading)  # 한글 맞춤법, article 11, supplement 1: 비율, 나열
    return reading


def initial_law(reading: str) -> str:
    """Return a reading as it is spelt at a word's start: 녀 → 여, 락 → 낙."""
    initial = jamo.initial_of(reading)
    if initial in "ㄴㄹ" and jamo.vowel_of(reading) in _Y_VOWELS:
        return jamo.with_initial(reading, "ㅇ")
    return jamo.with_initial(reading, "ㄴ") if initial == "ㄹ" else reading


@cache
def _table() -> dict[str, str]:
    """Return Hanja to its reading."""
    text = files("malsori.text").joinpath(TABLE).read_text(encoding="utf-8")
    readings = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            reading, characters = line.split("\t")
            readings.update(dict.fromkeys(characters, reading))
    return readings | _READINGS
