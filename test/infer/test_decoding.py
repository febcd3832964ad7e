from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from malsori.core.errors import MalsoriError
from malsori.core.files import read_json
from malsori.data.datadir import DataDir
from malsori.dsp import audio
from malsori.infer import utterances
from malsori.infer.decode import decode
from malsori.infer.request import style_of
from malsori.infer.spoken import Spoken
from malsori.infer.synthesizer import Synthesizer
from malsori.infer.voice import load_run


@pytest.fixture(scope="module")
def voice(lively_run: Path) -> Any:
    return load_run(lively_run)


@pytest.fixture(scope="module")
def decoded(voice: Any, tiny_corpus: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the training set, spoken."""
    out = tmp_path_factory.mktemp("decoded")
    decode(voice, DataDir(tiny_corpus.data / "train"), out)
    return out


def rows(path: Path) -> dict[str, list[str]]:
    return {x.split()[0]: x.split()[1:] for x in path.read_text(encoding="utf-8").splitlines()}


def test_files_of_the_contract(decoded: Path, voice: Any, tiny_corpus: Any) -> None:
    data = DataDir(tiny_corpus.data / "train")
    keys = [data.key(i) for i in range(len(data))]
    assert {path.name for path in decoded.iterdir()} == {
        "wav", "durations", "tokens", "timestamps.json", "rtf.json", "rejected.tsv",
    }  # fmt: skip
    durations, tokens = rows(decoded / "durations"), rows(decoded / "tokens")
    times = read_json(decoded / "timestamps.json")
    assert list(durations) == list(tokens) == list(times) == keys
    assert {path.name for path in (decoded / "wav").iterdir()} == {f"{key}.wav" for key in keys}
    for i, key in enumerate(keys):
        wav, rate = audio.read(decoded / "wav" / f"{key}.wav")
        assert rate == 8000 and len(wav) == 256 * sum(map(int, durations[key]))
        assert tokens[key] == voice.tokenizer.tokens(data.text(i))
        assert len(durations[key]) == len(tokens[key])
        assert times[key]["seconds"] == pytest.approx(len(wav) / 8000, abs=1e-4)
    assert (decoded / "rejected.tsv").read_text() == ""


def test_real_time_factor_adds_up(decoded: Path) -> None:
    speed = read_json(decoded / "rtf.json")
    assert speed["utterances"] == 16 and speed["device"] == "cpu"
    assert speed["real_time_factor"] == pytest.approx(speed["seconds"] / speed["audio_seconds"])
    frames = sum(int(n) for values in rows(decoded / "durations").values() for n in values)
    assert speed["audio_seconds"] == pytest.approx(frames * 256 / 8000)
    assert speed["packages"]["torch"] and speed["threads"] >= 1


def test_workers_say_what_one_says(
    decoded: Path, voice: Any, tiny_corpus: Any, tmp_path: Path
) -> None:
    before = torch.get_num_threads()
    for name, threads in (("one", 1), ("two", 2)):
        torch.set_num_threads(threads)
        try:
            decode(voice, DataDir(tiny_corpus.data / "train"), tmp_path / name)
        finally:
            torch.set_num_threads(before)
    for name in ("durations", "tokens", "timestamps.json"):
        assert (tmp_path / "two" / name).read_bytes() == (decoded / name).read_bytes()
    for path in (tmp_path / "two" / "wav").iterdir():
        one, other = audio.read(path)[0], audio.read(tmp_path / "one/wav" / path.name)[0]
        np.testing.assert_allclose(one, other, atol=2 / 32768)
    one, two = (read_json(tmp_path / name / "rtf.json") for name in ("one", "two"))
    assert (one["workers"], two["workers"], two["threads"]) == (1, 2, 2)
    assert "utterance_real_time_factor" not in one  # spoken in batches
    assert 0 < two["utterance_real_time_factor"] < 2 * 2 * two["real_time_factor"]


@pytest.mark.parametrize("batch_seconds", [0.0, 2.0])
def test_batches_say_what_each_alone_says(
    decoded: Path, voice: Any, tiny_corpus: Any, tmp_path: Path, batch_seconds: float
) -> None:
    decode(voice, DataDir(tiny_corpus.data / "train"), tmp_path, batch_seconds)
    for name in ("durations", "tokens", "timestamps.json"):
        assert (tmp_path / name).read_bytes() == (decoded / name).read_bytes()
    for path in (decoded / "wav").iterdir():
        one, other = audio.read(path)[0], audio.read(tmp_path / "wav" / path.name)[0]
        np.testing.assert_allclose(one, other, atol=2 / 32768)


def test_decode_says_what_synthesize_says(decoded: Path, voice: Any) -> None:
    said = Synthesizer(voice)("바다로 가요.")
    wav, _ = audio.read(decoded / "wav" / "u01.wav")
    np.testing.assert_allclose(wav, np.clip(said.audio, -1, 32767 / 32768), atol=2 / 32768)


def test_teacher_forcing_has_the_recordings_lengths(
    voice: Any, tiny_corpus: Any, tmp_path: Path
) -> None:
    data = DataDir(tiny_corpus.data / "train")
    decode(voice, data, tmp_path, forced=True)
    durations = rows(tmp_path / "durations")
    for i in range(len(data)):
        frames = len(data.wav(i, 8000)) // 256 + 1
        assert sum(map(int, durations[data.key(i)])) == frames
    alone = tmp_path / "alone"
    decode(voice, data, alone, batch_seconds=0.0, forced=True)
    assert rows(alone / "durations") == durations
    for path in (alone / "wav").iterdir():
        one, other = audio.read(path)[0], audio.read(tmp_path / "wav" / path.name)[0]
        np.testing.assert_allclose(one, other, atol=3 / 32768)


@pytest.mark.parametrize(("workers", "most"), [(1, 1), (2, 3)])  # one is being written
def test_audio_is_forgotten_once_written(
    voice: Any,
    tiny_corpus: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
    most: int,
) -> None:
    """All waveforms of a training set are gigabytes."""
    made: list[weakref.ref[Any]] = []
    alive: list[int] = []
    plain = Synthesizer.spoken

    def spoken(self: Synthesizer, *rest: Any) -> Spoken:
        gc.collect()
        alive.append(sum(ref() is not None for ref in made))
        said = plain(self, *rest)
        made.append(weakref.ref(said.audio))
        return said

    monkeypatch.setattr(Synthesizer, "spoken", spoken)
    monkeypatch.setattr("malsori.infer.decode._workers", lambda *_: workers)
    decode(voice, DataDir(tiny_corpus.data / "train"), tmp_path, batch_seconds=0.0)
    assert len(made) == 16 and max(alive) <= most


def test_style_is_the_recordings_only_if_forced(
    styled_run: Path, tiny_corpus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    voice, data = load_run(styled_run), DataDir(tiny_corpus.data / "test")
    styles: list[Any] = []
    model: Any = voice.model
    plain = model.synthesize

    def synthesize(tokens: Any, lengths: Any, conditions: Any, **named: Any) -> Any:
        styles.append(conditions.style_mel)
        return plain(tokens, lengths, conditions, **named)

    monkeypatch.setattr(model, "synthesize", synthesize)
    decode(voice, data, tmp_path / "free", batch_seconds=0.0)
    assert styles == [None, None]
    decode(voice, data, tmp_path / "forced", batch_seconds=0.0, forced=True)
    recorded = [data.wav(i, 8000) for i in range(2)]
    wanted = [style_of(voice, wav).style_mel for wav in recorded]
    frames = {mel.shape[1]: mel for mel in wanted if mel is not None}
    assert len(frames) == 2
    for mel in styles[2:]:
        np.testing.assert_allclose(mel, frames[mel.shape[1]], atol=1e-5)


def test_text_without_an_end_is_left_out(
    voice: Any, tiny_corpus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = DataDir(tiny_corpus.data / "test")
    counts = {data.key(i): len(voice.tokenizer.tokens(data.text(i))) for i in range(2)}
    (short, fewer), (long, more) = sorted(counts.items(), key=lambda item: item[1])
    assert fewer < more
    monkeypatch.setattr(utterances, "LONGEST_SENTENCE", fewer)
    decode(voice, data, tmp_path)
    assert list(rows(tmp_path / "durations")) == [short]
    key, reason = (tmp_path / "rejected.tsv").read_text().split("\t")
    assert key == long and f"has {more} tokens, and {fewer} is the most" in reason


def test_text_that_cannot_be_read_is_left_out(
    voice: Any, copy_corpus: Callable[[], Any], tmp_path: Path
) -> None:
    folder = copy_corpus().data / "test"
    lines = (folder / "text").read_text().splitlines()
    keys = [line.split()[0] for line in lines]
    (tmp_path / "out" / "wav").mkdir(parents=True)
    (tmp_path / "out" / "wav" / "stale.wav").write_bytes(b"")
    (folder / "text").write_text(f"{keys[0]} かな\n{lines[1]}\n")
    decode(voice, DataDir(folder), tmp_path / "out")
    assert [path.stem for path in (tmp_path / "out" / "wav").iterdir()] == [keys[1]]
    ((key, reason),) = [
        x.split("\t") for x in (tmp_path / "out" / "rejected.tsv").read_text().splitlines()
    ]
    assert key == keys[0] and "かな" in reason
    assert list(rows(tmp_path / "out" / "durations")) == [keys[1]]
    (folder / "text").write_text(f"{keys[0]} かな\n{keys[1]} ...\n")
    with pytest.raises(MalsoriError, match=r"none of its 2 texts can be read; the first: .*かな"):
        decode(voice, DataDir(folder), tmp_path / "out")


def test_recording_shorter_than_its_text_is_named(
    voice: Any, copy_corpus: Callable[[], Any], tmp_path: Path
) -> None:
    folder = copy_corpus().data / "test"
    lines = (folder / "text").read_text().splitlines()
    key = lines[0].split()[0]
    (folder / "text").write_text(f"{key} {'나무가 있다. ' * 20}\n{lines[1]}\n")
    with pytest.raises(MalsoriError, match=f"{key}: fewer frames than tokens"):
        decode(voice, DataDir(folder), tmp_path / "out", forced=True)
