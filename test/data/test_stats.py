from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import kaldiio
import numpy as np
import pytest
import soundfile
import torch

from malsori.core.errors import MalsoriError
from malsori.data.datadir import DataDir
from malsori.data.stats import collect, collected
from malsori.dsp.f0 import extract_f0
from malsori.dsp.mel import mel_filters


def sets(corpus: Any) -> list[Path]:
    return [corpus.data / name for name in ("train", "dev", "test")]


def again(corpus: Any, out: Path | None = None, **changes: Any) -> Any:
    """Run stage 3 on a corpus, with changed audio settings."""
    audio = replace(corpus.settings().audio, **changes)
    return collect(sets(corpus), corpus.tokens, audio, out or corpus.stats)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def marks(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.f0.ark")}


def spectra(wav: np.ndarray, audio: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return log10 mel, (T, M), and energy, (T,), in plain NumPy."""
    pad = audio.n_fft // 2
    padded = np.pad(wav.astype(np.float64), pad, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(audio.n_fft) / audio.n_fft)
    starts = range(0, len(wav) + 1, audio.hop)
    frames = np.stack([padded[s : s + audio.n_fft] * window for s in starts])
    power = np.abs(np.fft.rfft(frames)) ** 2
    filters = mel_filters(
        audio.sample_rate, audio.n_fft, audio.mel_bands, audio.mel_low_hz, audio.mel_high_hz
    )
    amplitude = np.sqrt(np.maximum(power, 1e-10)) @ filters.T.astype(np.float64)
    return np.log10(np.maximum(amplitude, 1e-10)), np.sqrt(power.sum(1))


def test_mean_and_spread_are_those_of_numpy(tiny_corpus: Any) -> None:
    audio = tiny_corpus.settings().audio
    data = DataDir(tiny_corpus.data / "train")
    mels, energies, pitches = [], [], []
    for i in range(len(data)):
        wav = data.wav(i, audio.sample_rate)
        mel, energy = spectra(wav, audio)
        f0 = extract_f0(wav, audio.sample_rate, audio.hop)
        voiced = np.flatnonzero(f0)
        mels.append(mel)
        energies.append(energy)
        pitches.append(np.log(np.interp(np.arange(len(f0)), voiced, f0[voiced])))
    mel, energy, pitch = (np.concatenate(parts) for parts in (mels, energies, pitches))
    got = json.loads((tiny_corpus.stats / "stats.json").read_text())
    np.testing.assert_allclose(got["mel_mean"], mel.mean(0), atol=1e-4)
    np.testing.assert_allclose(got["mel_std"], mel.std(0), rtol=1e-3)
    for name, values in (("pitch", pitch), ("energy", energy)):
        assert got[f"{name}_mean"] == pytest.approx(values.mean(), rel=1e-4)
        assert got[f"{name}_std"] == pytest.approx(values.std(), rel=1e-4)


def test_f0_of_a_tone_and_its_place_in_the_archive(tiny_corpus: Any) -> None:
    data = DataDir(tiny_corpus.data / "train")
    lines = (tiny_corpus.stats / "train.f0.scp").read_text().splitlines()
    assert [line.split()[0] for line in lines] == [data.key(i) for i in range(len(data))]
    for i, line in enumerate(lines):
        f0 = kaldiio.load_mat(str(tiny_corpus.stats / line.split()[1]))
        hz = 110.0 + 7 * int(data.key(i)[1:])
        assert len(f0) == len(data.wav(i, 8000)) // 256 + 1
        assert np.median(f0[f0 > 0]) == pytest.approx(hz, rel=0.01)


def test_two_hundred_hertz() -> None:
    times = np.arange(24000) / 24000
    wav = sum(np.sin(2 * np.pi * 200 * k * times) / k for k in (1, 2, 3)).astype(np.float32) / 3
    f0 = extract_f0(wav, 24000, 256)
    assert f0.shape == (24000 // 256 + 1,) and f0.dtype == np.float32
    np.testing.assert_allclose(f0[10:-10], 200.0, rtol=0.005)
    assert not extract_f0(np.zeros(24000, np.float32), 24000, 256).any()


def test_nothing_is_done_twice(copy_corpus: Callable[[], Any]) -> None:
    corpus = copy_corpus()
    statistics = again(corpus)
    before, content = marks(corpus.stats), contents(corpus.stats)
    assert collected(sets(corpus), corpus.tokens, corpus.settings().audio, corpus.stats)
    assert again(corpus) == statistics
    assert marks(corpus.stats) == before and contents(corpus.stats) == content


@pytest.mark.parametrize("content", [b"", b'{"hop":', b"\xff"])
def test_a_damaged_note_of_the_settings_is_written_anew(
    copy_corpus: Callable[[], Any], content: bytes
) -> None:
    corpus = copy_corpus()
    again(corpus)
    path = corpus.stats / "audio.json"
    whole = path.read_bytes()
    path.write_bytes(content)
    assert not collected(sets(corpus), corpus.tokens, corpus.settings().audio, corpus.stats)
    again(corpus)
    assert path.read_bytes() == whole


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None  # an import of it fails
from malsori.bin.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_to_see_that_nothing_changed_takes_no_torch(copy_corpus: Callable[[], Any]) -> None:
    corpus = copy_corpus()
    again(corpus)
    values = asdict(corpus.settings().audio)
    audio = [f"audio.{name}={json.dumps(value)}" for name, value in values.items()]
    command = [sys.executable, "-c", WITHOUT_TORCH, "stats", "--data", *map(str, sets(corpus))]
    command += ["--tokens", str(corpus.tokens), "--out", str(corpus.stats), "--set", *audio]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr.count("unchanged, kept") == len(sets(corpus))


@pytest.mark.parametrize("change", ["tokens", "audio", "segments", "scp", "stats.json"])
def test_what_changed_is_done_again(copy_corpus: Callable[[], Any], change: str) -> None:
    corpus = copy_corpus()
    again(corpus)
    before, content = marks(corpus.stats), contents(corpus.stats)
    settings = {}
    if change == "tokens":
        lines = (corpus.tokens / "train.tokens").read_text().splitlines()
        lines[0] += " ."
        (corpus.tokens / "train.tokens").write_text("\n".join(lines) + "\n")
    elif change == "audio":
        settings = {"f0_high_hz": 350.0}
    elif change == "segments":
        path = corpus.data / "train" / "segments"
        path.write_text(path.read_text().replace(" 0.", " 0.0", 1))
    elif change == "scp":
        (corpus.stats / "train.f0.scp").unlink()
    else:
        (corpus.stats / "stats.json").unlink()
    audio = replace(corpus.settings().audio, **settings)
    assert not collected(sets(corpus), corpus.tokens, audio, corpus.stats)
    again(corpus, **settings)
    after = marks(corpus.stats)
    assert after["train.f0.ark"] != before["train.f0.ark"]
    assert (after["dev.f0.ark"] == before["dev.f0.ark"]) == (change != "audio")
    assert contents(corpus.stats).keys() == content.keys()


def test_another_first_set_gives_other_statistics(copy_corpus: Callable[[], Any]) -> None:
    corpus = copy_corpus()
    audio = corpus.settings().audio
    train = again(corpus)
    dev = collect(sets(corpus)[1:], corpus.tokens, audio, corpus.stats)
    assert dev != train
    assert again(corpus) == train


def test_a_failed_run_is_not_taken_for_done(copy_corpus: Callable[[], Any]) -> None:
    """F0 at another hop must not stay behind under the mark of an earlier run."""
    corpus = copy_corpus()
    again(corpus)
    good = contents(corpus.stats)
    audio = replace(corpus.settings().audio, hop=500)
    with pytest.raises(MalsoriError, match="rejected"):
        collect(sets(corpus), corpus.tokens, audio, corpus.stats, max_rejected=-1.0)
    assert contents(corpus.stats)["train.f0.ark"] != good["train.f0.ark"]
    assert "audio.json" not in contents(corpus.stats)
    again(corpus)
    assert contents(corpus.stats) == good


def test_rejected_with_reason(copy_corpus: Callable[[], Any], tmp_path: Path) -> None:
    corpus = copy_corpus()
    lines = (corpus.tokens / "train.tokens").read_text().splitlines()
    many, damaged = lines[2].split()[0], lines[5].split()[0]
    lines[2] = " ".join([many, *["."] * 100])
    (corpus.tokens / "train.tokens").write_text("\n".join(lines) + "\n")
    scp = corpus.data / "train" / "wav.scp"
    (tmp_path / "bad.wav").write_bytes(b"RIFF no wave at all")
    rows = [line.split(" ", 1) for line in scp.read_text().splitlines()]
    scp.write_text("".join(f"{k} {tmp_path / 'bad.wav' if k == damaged else v}\n" for k, v in rows))
    with pytest.raises(MalsoriError, match=r"train: 2 of 16 utterances rejected.*0\.1.*first: u"):
        again(corpus)
    audio = corpus.settings().audio
    collect(sets(corpus), corpus.tokens, audio, corpus.stats, max_rejected=0.2)
    rejected = dict(
        line.split("\t") for line in (corpus.stats / "rejected.tsv").read_text().splitlines()
    )
    assert rejected.keys() == {many, damaged}
    assert "fewer frames" in rejected[many] and "than tokens (100)" in rejected[many]
    assert "bad.wav" in rejected[damaged]
    kept = [x.split()[0] for x in (corpus.stats / "train.f0.scp").read_text().splitlines()]
    assert len(kept) == 14 and not {many, damaged} & set(kept)
    again_rejected = (corpus.stats / "rejected.tsv").read_bytes()
    collect(sets(corpus), corpus.tokens, audio, corpus.stats, max_rejected=0.2)
    assert (corpus.stats / "rejected.tsv").read_bytes() == again_rejected  # kept sets count too


def test_missing_stage_and_unknown_utterance_are_named(copy_corpus: Callable[[], Any]) -> None:
    corpus = copy_corpus()
    with open(corpus.tokens / "dev.tokens", "a") as file:
        file.write("zz .\n")
    with pytest.raises(MalsoriError, match=r"dev\.tokens:3: 'zz' is not in .*run stage 2 again"):
        again(corpus)
    (corpus.tokens / "train.tokens").unlink()
    with pytest.raises(MalsoriError, match=r"train\.tokens: not there; run stage 2"):
        again(corpus)


def test_no_voiced_frame_at_all(copy_corpus: Callable[[], Any]) -> None:
    corpus = copy_corpus()
    rng = np.random.default_rng(0)
    scp = (corpus.data / "train" / "wav.scp").read_text().split()
    noise = corpus.root / "noise.wav"
    soundfile.write(noise, 0.01 * rng.standard_normal(12800), 8000)
    (corpus.data / "train" / "wav.scp").write_text("".join(f"{key} {noise}\n" for key in scp[::2]))
    with pytest.raises(MalsoriError, match="no voiced frame in the whole set"):
        again(corpus, f0_low_hz=399.0, f0_high_hz=400.0)


@pytest.mark.slow
def test_two_processes_give_the_same_bytes(tiny_corpus: Any, tmp_path: Path) -> None:
    audio = tiny_corpus.settings().audio
    many = tmp_path / "data" / "train"  # more than one chunk of utterances
    many.mkdir(parents=True)
    for name in ("wav.scp", "text", "utt2spk", "utt2dur", "segments"):
        lines = []
        for line in (tiny_corpus.data / "train" / name).read_text().splitlines():
            key, rest = line.split(" ", 1)
            lines += [f"{key}-{n} {rest}\n" for n in range(3)]
        (many / name).write_text("".join(sorted(lines)))
    segments = (many / "segments").read_text().splitlines()
    (many / "segments").write_text(
        "".join(f"{x.split()[0]} {' '.join([x.split()[0], *x.split()[2:]])}\n" for x in segments)
    )
    keys = [line.split()[0] for line in (many / "wav.scp").read_text().splitlines()]
    (many / "spk2utt").write_text(f"tone {' '.join(keys)}\n")
    tokens = tmp_path / "tokens"
    tokens.mkdir()
    rows = dict(
        x.split(" ", 1) for x in (tiny_corpus.tokens / "train.tokens").read_text().splitlines()
    )
    (tokens / "train.tokens").write_text("".join(f"{k} {rows[k[:3]]}\n" for k in keys))
    for threads, jobs, name in ((2, 1, "one"), (1, 2, "two")):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        collect([many], tokens, audio, tmp_path / name, jobs=jobs)
        torch.set_num_threads(before)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
