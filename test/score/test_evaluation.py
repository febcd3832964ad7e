"""A whole set: scores, baselines, the choice of the other utterance, several processes."""

from __future__ import annotations

import math

import pytest
import soundfile

from malsori.core.config import read_choice
from malsori.core.errors import MalsoriError
from malsori.data.datadir import DataDir
from malsori.score import SCORERS
from malsori.score.decoded import DecodedSpeech
from malsori.score.evaluation import (
    DECODED,
    OTHER,
    SILENCE,
    Evaluation,
    evaluate,
    other_utterances,
)

ACOUSTIC = [read_choice(SCORERS, "acoustic", "test")]


def run(spoken, jobs: int = 1) -> Evaluation:
    return evaluate(DataDir(spoken.data), DecodedSpeech(spoken.decoded), ACOUSTIC, jobs)


def test_a_good_voice_beats_both_baselines(four_vowels) -> None:
    summary = run(four_vowels).summary()
    mcd = {system: estimates["mcd_db"] for system, estimates in summary.items()}
    assert mcd[DECODED].high < mcd[OTHER].low
    assert mcd[DECODED].high < mcd[SILENCE].low
    assert summary[DECODED]["duration_ratio"].mean == pytest.approx(1.25, abs=0.01)
    assert summary[DECODED]["log_f0_rmse"].mean == pytest.approx(math.log(15 / 14), rel=0.2)
    assert summary[SILENCE]["log_f0_rmse"].utterances == 0
    assert summary[SILENCE]["duration_ratio"].mean == 1.0


def test_rows_keep_the_order_of_the_data_dir(four_vowels) -> None:
    rows = run(four_vowels).utterances
    assert [row.id for row in rows] == ["u0", "u1", "u2", "u3"]
    assert [row.other for row in rows] == ["u1", "u2", "u3", "u0"]
    assert rows[1].text == "vowel 1"
    assert (rows[1].seconds, rows[1].decoded_seconds) == (0.4, 0.5)


def test_two_processes_say_the_same_as_one(make_set) -> None:
    spoken = make_set({f"u{i:02d}": {"vowel": i % 4, "seconds": 0.15} for i in range(10)})
    assert repr(run(spoken, jobs=2)) == repr(run(spoken, jobs=1))


def test_an_unreadable_recording_is_named_from_a_process_too(make_set) -> None:
    spoken = make_set({f"u{i:02d}": {"vowel": i % 4, "seconds": 0.15} for i in range(10)})
    (spoken.decoded / "wav" / "u07.wav").write_bytes(b"RIFF")
    for jobs in (1, 2):
        with pytest.raises(MalsoriError, match=r"u07\.wav"):
            run(spoken, jobs)


def test_the_other_utterance_is_by_the_same_speaker_and_says_something_else(make_set) -> None:
    spoken = make_set(
        {
            "a1": {"vowel": 0, "speaker": "anna", "text": "one"},
            "a2": {"vowel": 0, "speaker": "anna", "text": "one"},
            "a3": {"vowel": 1, "speaker": "anna", "text": "two"},
            "b1": {"vowel": 2, "speaker": "bert", "text": "three"},
        }
    )
    # a1 skips a2, which says the same; b1 is alone and takes the next of the set.
    assert other_utterances(DataDir(spoken.data)) == [2, 2, 0, 0]


def test_a_set_of_one_has_no_other_utterance(make_set) -> None:
    evaluation = run(make_set({"only": {"vowel": 0}}))
    assert evaluation.utterances[0].other is None
    assert evaluation.summary()[OTHER]["mcd_db"].utterances == 0
    assert evaluation.summary()[DECODED]["mcd_db"].utterances == 1


def test_the_lower_sample_rate_decides(make_set) -> None:
    spoken = make_set({f"u{i}": {"vowel": i} for i in range(2)}, rate=22050)
    assert soundfile.info(spoken.decoded / "wav" / "u0.wav").samplerate == 22050
    evaluation = run(spoken)
    assert evaluation.sample_rate == 16000
    assert evaluation.summary()[DECODED]["mcd_db"].mean < 4.0
