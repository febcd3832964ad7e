"""Set a run up: its folder, data, task and device; then train."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from malsori.core.config import build, from_dict, read_tree, to_dict, to_yaml
from malsori.core.errors import ConfigError, MalsoriError
from malsori.core.files import sha256, write_json, write_text
from malsori.core.log import get_logger
from malsori.core.record import run_record
from malsori.data.dataset import Dataset, Names
from malsori.dsp.statistics import Statistics
from malsori.models.aligner import AlignmentNetwork
from malsori.models.vocoder import VocodingModel
from malsori.models.voice import VoiceContext
from malsori.packs.ancestry import RECORD
from malsori.tasks import TASKS
from malsori.tasks.task import Task, TaskContext
from malsori.text.tokens import TokenList
from malsori.train import distributed, initial
from malsori.train.config import TrainConfig
from malsori.train.corpus import Corpus, open_corpus
from malsori.train.trainer import Trainer

log = get_logger(__name__)


def train(config: TrainConfig, folder: Path) -> None:
    """Train, or go on training, the run in ``folder``.

    Raises:
        MalsoriError: A stage is missing, settings do not fit each other or the run in the folder.
        Terminated: A signal stopped the run after a checkpoint.
    """
    device = pick_device(config.training.device)
    distributed.start(device)
    try:
        if config.training.threads:
            torch.set_num_threads(config.training.threads)
        with _locked(folder):
            _train(config, folder, device)
    finally:
        distributed.stop()


class Parts(NamedTuple):
    """What a run is made of, besides its settings."""

    task: Task
    """With the players' first weights, on the CPU."""
    corpus: Corpus
    """What it is trained on."""
    origin: Mapping[str, Any] | None
    """What is kept of the voice that the weights came from; None if they came by chance."""


def _parts(config: TrainConfig, folder: Path) -> Parts:
    """Return what the run is made of, after comparing it with the voice that it starts from."""
    base = initial.open_base(config, folder)
    origin = initial.recorded(folder)
    corpus = open_corpus(config)
    if base is not None:
        corpus = corpus.started_from(base)
    elif origin is not None:
        corpus = corpus.resumed(folder)
    torch.manual_seed(config.seed)
    task = build_task(config, corpus.tokens, corpus.statistics, corpus.names)
    if base is not None:
        origin = initial.start_from(base, task, corpus.tokens, corpus.names)
    return Parts(task, corpus, origin)


def _train(config: TrainConfig, folder: Path, device: torch.device) -> None:
    task, corpus, origin = _parts(config, folder)
    task = task.to(device)
    _prepare_folder(config, folder, corpus, origin)
    sets = [corpus.dataset(path) for path in (config.data.train, config.data.dev)]
    _report(config, task, sets[0], sets[1], device)
    trainer = Trainer(config, task, sets[0], sets[1], folder, device)
    try:
        trainer.fit()
    except torch.OutOfMemoryError as error:
        raise MalsoriError(
            f"{device}: out of memory: halve data.batch ({config.data.batch:g} s) and double "
            f"training.accumulate ({config.training.accumulate}); the last checkpoint is whole"
        ) from error
    log.info("%s: trained; %s", folder, _next_command(task, folder))


def build_task(
    config: TrainConfig, tokens: TokenList, statistics: Statistics, names: Names
) -> Task:
    """Return the task with freshly initialised players."""
    context = TaskContext(
        model=config.model,
        voice=VoiceContext(
            audio=config.audio,
            tokens=len(tokens),
            speakers=len(names.speakers),
            languages=len(names.languages),
            pitch_mean=statistics.pitch_mean,
            pitch_std=statistics.pitch_std,
        ),
        statistics=statistics,
    )
    task: Task = build(TASKS, config.task, context=context)
    return task


def pick_device(name: str) -> torch.device:
    """Return the device of that name; ``auto`` is this process's GPU if there is one.

    Raises:
        ConfigError: There is no such device.
    """
    if name == "auto":
        name = f"cuda:{distributed.local_rank()}" if torch.cuda.is_available() else "cpu"
    elif name == "cuda":
        name = f"cuda:{distributed.local_rank()}"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"training.device: {name!r} cannot be used here: {str(error).splitlines()[0]}"
        ) from error
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep a second training out of the folder."""
    if distributed.rank() != 0:
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / ".lock", "w", encoding="utf-8")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise MalsoriError(f"{folder}: cannot be written: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise MalsoriError(f"{folder}: another training is running in this folder") from None
        yield


def _prepare_folder(
    config: TrainConfig, folder: Path, corpus: Corpus, origin: Mapping[str, Any] | None
) -> None:
    """Write what the run is made of; refuse a folder in which something else was trained.

    Args:
        config: The run's settings.
        folder: ``exp/NAME``.
        corpus: What it is trained on.
        origin: What is kept of the voice that it began from.
    """
    if initial.is_resumed(folder):
        _compare(config, folder)
        corpus.compare(folder)
    if distributed.rank() == 0:
        began = dataclasses.replace(config, init_from=origin["init_from"] if origin else None)
        write_text(folder / "config.yaml", to_yaml(began, comments=True))
        corpus.save(folder)
        hashes = {str(path): sha256(path) for path in corpus.sources}
        record = run_record(hashes=hashes, processes=distributed.world())
        if origin is not None:
            record[RECORD] = dict(origin)
        write_json(folder / "run.json", record)
    distributed.barrier()


def _compare(config: TrainConfig, folder: Path) -> None:
    before = from_dict(TrainConfig, read_tree(folder / "config.yaml"))
    for part in ("audio", "task", "model", "optimizer"):
        ours, theirs = (
            initial.flat(to_dict(getattr(config, part))),
            initial.flat(to_dict(getattr(before, part))),
        )
        for key in sorted({*ours, *theirs}):
            if ours.get(key) != theirs.get(key):
                raise ConfigError(
                    f"{part}.{key}: {ours.get(key)}, but {folder} was trained with "
                    f"{theirs.get(key)}; choose another --exp, or set it back"
                )


def _report(
    config: TrainConfig, task: Task, train: Dataset, dev: Dataset, device: torch.device
) -> None:
    for name, player in task.players.items():
        log.info("%s: %.2f M parameters", name, sum(p.numel() for p in player.parameters()) / 1e6)
    for label, data in (("train", train), ("dev", dev)):
        log.info("%s: %d utterances, %.2f hours", label, len(data), data.seconds.sum() / 3600)
    segment = config.model.config.segment * config.audio.hop / config.audio.sample_rate
    short = int(np.sum(train.seconds < segment))
    if short:
        log.info("%d utterances are shorter than a segment of %.2f s; batches with one of them "
                 "use shorter segments", short, segment)  # fmt: skip
    log.info(
        "device %s, %d threads, %s", device, torch.get_num_threads(), config.training.precision
    )


def _next_command(task: Task, folder: Path) -> str:
    """Return what one does with a trained run."""
    if isinstance(task.players[task.averaged], AlignmentNetwork):
        return f"'malsori align --model {folder}' aligns recordings"
    if isinstance(task.players[task.averaged], VocodingModel):
        return f"'malsori decode --exp {folder} --data FOLDER' makes recordings again"
    return f"'malsori decode --exp {folder}' speaks"
