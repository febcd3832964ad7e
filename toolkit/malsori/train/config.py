"""The settings of a training run: everything that a conf file can say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from malsori.core.config import Choice, Seconds, choice, preset, to_dict
from malsori.core.errors import ConfigError
from malsori.core.ranges import within
from malsori.data.dataset import DataConfig
from malsori.dsp.audio_config import AudioConfig
from malsori.models import MODELS
from malsori.tasks import TASKS
from malsori.train import OPTIMIZERS, SCHEDULES

COMPATIBILITY: dict[str, dict[str, Any]] = {
    "espnet": {
        "model": {
            **{"padding": "seen", "prior": "published", "initialisation": "espnet"},
            "condition_generator": False,
        },
        "task": {"discriminator": {"period_score_kernel": 2}},
        "schedule": "published",
    }
}
"""What ``compat`` sets; known there as mistakes or constants that do not scale."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The loop."""

    steps: int = 1_000_000
    """Optimiser steps of each player."""
    accumulate: int = 1
    """Batches whose gradients are averaged before each step, for every player."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16 runs networks in bfloat16; aligner, CTC, mel and variance losses stay in fp32."""
    device: str = "auto"
    """auto (CUDA if there is one), cpu, cuda, cuda:1."""
    threads: int = 0
    """CPU threads for PyTorch; 0 leaves PyTorch's choice."""
    clip_norm: float | None = None
    """Largest norm of each player's gradient; null does not clip (the published recipe)."""
    max_nonfinite: int = 10
    """Steps with a non-finite gradient are skipped; after so many in a row the run stops, on a GPU
    at the next log entry."""
    average_decay: float = 0.999
    """Decay a step of the moving average of the generator's weights; 0 keeps none."""
    log_every: int = 50
    """Steps between log entries."""
    validate_every: int = 1000
    """Steps between validations; each is followed by a checkpoint."""
    validate_batches: int = 10
    """Batches of the dev set whose losses are averaged; 0 takes them all."""
    demonstrate: int = 4
    """Utterances of the dev set that are spoken freely at each validation and measured."""
    demonstrate_train: int = 1
    """Utterances of the training set beside them, to hear and look at; they do not count."""
    save_every: Seconds = 1800.0
    """Time between checkpoints besides those after validation."""
    best: str = "mcd"
    """Validation metric that chooses the best checkpoint: mcd, diagonality or a loss of validation
    such as valid/reconstruction."""
    keep_best: int = 3
    """Best checkpoints that are kept; `--checkpoint average` averages them."""
    keep_last: int = 1
    """Latest checkpoints that are kept."""

    def __post_init__(self) -> None:
        within(self, "[1, inf)", "steps", "accumulate", "max_nonfinite", "log_every")
        within(self, "[1, inf)", "validate_every", "keep_best", "keep_last")
        within(self, "[0, inf)", "threads", "save_every")
        within(self, "[0, inf)", "validate_batches", "demonstrate", "demonstrate_train")
        within(self, "(0, inf)", "clip_norm")
        within(self, "[0, 1)", "average_decay")


class ModelConfig(Protocol):
    """What the settings of every model have."""

    segment: int
    """Frames of the windows that it is trained on."""

    def check(self, audio: AudioConfig) -> None:
        """Refuse audio settings that the model cannot speak with."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A training run; the defaults are the published KSS recipe of JETS."""

    seed: int = 1
    """Of weights, batches, segments and dropout."""
    init_from: str | None = None
    """Voice whose weights the run starts from: a pack (``voice.malsori.zip``), or a run folder
    (``exp/NAME``, its best checkpoint). Not read again once the run has a checkpoint."""
    compat: Literal["none", "espnet"] = preset("none", COMPATIBILITY)
    """espnet: what is not set otherwise is as in ESPnet 202511, where the defaults differ on
    purpose: padding, prior, initial weights, what the waveform generator is told, a discriminator's
    last kernel, learning-rate decay."""
    audio: AudioConfig = AudioConfig()
    """Waveforms and frames."""
    data: DataConfig = DataConfig()
    """Where the data is."""
    task: Choice = choice(TASKS, "gan_tts")
    """What is trained: losses and players."""
    model: Choice = choice(MODELS, "jets")
    """The network that speaks."""
    optimizer: Choice = choice(OPTIMIZERS, "adamw")
    """One for each player, with the same settings."""
    schedule: Choice = choice(SCHEDULES, "exponential")
    """Learning rate over the run."""
    training: TrainingConfig = TrainingConfig()
    """The loop."""

    def __post_init__(self) -> None:
        within(self, "[0, 4294967295]", "seed")
        model: ModelConfig = self.model.config
        model.check(self.audio)
        given = to_dict(self.model).get("durations") == "given"
        if given and self.data.durations is None:
            raise ConfigError(
                "data.durations: model.durations is 'given'; name a folder of TextGrids ('malsori "
                "align')"
            )
        if self.data.durations is not None and not given:
            raise ConfigError(
                "data.durations: only a model with durations 'given' reads them (fastspeech2); "
                "leave it out"
            )
