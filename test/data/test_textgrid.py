"""TextGrids in all their text formats and encodings; what is none is refused in one line."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.core.errors import MalsoriError
from malsori.data.textgrid import Interval, read_textgrid
from malsori.infer.labels import Label, textgrid

LONG = '''File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 1.5
tiers? <exists>
size = 3
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 1.5
        intervals: size = 2
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = ""
        intervals [2]:
            xmin = 0.5
            xmax = 1.5
            text = "he said ""no 1"""
    item [2]:
        class = "TextTier"
        name = "clicks"
        xmin = 0
        xmax = 1.5
        points: size = 1
        points [1]:
            number = 0.25
            mark = "!"
    item [3]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 1.5
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 1.5e0
            text = "가 "
'''
SHORT = '''File type = "ooTextFile"
Object class = "TextGrid"

0
1.5
<exists>
3
"IntervalTier"
"words"
0
1.5
2
0
0.5
""
0.5
1.5
"he said ""no 1"""
"TextTier" "clicks" 0 1.5 1 0.25 "!" ! a comment with 7 and "words
"IntervalTier"
"phones" 0 1.5
1
0
1.5
"가"
'''
EXPECTED = {
    "words": [
        Interval(text="", start=0, end=0.5),
        Interval(text='he said "no 1"', start=0.5, end=1.5),
    ],
    "phones": [Interval(text="가", start=0, end=1.5)],
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("text", [LONG, SHORT], ids=["long", "short"])
def test_both_formats_in_both_encodings(text: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "a.TextGrid"
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    path.write_bytes((mark + text.replace("\n", "\r\n")).encode(encoding))
    assert read_textgrid(path) == EXPECTED


labels = st.lists(
    st.tuples(st.text(st.characters(exclude_categories=["C", "Z"]), max_size=5), st.integers(1, 9)),
    min_size=1,
    max_size=6,
)


@given(labels)
@settings(max_examples=30, deadline=None)
def test_what_align_writes_is_read_back(drawn: list[tuple[str, int]]) -> None:
    at, said = 0.0, []
    for text, length in drawn:
        said.append(Label(text=text, start=at, end=at + length / 8, confidence=1.0))
        at += length / 8
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.TextGrid"
        path.write_text(textgrid({"tokens": said}, at), encoding="utf-8")
        (found,) = read_textgrid(path).values()
    assert [part.text for part in found if part.text] == [part.text for part in said if part.text]
    assert found[0].start == 0 and found[-1].end == at
    assert all(one.end == other.start for one, other in pairwise(found))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it ends too early"),
        ("a table of numbers\n1 2 3", "the number 1 stands where a text should be"),
        ('File type = "ooTextFile"\nObject class = "Pitch 1"', "it does not begin as one"),
        (LONG[: LONG.index("intervals [2]")], "it ends too early"),
        (LONG.replace("xmax = 0.5", 'xmax = "x"'), "the text 'x' stands where a number should be"),
        (LONG.replace("xmin = 0.5", "xmin = 2"), "an interval from 2 to 1.5 s"),
        (LONG.replace("size = 3", "size = 2.5"), "2.5 is no count"),
        (LONG.replace("TextTier", "Tier"), "'Tier' is no kind of tier"),
        (LONG.replace('"phones"', '"words"'), "two tiers are called 'words'"),
        (LONG.replace("<exists>", "<absent>"), "it has no tiers"),
    ],
)
def test_what_is_none_is_named(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.TextGrid"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MalsoriError) as caught:
        read_textgrid(path)
    assert str(caught.value) == f"{path}: no TextGrid, or damaged: {said}"


def test_other_encodings_and_missing_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.TextGrid"
    path.write_bytes(LONG.encode("euc-kr"))
    with pytest.raises(MalsoriError, match="neither UTF-8 nor UTF-16; save it again in Praat"):
        read_textgrid(path)
    with pytest.raises(MalsoriError, match=r"b\.TextGrid: cannot be read: No such file"):
        read_textgrid(tmp_path / "b.TextGrid")
