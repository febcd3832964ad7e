from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

Run = Callable[..., Any]


@pytest.fixture
def say(malsori: Run, lively_run: Path, tmp_path: Path) -> Run:
    """Return a function that speaks with the run into ``out.wav``."""

    def run(*words: object) -> Any:
        return malsori("synthesize", "--model", lively_run, "--out", tmp_path / "out.wav", *words)

    return run


def test_wav_and_timestamps(say: Run, tmp_path: Path) -> None:
    done = say("--text", "나무가 있다.", "--timestamps", tmp_path / "t.json")
    assert done.code == 0
    wav, rate = soundfile.read(tmp_path / "out.wav")
    times = json.loads((tmp_path / "t.json").read_text())
    assert rate == 8000 and len(wav) / rate == pytest.approx(times["seconds"], abs=1e-3)
    assert [word["text"] for word in times["words"]] == ["나무가", "있다"]
    assert done.out == f"{tmp_path / 'out.wav'}: {len(wav) / rate:.2f} s\n"


def test_text_from_file_and_from_standard_input(
    say: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "나무가 있다.\n바다로 가요.\n"
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    content = []
    for words in (("--text", text), ("--text-file", tmp_path / "text.txt"), ("--text", "-")):
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        assert say(*words).code == 0
        content.append((tmp_path / "out.wav").read_bytes())
    assert content[0] == content[1] == content[2]


def test_controls_change_the_sound(say: Run, tmp_path: Path) -> None:
    said = []
    for words in ((), ("--speed", "0.5"), ("--pitch", "5"), ("--energy", "-6"), ("--seed", "7")):
        assert say("--text", "나무가 있다.", *words).code == 0
        said.append((tmp_path / "out.wav").read_bytes())
    assert len(set(said[:4])) == 4 and said[4] == said[0]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--text", "하늘 かな 높다."), ["'かな'", "'하늘 かな 높다.'"]),
        (("--text", ""), ["nothing to speak"]),
        (("--text", " ... "), ["nothing to speak"]),
        (("--text", "나무", "--speed", "9"), ["speed: 9 is not between 0.25 and 4"]),
        (("--text", "나무", "--pitch", "-25"), ["pitch: -25"]),
        (("--text", "나무", "--energy", "nan"), ["energy: nan"]),
        (("--text", "나무", "--pause", "-1"), ["pause: -1"]),
        (("--text", "나무", "--speaker", "eve"), ["no speaker 'eve'; known: tone"]),
        (("--text", "나무", "--style-wav", "none.wav"), ["style_wav: ", "has no style tokens"]),
        (("--text", "나무", "--checkpoint", "step-7"), ["no checkpoint 'step-7'"]),
        (("--text", "나무", "--device", "gpu"), ["device: 'gpu' cannot be used here"]),
    ],
)
def test_mistake_is_one_line(
    say: Run, tmp_path: Path, words: tuple[str, ...], told: list[str]
) -> None:
    done = say(*words)
    assert done.code == 1 and all(part in done.line for part in told)
    assert not (tmp_path / "out.wav").exists()


def test_file_that_is_no_text(say: Run, tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes("café".encode("latin-1"))
    for path in (tmp_path / "latin.txt", tmp_path / "none.txt", tmp_path):
        done = say("--text-file", path)
        assert done.code == 1 and f"{path}: cannot be read as UTF-8 text" in done.line


def test_out_that_cannot_be_written(malsori: Run, lively_run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "out.wav"
    words = ("--model", lively_run, "--text", "나무", "--out", out)
    done = malsori("synthesize", *words)
    assert done.code == 1 and f"{out}: cannot be written" in done.line


def test_model_that_is_no_voice(malsori: Run, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_text("no zip")
    for model, told in (
        (tmp_path / "x.zip", "not a readable pack"),
        (tmp_path, "not a run folder"),
    ):
        words = ("--model", model, "--text", "나무", "--out", tmp_path / "out.wav")
        done = malsori("synthesize", *words)
        assert done.code == 1 and str(model) in done.line and told in done.line


def test_text_with_markup(say: Run, tmp_path: Path) -> None:
    seconds = {}
    for text, more in (
        ("나무가 있다.", ()),
        ("<speak>나무가 있다.<break time='1s'/></speak>", ()),
        ("나무가 있다. <break time='1s'/>", ("--ssml",)),
    ):
        done = say("--text", text, *more, "--timestamps", tmp_path / "t.json")
        assert done.code == 0, done.err
        wav, rate = soundfile.read(tmp_path / "out.wav")
        seconds[text] = len(wav) / rate
        times = json.loads((tmp_path / "t.json").read_text())
        assert times["seconds"] == pytest.approx(seconds[text], abs=1e-3)
        assert [word["text"] for word in times["words"]] == ["나무가", "있다"]
    plain, *marked = seconds.values()
    assert marked == [pytest.approx(plain + 1, abs=256 / 8000)] * 2


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--text", "나무 <break/>"), 1, "not read as SSML"),
        (("--ssml", "--text", "나무 <wow/>"), 1, "line 1, column 4: <wow> is not known"),
        (("--ssml", "--tokens", "a"), 2, "--ssml: tokens are spoken as they are"),
        (("--text", "나무", "--lexicon", "none.tsv"), 1, "none.tsv: cannot be read"),
    ],
)
def test_mistakes_with_markup_and_lexicon(
    say: Run, words: tuple[str, ...], code: int, told: str
) -> None:
    done = say(*words)
    assert done.code == code and told in done.line


def test_lexicon_of_the_user(say: Run, tmp_path: Path) -> None:
    lexicon = tmp_path / "mine.tsv"
    lexicon.write_text("나무\t바다\n", encoding="utf-8")
    said = []
    for words in (("나무.",), ("나무.", "--lexicon", lexicon), ("바다.",)):
        assert say("--text", *words).code == 0
        said.append((tmp_path / "out.wav").read_bytes())
    assert said[1] == said[2] != said[0]


def test_stream_writes_what_is_written_at_once(say: Run, tmp_path: Path) -> None:
    text = "나무가 있다. 바다로 가요."
    wavs, times = [], []
    for more in ((), ("--stream",)):
        assert say("--text", text, *more, "--timestamps", tmp_path / "t.json").code == 0
        wavs.append(soundfile.read(tmp_path / "out.wav", dtype="int16")[0].astype(int))
        times.append(json.loads((tmp_path / "t.json").read_text()))
    assert len(wavs[0]) == len(wavs[1]) and abs(wavs[0] - wavs[1]).max() <= 1
    assert times[0] == times[1]


def test_standard_output_holds_sound_alone(
    lively_run: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    from malsori.bin.main import main

    words = ["synthesize", "--model", str(lively_run), "--text", "나무가 있다.", "--out", "-"]
    made = {}
    for more in ((), ("--stream",), ("--stream", "--raw")):
        assert main([*words, *more]) == 0
        made[more] = capfdbinary.readouterr().out
    wav, rate = soundfile.read(io.BytesIO(made[()]), dtype="int16")
    assert rate == 8000 and len(wav) > 1000
    raw = np.frombuffer(made["--stream", "--raw"], "<i2")
    assert abs(raw.astype(int) - wav).max() <= 1
    streamed = made["--stream",]
    assert streamed[:4] == b"RIFF" and streamed[44:] == raw.tobytes()


def test_a_reader_who_leaves_is_no_error_to_read_of(lively_run: Path) -> None:
    words = ["-m", "malsori", "synthesize", "--model", lively_run, "--stream", "--out", "-"]
    words += ["--text", "나무가 있다. " * 40, "--speed", "0.25"]
    with subprocess.Popen(
        [sys.executable, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.read(4) == b"RIFF"
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--tokens", "a b", "--stream"), "--stream: tokens are one sentence"),
        (("--text", "나무", "--clauses"), "--clauses: only with --stream"),
    ],
)
def test_options_that_do_not_go_together(say: Run, words: tuple[str, ...], told: str) -> None:
    done = say(*words)
    assert done.code == 2 and told in done.line


def test_stream_that_fails_at_once_leaves_no_file(say: Run, tmp_path: Path) -> None:
    done = say("--stream", "--text", "하늘 かな 높다.")
    assert done.code == 1 and "'かな'" in done.line
    assert not (tmp_path / "out.wav").exists()
