"""Mean and spread of features as ESPnet keeps them, both ways.

ESPnet's files hold ``count``, ``sum`` and ``sum_square`` of each number; its models keep mean and
spread as buffers, which win over the files when weights are loaded.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from malsori.core.errors import MalsoriError
from malsori.core.log import get_logger
from malsori.dsp.statistics import Statistics
from malsori.espnet import defaults
from malsori.espnet.section import Section

log = get_logger(__name__)

Floats = NDArray[np.float64]
KINDS = {"mel": "normalize", "pitch": "pitch_normalize", "energy": "energy_normalize"}
"""Our features to ESPnet's names of their normalisation."""
LARGEST = 16 << 20
"""Bytes that the arrays of a file may have together."""
TOLERANCE = 1e-3
"""Difference between file and weights, in spreads, that is worth a warning."""
DAMAGED = (
    *(ValueError, OSError, EOFError, KeyError, TypeError, MemoryError, ArithmeticError),
    *(zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError),
)
"""What NumPy and zipfile raise for files that are no statistics."""


def read_statistics(
    top: Section,
    find: Callable[[str], bytes | None],
    buffers: Mapping[str, Tensor],
    bands: int,
) -> Statistics:
    """Return the statistics that a config names.

    Args:
        top: The config.
        find: Content of the file that a ``stats_file`` names, None if it is not there.
        buffers: ``normalize.mean`` and the like from the weights.
        bands: Mel bands.

    Raises:
        MalsoriError: They are neither in a file nor among the weights, or damaged.
    """
    found: dict[str, Any] = {}
    for kind, name in KINDS.items():
        mean, std = _normalisation(top, kind, name, find, buffers)
        size = bands if kind == "mel" else 1
        if mean is None or std is None:
            mean, std = np.zeros(size), np.ones(size)
        if mean.shape != (size,) or std.shape != (size,):
            raise MalsoriError(f"{name}: {mean.size} numbers, but {size} are needed")
        if not (np.isfinite(mean).all() and np.isfinite(std).all() and (std > 0).all()):
            raise MalsoriError(f"{name}: its statistics are not finite, or without spread")
        lists = mean.tolist(), std.tolist()
        found[f"{kind}_mean"], found[f"{kind}_std"] = (
            map(tuple, lists) if kind == "mel" else (numbers[0] for numbers in lists)
        )
    return Statistics(**found)


def espnet_files(statistics: Statistics) -> dict[str, bytes]:
    """Return the content of ``feats_stats.npz``, ``pitch_stats.npz`` and ``energy_stats.npz``."""
    files = {}
    for kind, name in (("mel", "feats"), ("pitch", "pitch"), ("energy", "energy")):
        mean, std = _numbers(statistics, kind)
        buffer = io.BytesIO()
        np.savez(buffer, count=np.array(1), sum=mean, sum_square=mean**2 + std**2)
        files[f"{name}_stats.npz"] = buffer.getvalue()
    return files


def espnet_buffers(statistics: Statistics) -> dict[str, Floats]:
    """Return mean and spread by the names that ESPnet's weights have."""
    return {
        f"{name}.{part}": numbers
        for kind, name in KINDS.items()
        for part, numbers in zip(("mean", "std"), _numbers(statistics, kind), strict=True)
    }


def _numbers(statistics: Statistics, kind: str) -> tuple[Floats, Floats]:
    values: dict[str, Any] = {
        "mel": (statistics.mel_mean, statistics.mel_std),
        "pitch": (statistics.pitch_mean, statistics.pitch_std),
        "energy": (statistics.energy_mean, statistics.energy_std),
    }
    mean, std = (np.atleast_1d(np.asarray(value, dtype=np.float64)) for value in values[kind])
    return mean, std


def _normalisation(
    top: Section,
    kind: str,
    name: str,
    find: Callable[[str], bytes | None],
    buffers: Mapping[str, Tensor],
) -> tuple[Floats | None, Floats | None]:
    """Return mean and spread of one feature; None where ESPnet does not normalise it."""
    top.only(name, None, "global_mvn")
    given = top.raw(f"{name}_conf") or {}
    if top.raw(name) is None:
        return None, None
    conf = Section(given, defaults.NORMALISATION, f"{name}_conf")
    path = conf.raw("stats_file")
    conf.only("norm_means", True)
    conf.only("norm_vars", True)
    smallest = conf.take("eps", float)
    conf.close()
    content = find(path) if isinstance(path, str) else None
    read = _read(content, smallest, path) if content is not None else None
    kept = _kept(buffers, name)
    if read is None and kept is None:
        raise MalsoriError(f"{path} is missing, the {kind} statistics ({name}_conf)")
    if read is None:
        log.info("%s is missing; the %s statistics are taken from the weights", path, kind)
    elif kept is not None and _differ(read, kept):
        log.warning("%s differs from the %s statistics in the weights; these are taken", path, kind)
        return kept
    return read or kept or (None, None)


def _kept(buffers: Mapping[str, Tensor], name: str) -> tuple[Floats, Floats] | None:
    pair = [buffers.get(f"{name}.{part}") for part in ("mean", "std")]
    if pair[0] is None or pair[1] is None:
        return None
    mean, std = (np.atleast_1d(tensor.double().numpy()) for tensor in pair if tensor is not None)
    return mean, std


def _differ(read: tuple[Floats, Floats], kept: tuple[Floats, Floats]) -> bool:
    if read[0].shape != kept[0].shape or read[1].shape != kept[1].shape:
        return True
    return bool(
        max(np.abs((a - b) / read[1]).max() for a, b in zip(read, kept, strict=True)) > TOLERANCE
    )


def _read(content: bytes, smallest: float, name: str) -> tuple[Floats, Floats]:
    """Return mean and spread from a file of sums; no pickles are read."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(info.file_size for info in archive.infolist()) > LARGEST:
                raise ValueError("its arrays are too large")
        with np.load(io.BytesIO(content), allow_pickle=False) as sums:
            count = float(np.asarray(sums["count"]).reshape(()))
            total = np.atleast_1d(np.asarray(sums["sum"], dtype=np.float64))
            squares = np.atleast_1d(np.asarray(sums["sum_square"], dtype=np.float64))
            mean = total / count
            return mean, np.sqrt(np.maximum(squares / count - mean**2, smallest))
    except DAMAGED as error:
        told = " ".join(str(error).split())
        raise MalsoriError(f"{name}: no file of statistics: {told}") from error
