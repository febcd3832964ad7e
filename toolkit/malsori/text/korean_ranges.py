"""Two Korean numbers with a hyphen or a tilde between them: ranges, scores, lots and models.

``3~5명`` and ``10-20명`` are ranges and repeat a native counter (세명에서 다섯명); ``3-1 승리`` is a score
(삼 대 일); ``1408-5번지`` is lot 5 of 1408 (천사백팔 다시 오번지); in ``F-16`` the hyphen is silent.

Source: 문장 부호 (한글 맞춤법, appendix), articles on 물결표 and 붙임표; 온라인가나다 for 다시 in addresses.
"""

from __future__ import annotations

import re

from malsori.text.korean_numbers import NATIVE_COUNTERS, counted, native, sino, takes_native

NUMBER = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)"
LARGEST_SCORE = 30
"""Larger numbers, the first above the second, are lots and routes: 1408-5번지."""
LARGEST_LIKELY = 200
"""The same where the words around speak of a game."""
_CONTEXT = 30
_SCORE_AFTER = re.compile(
    r"[^.!?]{0,12}(?:승|패|이기|이겼|이긴|이겨|졌|지고|진 |비기|비겼|비긴|무승부|무로|역전|스코어|앞서|앞섰|리드|꺾|완파|대승|골)"
)
_SCORE_BEFORE = re.compile(r"(?:스코어|세트|전적|승부|경기|쿼터|전반|후반)[^.!?]{0,24}$")
_LOT_AFTER = re.compile(r" ?(?:번지|번|호|동|길|통|반)")
_LOT_BEFORE = re.compile(r"(?:(?:^| )산|[동리로길가]|번지|표|그림|식|문제|예제) ?$")
_MODEL_BEFORE = re.compile(r"(?:보잉|에어버스|[A-Za-z][A-Za-z0-9]{0,7}) ?$")
_COUNTER_AFTER = re.compile(r" ?(?:[시분초일월년명개살세층원도회장쪽배]|번|킬로|미터|%|[a-zA-Z℃])")

TILDE = re.compile(
    r"([0-9](?:[만억천백]|시|분|초|일|월|년|명|개|살|세|층|원|번|호|쪽|장|%|도|kg|cm|km|g|℃|°C)?(?: ?원)?"
    r"(?:\([월화수목금토일](?:요일)?\))?) ?~ ?(?=[0-9]|오[전후]|[AaPp]\.?[Mm])"
)
"""A tilde after a number, a unit or a weekday, before a number or half of a day."""
WEEKDAYS = re.compile(
    r"(?<![가-힣])([월화수목금토일])(요일)? ?[~-] ?(?=[월화수목금토일](?:요일|[ ,에은까)]|$))"
)
LETTERS = re.compile(r"(?<=[A-Za-z]) ?~ ?(?=[A-Z0-9]|(?:투|스리)엑스)")
"""A~Z, XS~3XL; some sizes are words by then."""
HYPHEN = re.compile(rf"(?<![0-9.,-])(?<![0-9][,.])({NUMBER})-({NUMBER})(?![0-9-])")
WITH_COUNTER = re.compile(r"(?<![0-9.,])([0-9]{1,2})에서 ([0-9]{1,2})(?![0-9.,])( ?)([가-힣]{1,4})")
MODEL = re.compile(r"(?<=[A-Za-z])-(?=[0-9])")
"""The silent hyphen of F-16, RTX-4090."""


def read_tilde(found: re.Match[str]) -> str:
    """Return what stands before a tilde and the word that the tilde is."""
    return f"{found[1]}에서 "


def read_weekdays(found: re.Match[str]) -> str:
    """Return ``월~금`` as 월에서 금."""
    return f"{found[1]}{found[2] or ''}에서 "


def read_hyphen(found: re.Match[str]) -> str:
    """Return two numbers with the word that the hyphen between them is."""
    text, start, end = found.string, found.start(), found.end()
    before, after = text[max(0, start - _CONTEXT) : start], text[end : end + _CONTEXT]
    first, second = (int(part.replace(",", "")) for part in found.groups())
    if _MODEL_BEFORE.search(before):
        return f"{found[1]} {found[2]}"
    small = max(first, second) <= LARGEST_SCORE
    likely = max(first, second) <= LARGEST_LIKELY
    counted_after = _COUNTER_AFTER.match(after) is not None
    if likely and not counted_after and (_SCORE_AFTER.match(after) or _SCORE_BEFORE.search(before)):
        return f"{sino(str(first))} 대 {sino(str(second))}"
    if first < second:
        return f"{found[1]}에서 {found[2]}"
    is_lot = _LOT_AFTER.match(after) or _LOT_BEFORE.search(before)
    if small and not is_lot:
        return f"{sino(str(first))} 대 {sino(str(second))}"
    return f"{sino(str(first))} 다시 {sino(str(second))}"


def read_with_counter(found: re.Match[str]) -> str:
    """Give both ends of ``3에서 5명`` the reading of the counter; a native one is said twice."""
    first, second, space, following = found.groups()
    counter = _native_counter(following)
    if counter and 1 <= int(first) <= 99 and takes_native(following, int(first)):
        first_words = native(int(first), before_counter=True)
        return f"{first_words}{space}{counter}에서 {counted(second, following)}{space}{following}"
    return f"{sino(first)}에서 {counted(second, following)}{space}{following}"


def _native_counter(following: str) -> str:
    lengths = range(min(4, len(following)), 0, -1)
    return next((following[:n] for n in lengths if following[:n] in NATIVE_COUNTERS), "")
