"""A data dir that was mended is right, says the same, and what it lost is listed and kept."""

from __future__ import annotations

import argparse
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from malsori.bin import data as command
from malsori.core.errors import MalsoriError, UsageError
from malsori.data.check import check
from malsori.data.mending import mend
from malsori.data.prepare import clean_text

Make = Callable[..., Path]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def dropped(folder: Path) -> list[list[str]]:
    return [line.split("\t") for line in (folder / "dropped.tsv").read_text().splitlines()]


@pytest.mark.parametrize("segments", [True, False])
def test_a_right_data_dir_stays_as_it_is(make_data_dir: Make, segments: bool) -> None:
    folder = make_data_dir(3, segments=segments)
    mend(folder)
    before = contents(folder)
    done = mend(folder)
    assert contents(folder) == before and done.changed == [] and done.backup is None
    assert list(done.told()) == [f"{folder}: 3 utterances kept, nothing dropped"]


def test_order_and_form_are_mended_without_loss(make_data_dir: Make) -> None:
    folder = make_data_dir(3)
    lines = (folder / "text").read_text().splitlines()
    decomposed = unicodedata.normalize("NFD", "\r\n".join(reversed(lines)))
    (folder / "text").write_bytes(b"\xef\xbb\xbf" + decomposed.encode() + b"\r\n\r\n")
    (folder / "spk2utt").write_text("nobody utt_0\n")
    (folder / "utt2dur").unlink()
    kept = (folder / "text").read_bytes()
    done = mend(folder)
    assert check(folder) == [] and done.dropped == []
    assert (folder / "text").read_text().splitlines() == lines
    assert done.backup == folder / "before_fix"
    assert (folder / "before_fix" / "text").read_bytes() == kept
    assert (folder / "utt2dur").read_text() == "utt_0 0.6000\nutt_1 0.6000\nutt_2 0.6000\n"


def edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        content = (folder / name).read_text()
        assert old in content
        (folder / name).write_text(content.replace(old, new))

    return spoil


def truncate(folder: Path) -> None:
    path = folder.parent / "utt_1.wav"
    path.write_bytes(path.read_bytes()[:-5000])


LOSSES: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "no text": (edit("text", " 안녕하세요. utt_1", " "), "text:2", "empty text"),
    "invisible text": (edit("text", "안녕하세요. utt_1", "\u200b"), "text:2", "empty text"),
    "no audio": (edit("wav.scp", "utt_1.wav", "no.wav"), "wav.scp:2", "audio: no such audio file"),
    "truncated audio": (truncate, "wav.scp:2", "audio: truncated"),
    "a pipe": (edit("wav.scp", "utt_1.wav", "x |"), "wav.scp:2", "a shell pipe"),
    "backwards": (edit("segments", "utt_1 0.1 0.7", "utt_1 0.7 0.1"), "segments:2", "from 0.7 s"),
    "outside": (edit("segments", "utt_1 0.1 0.7", "utt_1 0.1 1.7"), "segments:2", "ends at 1.7 s"),
    "no speaker": (edit("utt2spk", "utt_1 spk_b\n", ""), "text:2", "not in utt2spk"),
    "two speakers": (edit("utt2spk", "utt_1 spk_b", "utt_1 a b"), "utt2spk:2", "more than one"),
}


@pytest.mark.parametrize("case", LOSSES)
def test_what_cannot_be_used_goes_from_all_files_and_is_listed(
    make_data_dir: Make, case: str
) -> None:
    folder = make_data_dir(3)
    spoil, place, reason = LOSSES[case]
    spoil(folder)
    before = contents(folder)
    done = mend(folder)
    assert check(folder) == [] and done.kept == 2
    assert any(row[0] == place and reason in row[1] for row in dropped(folder)), dropped(folder)
    for name in ("text", "utt2spk", "segments", "utt2dur", "wav.scp"):
        assert "utt_1" not in (folder / name).read_text()
    backup = contents(folder / "before_fix")
    assert all(
        backup.get(name, (folder / name).read_bytes()) == was for name, was in before.items()
    )


def test_two_texts_of_one_key_the_first_is_kept(make_data_dir: Make) -> None:
    folder = make_data_dir(3)
    with open(folder / "text", "a") as file:
        file.write("utt_1 다른 말\nutt_1 안녕하세요. utt_1\n")
    mend(folder)
    assert "utt_1 안녕하세요. utt_1\n" in (folder / "text").read_text()
    assert dropped(folder) == [["text:4", "key 'utt_1' was there before (line 2)", "utt_1 다른 말"]]


def test_an_end_a_little_beyond_the_recording_becomes_its_end(make_data_dir: Make) -> None:
    folder = make_data_dir(3)
    edit("segments", "utt_1 0.1 0.7", "utt_1 0.1 1.0")(folder)
    assert mend(folder).dropped == []
    assert "utt_1 utt_1 0.1 0.8000\n" in (folder / "segments").read_text()
    assert "utt_1 0.7000\n" in (folder / "utt2dur").read_text()


def test_elsewhere_the_original_stays(make_data_dir: Make, tmp_path: Path) -> None:
    folder = make_data_dir(3)
    edit("wav.scp", "utt_1.wav", "no.wav")(folder)
    before = contents(folder)
    done = mend(folder, tmp_path / "mended")
    assert contents(folder) == before and not (folder / "before_fix").exists()
    assert check(tmp_path / "mended") == [] and done.backup is None
    with pytest.raises(MalsoriError, match="is not empty"):
        mend(folder, tmp_path / "mended")


def test_a_path_keeps_the_form_that_its_file_has(make_data_dir: Make, tmp_path: Path) -> None:
    folder = make_data_dir(2)
    name = unicodedata.normalize("NFD", "녹음.wav")
    (tmp_path / "utt_1.wav").rename(tmp_path / name)
    edit("wav.scp", "utt_1.wav", name)(folder)
    assert mend(folder).dropped == [] and check(folder) == []
    assert (folder / "wav.scp").read_text().endswith(f"{name}\n")


def test_each_time_has_a_backup_of_its_own(make_data_dir: Make) -> None:
    folder = make_data_dir(3)
    for expected in ("before_fix", "before_fix.2"):
        (folder / "utt2dur").write_text("utt_0 9\n")
        assert mend(folder).backup == folder / expected


def test_what_cannot_be_mended(make_data_dir: Make, tmp_path: Path) -> None:
    with pytest.raises(MalsoriError, match="no such data dir"):
        mend(tmp_path / "nothing")
    folder = make_data_dir(1)
    soundfile.write(tmp_path / "utt_0.wav", [], 16000)
    before = contents(folder)
    with pytest.raises(MalsoriError, match="no usable utterance"):
        mend(folder)
    assert contents(folder) == before
    (folder / "utt2spk").unlink()
    with pytest.raises(MalsoriError, match="utt2spk: missing: it cannot be made"):
        mend(folder)


def test_the_command(make_data_dir: Make, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_data_dir(3)
    edit("wav.scp", "utt_1.wav", "no.wav")(folder)
    parser = argparse.ArgumentParser()
    command.configure(parser)
    assert command.run(parser.parse_args(["check", str(folder)])) == 1
    capsys.readouterr()
    assert command.run(parser.parse_args(["check", "--fix", str(folder)])) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "dropped wav.scp:2: audio: no such audio file"
    assert f"{folder}: 2 utterances kept" in told[-2] and "before_fix" in told[-1]
    with pytest.raises(UsageError, match="--out: goes with --fix"):
        command.run(parser.parse_args(["check", str(folder), "--out", "x"]))


def usable(text: str) -> list[str]:
    """Return the keys of lines that are UTF-8 and have something visible behind the key."""
    keys = []
    for line in text.split("\n"):
        words = clean_text(line).split(None, 1)
        if len(words) == 2 and line == line.encode(errors="replace").decode():
            keys.append(words[0])
    return keys


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    content=st.lists(
        st.tuples(st.sampled_from(["utt_0", "utt_1", "utt_2", " utt_1", "utt_9"]), st.text()),
        max_size=6,
    )
)
def test_whatever_the_texts_are_the_result_is_right(
    make_data_dir: Make, tmp_path: Path, content: list[tuple[str, str]]
) -> None:
    folder = tmp_path / "set"
    if not folder.exists():
        make_data_dir(3)
    spoilt = "\n".join(f"{key} {text}" for key, text in content)
    (folder / "text").write_bytes(spoilt.encode(errors="surrogatepass"))
    out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
    if not {"utt_0", "utt_1", "utt_2"} & {key.strip() for key in usable(spoilt)}:
        with pytest.raises(MalsoriError, match="no usable utterance"):
            mend(folder, out)
        return
    done = mend(folder, out)
    assert check(out) == [] and done.kept == len((out / "text").read_text().splitlines())
