"""Each thing that can be wrong with a data dir is found, with its line."""

from __future__ import annotations

import argparse
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from malsori.bin import data as command
from malsori.core.errors import MalsoriError
from malsori.data.check import check

Make = Callable[..., Path]


def replace(name: str, old: str, new: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        content = (folder / name).read_text()
        assert old in content
        (folder / name).write_bytes(content.replace(old, new).encode())

    return spoil


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def write_bytes(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


def swap_rows(name: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        lines = (folder / name).read_text().splitlines()
        (folder / name).write_text("\n".join([lines[1], lines[0], *lines[2:]]) + "\n")

    return spoil


def spoil_audio(content: bytes | None) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder.parent / "utt_1.wav"
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content or path.read_bytes()[:-5000])

    return spoil


NFD = unicodedata.normalize("NFD", "안녕하세요.")
CASES: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing text": (remove("text"), "text: missing file: run stage 1 again"),
    "missing utt2dur": (remove("utt2dur"), "utt2dur: missing file: run stage 1 again"),
    "empty file": (write_bytes("utt2spk", b""), "utt2spk: empty file"),
    "unsorted": (swap_rows("text"), "text:2: not sorted: 'utt_0' after 'utt_1': sort the file"),
    "duplicate": (replace("text", "utt_1 ", "utt_0 "), "text:2: key 'utt_0' is there twice"),
    "other keys": (replace("utt2spk", "utt_2", "utt_9"), "utt2spk:3: 'utt_9' is not in text"),
    "missing key": (replace("utt2spk", "utt_2", "utt_9"), "text:3: 'utt_2' is not in utt2spk"),
    "not UTF-8": (write_bytes("text", b"utt_0 a\nutt_1 \xb0\xa1\nutt_2 c\n"), "text:2: not UTF-8"),
    "not NFC": (replace("text", "안녕하세요. utt_1", NFD), "text:2: not in Unicode form NFC"),
    "empty text": (replace("text", " 안녕하세요. utt_1", " "), "text:2: empty text: add it"),
    "empty line": (replace("text", "utt_1 ", "\nutt_1 "), "text:2: empty line: remove it"),
    "CRLF": (replace("text", "utt_1\n", "utt_1\r\n"), "text:2: ends in CR LF: use LF"),
    "BOM": (replace("text", "utt_0 ", "\ufeffutt_0 "), "text:1: begins with a byte order mark"),
    "invisible": (
        replace("text", "utt_1 ", "utt_1 \u200b"),
        "text:2: an invisible character (U+200B)",
    ),
    "two speakers": (replace("utt2spk", "utt_1 spk_b", "utt_1 a b"), "utt2spk:2: more than one"),
    "no line end": (replace("text", "utt_2\n", "utt_2"), "text:3: no line end"),
    "indented": (replace("text", "utt_1 ", " utt_1 "), "text:2: begins with white space"),
    "pipe": (replace("wav.scp", "utt_1.wav", "utt_1.wav |"), "wav.scp:2: a shell pipe: whoever"),
    "missing audio": (spoil_audio(None), "utt_1.wav: no such audio file: mend the file"),
    "truncated audio": (spoil_audio(b""), "utt_1.wav: truncated: "),
    "no audio": (spoil_audio(b"no audio" * 99), "utt_1.wav: not audio in a format"),
    "outside": (replace("segments", "utt_1 0.1 0.7", "utt_1 0.1 0.9"), "segments:2: ends at 0.9 s"),
    "backwards": (replace("segments", "utt_1 0.1 0.7", "utt_1 0.7 0.1"), "segments:2: from 0.7 s"),
    "no number": (replace("segments", "utt_1 0.1 0.7", "utt_1 0.1 x"), "segments:2: 'utt_1 0.1 x'"),
    "recording": (replace("segments", "utt_1 utt_1", "utt_1 rec"), "segments:2: recording 'rec'"),
    "unused": (replace("segments", "utt_1 utt_1", "utt_1 utt_0"), "wav.scp:2: recording 'utt_1'"),
    "speaker": (
        replace("utt2spk", "utt_1 spk_b", "utt_1 spk_a"),
        "utt2spk:2: 'utt_1' is by 'spk_a'",
    ),
    "spk2utt": (replace("spk2utt", " utt_2", ""), "utt2spk:3: 'utt_2' is not in spk2utt"),
    "twice": (replace("spk2utt", " utt_2", " utt_2 utt_2"), "spk2utt:2: 'utt_2' is listed twice"),
    "unknown": (
        replace("spk2utt", " utt_2", " utt_2 utt_7"),
        "spk2utt:2: 'utt_7' is not in utt2spk",
    ),
    "duration": (replace("utt2dur", "utt_1 0.6", "utt_1 0.7"), "utt2dur:2: 0.7 s, the audio has"),
    "nan duration": (replace("utt2dur", "utt_1 0.6", "utt_1 nan"), "utt2dur:2: nan s"),
    "word duration": (replace("utt2dur", "utt_1 0.6", "utt_1 x"), "utt2dur:2: 'x' is not a number"),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_found_with_its_line(make_data_dir: Make, case: str) -> None:
    folder = make_data_dir(3)
    spoil, told = CASES[case]
    assert check(folder) == []
    spoil(folder)
    problems = [str(problem) for problem in check(folder, jobs=2)]
    assert any(told in problem for problem in problems), problems
    assert all(problem.startswith(str(folder)) and "\n" not in problem for problem in problems)


def test_everything_is_found_at_once(make_data_dir: Make) -> None:
    folder = make_data_dir(3)
    for case in ("CRLF", "missing audio", "duration", "spk2utt"):
        CASES[case][0](folder)
    problems = "\n".join(map(str, check(folder)))
    for case in ("CRLF", "missing audio", "spk2utt"):
        assert CASES[case][1] in problems


def test_a_data_dir_without_segments(make_data_dir: Make) -> None:
    folder = make_data_dir(3, segments=False)
    assert check(folder) == []
    soundfile.write(folder.parent / "utt_1.wav", [0.1] * 22400, 16000)
    assert [str(problem).split(": ", 1)[1] for problem in check(folder)] == [
        "0.8 s, the audio has 1.4000 s: run stage 1 again"
    ]


def test_pipes_can_be_allowed_and_still_do_not_run(make_data_dir: Make) -> None:
    folder = make_data_dir(1)
    (folder / "wav.scp").write_text(f"utt_0 touch {folder}/trace |\n")
    assert check(folder, allow_pipes=True) == []
    assert not (folder / "trace").exists()


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(MalsoriError, match="no such data dir"):
        check(tmp_path / "nothing")


def test_the_command_prints_problems_and_returns_1(
    make_data_dir: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_data_dir(3)
    parser = argparse.ArgumentParser()
    command.configure(parser)
    args = parser.parse_args(["check", str(folder)])
    assert command.run(args) == 0
    assert capsys.readouterr().out == ""
    (folder / "utt2dur").unlink()
    assert command.run(args) == 1
    assert capsys.readouterr().out == f"{folder}/utt2dur: missing file: run stage 1 again\n"
