"""The decode folder: every way in which it can fail to fit is one line that names the file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from malsori.core.errors import MalsoriError
from malsori.data.datadir import DataDir
from malsori.score.decoded import DecodedSpeech


def test_a_fitting_folder_passes(four_vowels) -> None:
    decoded = DecodedSpeech(four_vowels.decoded)
    assert decoded.rows(DataDir(four_vowels.data)) == [0, 1, 2, 3]
    assert decoded.path("u2") == four_vowels.decoded / "wav" / "u2.wav"


def test_no_folder_and_no_recordings(tmp_path: Path) -> None:
    with pytest.raises(MalsoriError, match="no such folder; decode the set first"):
        DecodedSpeech(tmp_path)
    (tmp_path / "wav").mkdir()
    (tmp_path / "wav" / "notes.txt").touch()
    with pytest.raises(MalsoriError, match="holds no recordings"):
        DecodedSpeech(tmp_path)


def test_a_missing_recording_is_named(four_vowels) -> None:
    (four_vowels.decoded / "wav" / "u2.wav").unlink()
    with pytest.raises(MalsoriError, match=r"1 of the 4 utterances of .* missing, first u2"):
        DecodedSpeech(four_vowels.decoded).rows(DataDir(four_vowels.data))


def test_a_recording_without_reference_is_named(four_vowels) -> None:
    audio = four_vowels.decoded / "wav"
    shutil.copy(audio / "u2.wav", audio / "zz.wav")
    with pytest.raises(MalsoriError, match=r"1 recordings have no reference in .*first zz"):
        DecodedSpeech(four_vowels.decoded).rows(DataDir(four_vowels.data))


def test_another_set_is_told_as_such(four_vowels) -> None:
    for path in (four_vowels.decoded / "wav").iterdir():
        path.rename(path.with_name(f"dev_{path.name}"))
    with pytest.raises(MalsoriError, match="was another set decoded"):
        DecodedSpeech(four_vowels.decoded).rows(DataDir(four_vowels.data))


def write_times(folder: Path, tokens: str, durations: str) -> DecodedSpeech:
    (folder / "tokens").write_text(tokens, encoding="utf-8")
    (folder / "durations").write_text(durations, encoding="utf-8")
    return DecodedSpeech(folder)


def test_token_times_of_the_wanted_utterances(four_vowels) -> None:
    decoded = write_times(four_vowels.decoded, "u0 a b\nu1 c\n", "u0 3 4\nu1 5\n")
    times = decoded.token_times(["u0"])
    assert times == {"u0": (("a", "b"), (3, 4))}


def test_without_durations_there_are_no_token_times(four_vowels) -> None:
    assert DecodedSpeech(four_vowels.decoded).token_times(["u0"]) == {}


@pytest.mark.parametrize(
    ("durations", "says"),
    [("u0 3\n", "u0 has 1 durations, but 2 tokens"), ("u0 3 x\n", "whole numbers of frames")],
)
def test_token_times_that_cannot_be(four_vowels, durations: str, says: str) -> None:
    decoded = write_times(four_vowels.decoded, "u0 a b\n", durations)
    with pytest.raises(MalsoriError, match=says):
        decoded.token_times(["u0"])


def test_texts_that_decoding_could_not_read_are_left_out(four_vowels) -> None:
    data = DataDir(four_vowels.data)
    lost = data.key(1)
    (four_vowels.decoded / "wav" / f"{lost}.wav").unlink()
    (four_vowels.decoded / "rejected.tsv").write_text(f"{lost}\tcannot read it\n", "utf-8")
    assert DecodedSpeech(four_vowels.decoded).rows(data) == [0, 2, 3]
