"""KSS in every shape in which it has been published."""

from __future__ import annotations

import logging
import stat
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from malsori.core.errors import MalsoriError
from malsori.data import corpus_zip
from malsori.data.kss import newest_transcript, read_corpus
from malsori.data.prepare import Limits, prepare

ROWS = {
    "1/1_0000": ("3시예요.", "세시예요."),
    "1/1_0001": ("안녕하세요.", "안녕하세요."),
    "2/2_0000": ("그래요?", "그래요?"),
}


def line(name: str, original: str, expanded: str, *, english: bool = True) -> str:
    fields = [name, original, expanded, unicodedata.normalize("NFD", expanded), "1.2"]
    return "|".join(fields + ["It is three."] * english)


def transcript(*, english: bool = True, folders: bool = True, expanded: str = "") -> list[str]:
    return [
        line(f"{key if folders else key[2:]}.wav", first, expanded or second, english=english)
        for key, (first, second) in ROWS.items()
    ]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "kss"
    for key in ROWS:
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"{key}.wav", np.ones(1600) * 0.1, 16000)
    return folder


def write(corpus: Path, lines: list[str], name: str = "transcript.v.1.4.txt") -> Path:
    path = corpus / name
    path.write_bytes("".join(f"{each}\n" for each in lines).encode())
    return path


def texts(corpus: Path, **options: int) -> list[str]:
    return [row.text for row in read_corpus(corpus, extract_to=corpus / "x", **options)]


def test_ids_audio_text_and_speaker(corpus: Path, tmp_path: Path) -> None:
    write(corpus, transcript())
    rows = read_corpus(corpus, extract_to=tmp_path / "x")
    assert [row.id for row in rows] == ["kss_1_0000", "kss_1_0001", "kss_2_0000"]
    assert [row.wav for row in rows] == [corpus / f"{key}.wav" for key in ROWS]
    assert {(row.speaker, row.language, row.problem) for row in rows} == {("kss", "ko", "")}
    assert rows[0].text == "세시예요."
    assert not (tmp_path / "x").exists()


def test_the_original_script_on_request(corpus: Path) -> None:
    write(corpus, transcript())
    assert texts(corpus, field=2)[0] == "3시예요."
    with pytest.raises(MalsoriError, match="3 is the expanded script"):
        texts(corpus, field=5)


@pytest.mark.parametrize("english", [True, False], ids=["6 fields", "5 fields"])
@pytest.mark.parametrize("folders", [True, False], ids=["1/1_0000.wav", "1_0000.wav"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["no BOM", "BOM"])
@pytest.mark.parametrize("end", ["", "\r"], ids=["LF", "CRLF"])
def test_all_forms_of_the_transcript(
    corpus: Path, english: bool, folders: bool, mark: str, end: str
) -> None:
    lines = [each + end for each in transcript(english=english, folders=folders)]
    write(corpus, [mark + lines[0], *lines[1:]], "transcript.v.1.2.txt")
    rows = read_corpus(corpus, extract_to=corpus / "x")
    assert [row.text for row in rows] == ["세시예요.", "안녕하세요.", "그래요?"]
    assert all(row.wav.is_file() and not row.problem for row in rows)
    assert rows[0].id == "kss_1_0000"


def test_the_newest_transcript_is_used_and_named(
    corpus: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for version in ("1.1", "1.4", "1.10", "1.3"):
        write(corpus, transcript(expanded=version), f"transcript.v.{version}.txt")
    write(corpus, transcript(expanded="none"), "transcript.txt")
    with caplog.at_level(logging.INFO, "malsori"):
        assert set(texts(corpus)) == {"1.10"}
    assert "5 transcripts, the newest is used" in caplog.text
    assert "transcript.v.1.10.txt" in caplog.text


def test_the_transcript_may_stand_above_or_below_the_audio(corpus: Path) -> None:
    write(corpus.parent, transcript())
    assert newest_transcript(corpus.parent).parent == corpus.parent
    assert all(row.wav.is_file() for row in read_corpus(corpus.parent, extract_to=corpus / "x"))
    (corpus.parent / "transcript.v.1.4.txt").rename(corpus / "transcript.v.1.4.txt")
    assert all(row.wav.is_file() for row in read_corpus(corpus.parent, extract_to=corpus / "x"))


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (line("1/1_0005.wav", "a", "읽기 [다시 녹음]"), "a note of the recording session"),
        (line("1/1_0005.wav", "a", "(웃음) 네"), "a note of the recording session"),
        ("1/1_0005.wav|네.", "line 4 has 2 fields between '|' instead of 5 or 6"),
        ("1/1_0005.wav|a|b|c|d|e|f", "line 4 has 7 fields"),
        (line("../../etc/1_0005.wav", "a", "네."), "is not of the form 1/1_0000.wav"),
        (line("/etc/passwd", "a", "네."), "is not of the form 1/1_0000.wav"),
        (line("notes.txt", "a", "네."), "is not of the form 1/1_0000.wav"),
    ],
)
def test_a_line_that_cannot_be_used_says_why(corpus: Path, row: str, told: str) -> None:
    write(corpus, [*transcript(), row])
    rows = read_corpus(corpus, extract_to=corpus / "x")
    assert [bool(each.problem) for each in rows] == [False, False, False, True]
    assert told in rows[-1].problem


def test_missing_audio_is_left_to_the_next_step(corpus: Path) -> None:
    write(corpus, transcript())
    (corpus / "2/2_0000.wav").unlink()
    rows = read_corpus(corpus, extract_to=corpus / "x")
    assert rows[2].wav == corpus / "2" / "2_0000.wav"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "has no lines"),
        (b"\n\n", "has no lines"),
        ("안녕".encode("cp949"), "not UTF-8"),
        (b"1/1_0000.wav\ttext\n", "transcript.v.1.4.txt:1: line 1 has 1 fields"),
    ],
)
def test_a_transcript_of_another_form(corpus: Path, content: bytes, told: str) -> None:
    (corpus / "transcript.v.1.4.txt").write_bytes(content)
    with pytest.raises(MalsoriError, match=told):
        texts(corpus)


def test_a_missing_corpus_says_where_to_get_it(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(MalsoriError, match=r"no such corpus: download .* \./run\.sh --corpus PATH"):
        texts(tmp_path / "nothing")
    with pytest.raises(MalsoriError, match=r"no transcript\.v\.1\.4\.txt in it: download"):
        texts(corpus)


def zipped(corpus: Path) -> Path:
    archive = corpus.parent / "kss.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(corpus.rglob("*")):
            opened.write(path, path.relative_to(corpus.parent))
        opened.writestr("__MACOSX/kss/._transcript.v.9.9.txt", "not this")
        opened.writestr("kss/readme.pdf", "not this")
    return archive


def test_a_zip_file_is_extracted_once(corpus: Path, tmp_path: Path) -> None:
    write(corpus, transcript())
    archive, folder = zipped(corpus), tmp_path / "data" / "kss_audio"
    rows = read_corpus(archive, extract_to=folder)
    assert [row.text for row in rows] == ["세시예요.", "안녕하세요.", "그래요?"]
    assert all(row.wav.is_relative_to(folder) and row.wav.is_file() for row in rows)
    assert rows[0].wav.read_bytes() == (corpus / "1/1_0000.wav").read_bytes()
    assert not list(folder.rglob("*.pdf")) and not list(folder.rglob("._*"))
    before = rows[0].wav.stat().st_mtime_ns
    assert read_corpus(archive, extract_to=folder) == rows
    assert rows[0].wav.stat().st_mtime_ns == before
    write(corpus, transcript(expanded="새 것"))
    zipped(corpus)
    assert read_corpus(archive, extract_to=folder)[0].text == "새 것"


def test_an_extraction_goes_on_where_it_stopped(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(corpus, transcript())
    archive, folder = zipped(corpus), tmp_path / "data" / "kss_audio"
    names: list[str] = []
    extract_one = corpus_zip._extract_one

    def until_the_third(*words: Any) -> None:
        names.append(words[2].filename)
        if len(names) == 3:
            raise KeyboardInterrupt
        extract_one(*words)

    monkeypatch.setattr(corpus_zip, "_extract_one", until_the_third)
    with pytest.raises(KeyboardInterrupt):
        read_corpus(archive, extract_to=folder)
    assert not folder.exists()
    (half,) = folder.parent.glob(f".kss_audio.unfinished/{names[1]}")
    half.write_bytes(half.read_bytes()[:-1] + b"?")  # as long as it should be
    first = names.copy()
    rows = read_corpus(archive, extract_to=folder)
    assert names[3:5] == first[1:3] and first[0] not in names[3:]
    assert all(row.wav.is_file() for row in rows)
    assert [path.name for path in folder.parent.iterdir()] == ["kss_audio"]
    with zipfile.ZipFile(archive) as opened:
        for name in names:
            assert (folder / name).read_bytes() == opened.read(name)


def test_a_folder_that_came_from_elsewhere_is_not_replaced(corpus: Path) -> None:
    write(corpus, transcript())
    with pytest.raises(MalsoriError, match="not made from a zip file"):
        read_corpus(zipped(corpus), extract_to=corpus)
    assert (corpus / "1/1_0000.wav").is_file()


@pytest.mark.parametrize(
    "name", ["../evil.wav", "/evil.wav", "kss/../../evil.wav", "kss\\..\\e.wav"]
)
def test_an_unsafe_member_refuses_the_whole_zip(corpus: Path, tmp_path: Path, name: str) -> None:
    write(corpus, transcript())
    archive = zipped(corpus)
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(name, "evil")
    with pytest.raises(MalsoriError, match="unsafe member"):
        read_corpus(archive, extract_to=tmp_path / "in" / "x")
    assert not list(tmp_path.rglob("evil*")) and not (tmp_path / "in").exists()


def test_a_link_in_a_zip_is_refused(corpus: Path, tmp_path: Path) -> None:
    write(corpus, transcript())
    archive = zipped(corpus)
    member = zipfile.ZipInfo("kss/1/link.wav")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(member, "/etc/passwd")
    with pytest.raises(MalsoriError, match=r"unsafe member 'kss/1/link\.wav'"):
        read_corpus(archive, extract_to=tmp_path / "x")


def test_a_damaged_member_is_left_out(
    corpus: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(corpus, transcript())
    archive = zipped(corpus)
    content = bytearray(archive.read_bytes())
    place = content.index((corpus / "1/1_0001.wav").read_bytes()) + 500
    content[place] ^= 0xFF
    archive.write_bytes(content)
    rows = read_corpus(archive, extract_to=tmp_path / "x")
    assert [row.wav.is_file() for row in rows] in ([True, False, True], [False, True, True])
    assert "left out: Bad CRC-32" in caplog.text


def test_half_a_zip_file(corpus: Path, tmp_path: Path) -> None:
    write(corpus, transcript())
    archive = zipped(corpus)
    archive.write_bytes(archive.read_bytes()[:2000])
    with pytest.raises(MalsoriError, match=r"kss\.zip: not a whole zip file .*download it again"):
        read_corpus(archive, extract_to=tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_not_enough_room_on_the_disk(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(corpus, transcript())
    monkeypatch.setattr("malsori.data.corpus_zip.SPARE_BYTES", 1 << 60)
    with pytest.raises(MalsoriError, match=r"extracting it takes \d+ MB, .* has \d+ MB free"):
        read_corpus(zipped(corpus), extract_to=tmp_path / "x")


def test_notes_and_missing_audio_end_in_the_list_of_rejected(corpus: Path, tmp_path: Path) -> None:
    for key in [f"3/3_{i:04d}" for i in range(8)]:
        (corpus / key).parent.mkdir(exist_ok=True)
        soundfile.write(corpus / f"{key}.wav", np.sin(np.arange(16000) * 0.1) * 0.3, 16000)
    names = [path.relative_to(corpus) for path in sorted(corpus.glob("3/*.wav"))]
    lines = [line(str(name), "네.", "네.") for name in names]
    lines += [line("4/4_0000.wav", "a", "네. [잡음]"), line("4/4_0001.wav", "a", "네.")]
    write(corpus, lines, "transcript.v.1.1.txt")
    rows = read_corpus(corpus, extract_to=tmp_path / "x")
    assert prepare(rows, tmp_path / "data", limits=Limits(max_rejected=0.2))["train"] == 6
    assert (tmp_path / "data" / "rejected.tsv").read_text().splitlines() == [
        "kss_4_0000\ta note of the recording session in the text: '[잡음]'",
        "kss_4_0001\tno such audio file",
    ]
