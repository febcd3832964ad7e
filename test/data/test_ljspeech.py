"""LJSpeech and corpora in its layout."""

from __future__ import annotations

from pathlib import Path

import pytest

from malsori.core.errors import MalsoriError
from malsori.data.ljspeech import read_corpus


def corpus(folder: Path, content: str, *files: str) -> Path:
    (folder / "wavs").mkdir()
    for name in files:
        (folder / "wavs" / name).touch()
    (folder / "metadata.csv").write_bytes(content.encode())
    return folder


def test_the_normalised_field_without_csv_quoting(tmp_path: Path) -> None:
    content = 'LJ-1|He said "no|He said "no, one hundred\nLJ-2|"a"|"a", he said\n'
    rows = read_corpus(corpus(tmp_path, content, "LJ-1.wav", "LJ-2.wav"))
    assert [row.text for row in rows] == ['He said "no, one hundred', '"a", he said']
    assert (rows[0].id, rows[0].speaker, rows[0].language) == ("LJ-1", "LJ", "en")
    assert rows[0].wav == tmp_path / "wavs" / "LJ-1.wav"


def test_two_fields_flac_byte_order_mark_and_crlf(tmp_path: Path) -> None:
    folder = corpus(tmp_path, "\ufeffa|네.\r\nb.wav|아니요.\r\n", "a.flac", "b.flac")
    rows = read_corpus(folder, speaker="lmy", language="ko")
    assert [(row.id, row.text, row.wav.name) for row in rows] == [
        ("a", "네.", "a.flac"),
        ("b", "아니요.", "b.flac"),
    ]
    assert {(row.speaker, row.language) for row in rows} == {("lmy", "ko")}


def test_an_empty_normalised_field_falls_back_to_the_text(tmp_path: Path) -> None:
    assert read_corpus(corpus(tmp_path, "a|text|\n"))[0].text == "text"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("a", "line 1 has 1 fields"),
        ("a|b|c|d", "line 1 has 4 fields"),
        ("../a|b", "'../a' is no file name"),
        ("|b", "'' is no file name"),
    ],
)
def test_a_line_that_cannot_be_used_says_why(tmp_path: Path, line: str, told: str) -> None:
    assert told in read_corpus(corpus(tmp_path, f"{line}\n"))[0].problem


def test_the_folder_around_the_corpus_will_do(tmp_path: Path) -> None:
    (tmp_path / "LJSpeech-1.1").mkdir()
    corpus(tmp_path / "LJSpeech-1.1", "a|b|c\n", "a.wav")
    assert read_corpus(tmp_path)[0].wav.is_file()


def test_a_missing_corpus_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(MalsoriError, match=r"no such corpus: download .* \./run\.sh --corpus PATH"):
        read_corpus(tmp_path / "nothing")
    with pytest.raises(MalsoriError, match=r"no metadata\.csv in it: download"):
        read_corpus(tmp_path)
    (tmp_path / "x.tar.bz2").touch()
    with pytest.raises(MalsoriError, match=r"not a folder: download .*unpack it"):
        read_corpus(tmp_path / "x.tar.bz2")
    corpus(tmp_path, "\n")
    with pytest.raises(MalsoriError, match="has no lines"):
        read_corpus(tmp_path)
