"""The vocoder's game: recordings alone, segments at the same place, others' mels as input."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kaldiio
import numpy as np
import pytest
import soundfile
import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor

from malsori.core.config import build, load, read_choice
from malsori.core.errors import ConfigError, MalsoriError
from malsori.core.files import read_json
from malsori.data.batch import Batch, Utterance, collate
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.mel import Spectrogram
from malsori.dsp.statistics import Statistics
from malsori.infer.pack import open_model, write_pack
from malsori.infer.vocoder import MelVoice
from malsori.models import MODELS
from malsori.models.voice import VoiceContext
from malsori.tasks import TASKS
from malsori.tasks.task import TaskConfig, TaskContext
from malsori.tasks.vocoder import VocoderTask
from malsori.train.config import TrainConfig
from malsori.train.run import train


@pytest.fixture(autouse=True, scope="module")
def _no_curves() -> Iterator[None]:
    """Draw a dot in place of the run's curves, which take a second each time."""
    dot = np.zeros((1, 1, 3), np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("malsori.train.journal.curves_picture", lambda *_: dot)
        yield


HOP = 16
AUDIO = AudioConfig(sample_rate=8000, n_fft=64, window=64, hop=HOP, mel_bands=6, mel_high_hz=4000)
GENERATOR: dict[str, Any] = {
    "channels": 8,
    "upsampling": [4, 4],
    "upsampling_kernels": [8, 8],
    "residual_kernels": [3],
    "residual_dilations": [[1, 3]],
    "initial_std": 0.2,
}
DISCRIMINATOR: dict[str, Any] = {
    "scale_channels": 8,
    "scale_max_channels": 16,
    "scale_max_groups": 4,
    "scale_strides": [2, 2],
    "periods": [2, 3],
    "period_channels": 4,
    "period_max_channels": 8,
    "period_strides": [3, 1],
}
TASK: dict[str, Any] = {
    "name": "vocoder",
    "discriminator": DISCRIMINATOR,
    "reconstruction": {"name": "mel", "n_fft": 64, "mel_bands": 8},
}


def make(model: dict[str, Any] | None = None, **task: Any) -> VocoderTask:
    torch.manual_seed(11)
    chosen = model or {"name": "hifigan", "generator": GENERATOR, "segment": 4}
    context = TaskContext(
        model=read_choice(MODELS, chosen, "model"),
        voice=VoiceContext(audio=AUDIO, tokens=2),
        statistics=Statistics.neutral(6),
    )
    return build(TASKS, read_choice(TASKS, {**TASK, **task}, "task"), context=context)


def recording(seed: int, samples: int, mel: np.ndarray | None = None) -> Utterance:
    wav = np.random.default_rng(seed).normal(0, 0.1, samples).astype(np.float32)
    return Utterance(id=f"utt{seed}", wav=wav, mel=mel)


def make_batch(*mels: np.ndarray | None) -> Batch:
    lengths = (150, 237)
    return collate([recording(i, lengths[i], mel) for i, mel in enumerate(mels or (None, None))])


def gradients(task: VocoderTask, batch: Batch) -> dict[str, dict[str, Tensor]]:
    found = {}
    torch.manual_seed(12)
    for turn in task.turns(batch):
        player = task.players[turn.player]
        turn.backward(task.weights[turn.player], list(player.parameters()))
        if turn.moves:
            found[turn.player] = {n: p.grad.clone() for n, p in player.named_parameters()}
    return found


def test_it_is_the_gan_of_gan_tts() -> None:
    task = make()
    assert list(task.players) == ["generator", "discriminator"] and task.averaged == "generator"
    expected = {"adversarial": 1.0, "reconstruction": 45.0, "feature_matching": 2.0}
    assert task.weights == {"generator": expected, "discriminator": {"real": 1.0, "fake": 1.0}}
    assert task.validation_losses == ("reconstruction",) and task.metrics == {"mcd": False}
    assert make(weights={"adversarial": 3}).weights["generator"]["adversarial"] == 3.0
    with pytest.raises(ConfigError, match=r"task\.weights\.pitch: no such loss"):
        make(weights={"pitch": 1.0})


def test_every_parameter_of_both_players_learns() -> None:
    for player, found in gradients(make(), make_batch()).items():
        for name, gradient in found.items():
            assert torch.isfinite(gradient).all() and gradient.abs().max() > 0, (player, name)


def test_segments_are_cut_at_the_same_place() -> None:
    task, batch = make(), make_batch()
    mel, _ = task.model.analyse(batch.wav, batch.wav_lengths)
    for seed in range(10):
        torch.manual_seed(seed)
        fake, real = task._generate(batch)
        assert fake.shape == real.shape == (2, 1, 4 * HOP)
        for row in range(2):
            (start,) = [
                s for s in range(15) if torch.equal(real[row, 0], _cut(batch.wav[row], s * HOP, 64))
            ]
            alone = task.model(mel[row : row + 1, start : start + 4])
            torch.testing.assert_close(fake[row], alone[0], atol=1e-6, rtol=1e-4)


def _cut(wav: Tensor, first: int, size: int) -> Tensor:
    return torch.nn.functional.pad(wav, (0, size))[first:][:size]


def test_a_short_recording_trains_on_a_shorter_segment() -> None:
    task = make({"name": "hifigan", "generator": GENERATOR, "segment": 64})
    fake, real = task._generate(make_batch())
    assert fake.shape == real.shape == (2, 1, 10 * HOP)
    for mel in ("centred", "hifigan"):
        task = make({"name": "hifigan", "generator": GENERATOR, "mel": mel})
        for found in gradients(task, collate([recording(0, 5)])).values():
            assert all(torch.isfinite(gradient).all() for gradient in found.values())


@pytest.mark.parametrize("mel", ["centred", "hifigan"])
@pytest.mark.parametrize("given", [False, True])
def test_a_batch_from_the_host_remembers_its_shortest_recording(mel: str, given: bool) -> None:
    """Frames of mels that are given are counted there, others follow from the samples."""
    task = make({"name": "hifigan", "generator": GENERATOR, "segment": 4, "mel": mel})
    mels = [np.zeros((frames, 6), np.float32) for frames in (9, 5)] if given else [None, None]
    batch = make_batch(*mels)
    moved = batch.to(torch.device("cpu"))
    lengths = task._mel(batch).lengths
    assert moved.shortest_wav == 150 and moved.shortest_mel == (5 if given else None)
    assert task._shortest(moved, lengths) == task._shortest(batch, lengths) == int(lengths.min())


def test_given_mels_take_the_place_of_the_recordings_own() -> None:
    task, plain = make(), make_batch()
    own, _ = Spectrogram(AUDIO)(plain.wav, plain.wav_lengths)
    same = make_batch(own[0, :10].numpy(), own[1, :15].numpy())
    assert same.mel is not None and same.mel.shape == (2, 15, 6)
    for one, other in zip(_all(task, plain), _all(task, same), strict=True):
        torch.testing.assert_close(one, other)
    louder = make_batch(own[0, :10].numpy() + 1, own[1, :15].numpy() + 1)
    assert not torch.allclose(_all(task, plain)[0], _all(task, louder)[0])


def _all(task: VocoderTask, batch: Batch) -> list[Tensor]:
    torch.manual_seed(5)
    return list(task._generate(batch))


def test_validation_and_demonstration_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    task, batch = make(), make_batch()
    task.eval()
    distance: Callable[..., float] = lambda recorded, spoken, rate: float(len(spoken))  # noqa: E731
    monkeypatch.setattr("malsori.tasks.demonstration.mel_cepstral_distortion", distance)
    before = {name: value.clone() for name, value in task.state_dict().items()}
    losses, show = task.validate(batch), task.demonstrate(batch)
    assert tuple(losses) == task.validation_losses and torch.isfinite(losses["reconstruction"])
    assert show.metrics == {"mcd": (160 + 240) / 2}
    assert show.audio.keys() == {
        f"utt{i}/{kind}" for i in (0, 1) for kind in ("recorded", "spoken")
    }
    assert show.images["utt0/mel"].std() > 5
    for name, value in task.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_model_of_another_task_is_refused() -> None:
    with pytest.raises(ConfigError, match="the task vocoder trains 'hifigan', not 'aligner'"):
        make({"name": "aligner"})
    with pytest.raises(ConfigError, match=r"model\.name: 'hifigan' "):
        make(name="gan_tts")


def test_every_task_says_what_it_is_trained_on() -> None:
    for name in TASKS.names():
        config: TaskConfig = TASKS.entry(name).config()
        assert config.material == ("recordings" if name == "vocoder" else "speech")


def settings(corpus: Any, *overrides: str) -> TrainConfig:
    """Return the tiny corpus's settings, for a vocoder; neither tokens nor statistics are named."""
    tree = yaml.safe_load(corpus.conf.read_text())
    task = {"name": "vocoder", **tree["task"]}
    model = {"name": "hifigan", "generator": {"name": "hifigan_v3", "channels": 16}, "segment": 8}
    path = corpus.root / "hifigan.yaml"
    path.write_text(yaml.safe_dump({**tree, "task": task, "model": model}))
    return load(TrainConfig, path, ["data.tokens=none", "data.stats=none", *overrides])


@pytest.fixture(scope="module")
def vocoder_run(tiny_corpus: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vocoder") / "run"
    train(settings(tiny_corpus), folder)
    return folder


def test_recordings_alone_are_enough(vocoder_run: Path) -> None:
    assert {path.name for path in vocoder_run.glob("*.*")} >= {"config.yaml", "run.json"}
    for name in ("tokens.txt", "stats.json", "names.json", "tokenizer.yaml"):
        assert not (vocoder_run / name).exists(), name
    state = read_json(vocoder_run / "checkpoints" / "step-6" / "state.json")
    assert state["metric_name"] == "mcd" and state["metric"] > 0


def test_a_killed_run_ends_as_one_that_was_not(
    tiny_corpus: Any, vocoder_run: Path, tmp_path: Path
) -> None:
    config = settings(tiny_corpus)
    half = tmp_path / "run"
    shutil.copytree(vocoder_run, half)
    shutil.rmtree(half / "checkpoints" / "step-6")
    train(config, half)
    one, other = (
        load_file(run / "checkpoints" / "step-6" / "players.safetensors")
        for run in (vocoder_run, half)
    )
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_folder_of_audio_files_is_trained_on(tiny_corpus: Any, tmp_path: Path) -> None:
    wavs = str(tiny_corpus.root / "wav")
    short = ("training.steps=1", "training.validate_every=1", f"data.train={wavs}")
    train(settings(tiny_corpus, *short, f"data.dev={wavs}"), tmp_path / "run")
    assert (tmp_path / "run" / "checkpoints" / "step-1").is_dir()


def audio_dir(corpus: Any, folder: Path, frames: Callable[[int], int]) -> Path:
    """Write a data dir of audio and mels alone, the latter cut or padded by ``frames``."""
    folder.mkdir()
    audio = corpus.settings().audio
    mels, files, lengths = {}, [], []
    for path in sorted((corpus.root / "wav").glob("*.wav"))[:3]:
        wav, rate = soundfile.read(path, dtype="float32")
        mel, _ = Spectrogram(audio)(torch.from_numpy(wav)[None], torch.tensor([len(wav)]))
        wanted = frames(mel.shape[1])
        mels[path.stem] = np.pad(mel[0].numpy(), ((0, 9), (0, 0)), mode="edge")[:wanted]
        files.append(f"{path.stem} {path}\n")
        lengths.append(f"{path.stem} {len(wav) / rate}\n")
    (folder / "wav.scp").write_text("".join(files))
    (folder / "utt2dur").write_text("".join(lengths))
    kaldiio.save_ark(str(folder / "mel.ark"), mels, scp=str(folder / "mel.scp"))
    return folder


def test_it_is_fine_tuned_on_predicted_mels(
    tiny_corpus: Any, vocoder_run: Path, tmp_path: Path
) -> None:
    folder = audio_dir(tiny_corpus, tmp_path / "predicted", lambda frames: frames)
    words = (f"init_from={vocoder_run}", f"data.train={folder}", "training.steps=1")
    train(settings(tiny_corpus, *words, "training.validate_every=1"), tmp_path / "tuned")
    record = read_json(tmp_path / "tuned" / "run.json")["initial"]
    assert record["players"] == {"generator": "given", "discriminator": "given"}


def test_it_is_fine_tuned_from_a_pack(tiny_corpus: Any, vocoder_run: Path, tmp_path: Path) -> None:
    pack = tmp_path / "v.malsori.zip"
    write_pack(vocoder_run, pack)
    config = settings(tiny_corpus, f"init_from={pack}", "optimizer.lr=1e-30", "training.steps=1")
    train(config, tmp_path / "tuned")
    record = read_json(tmp_path / "tuned" / "run.json")["initial"]
    assert record["players"] == {"generator": "given", "discriminator": "fresh"}
    wav = np.random.default_rng(0).normal(0, 0.1, 4000).astype(np.float32)
    one, other = (open_model(place) for place in (pack, tmp_path / "tuned"))
    assert isinstance(one, MelVoice) and isinstance(other, MelVoice)
    np.testing.assert_allclose(one.copy([wav])[0], other.copy([wav])[0], atol=1e-6)
    wrong = settings(tiny_corpus, f"init_from={pack}", "model.mel=hifigan")
    with pytest.raises(ConfigError, match=r"model\.mel: hifigan, but init_from: .* has centred"):
        train(wrong, tmp_path / "other")


@pytest.mark.parametrize("extra", [-5, 2])
def test_mels_of_another_length_are_refused(tiny_corpus: Any, tmp_path: Path, extra: int) -> None:
    folder = audio_dir(tiny_corpus, tmp_path / "predicted", lambda frames: frames + extra)
    config = settings(tiny_corpus, f"data.train={folder}")
    with pytest.raises(MalsoriError, match=r"mel\.scp: u0\d: \d+ frames, but the recording has"):
        train(config, tmp_path / "run")
