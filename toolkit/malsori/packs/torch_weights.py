"""Weights in PyTorch's own files, from strangers: tensors by name, and nothing else."""

from __future__ import annotations

import io
import pickle
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from malsori.core.errors import MalsoriError
from malsori.core.log import get_logger

log = get_logger(__name__)

UNREADABLE = (
    *(pickle.UnpicklingError, RuntimeError, ValueError, TypeError, LookupError, AttributeError),
    *(EOFError, OSError, AssertionError, ArithmeticError, MemoryError, ImportError),
    *(zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError),
)
"""What PyTorch raises for files that are no weights, or hold more than that."""
GAIN, DIRECTION = "weight_g", "weight_v"
"""Of PyTorch's first weight norm."""
WRAPPERS = ("model", "module", "state_dict")
"""Keys below which trainers keep the weights, beside optimisers and counters."""


def load_state(content: bytes, wrappers: Sequence[str] = WRAPPERS) -> dict[str, Tensor]:
    """Return the tensors of a model in a file of weights; optimisers and trainers are left out.

    Args:
        content: Of the file.
        wrappers: Keys below which the weights may lie, in the order in which they are opened.

    Raises:
        MalsoriError: It holds code, something else than tensors, or tensors larger than the file.
    """
    try:
        _check_records(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise MalsoriError(f"{_why_unreadable(error)}; refused") from error
    for key in wrappers:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            left_out = sorted(str(other) for other in loaded if other != key)
            if left_out:
                log.info("left out beside the weights: %s", ", ".join(left_out))
            loaded = loaded[key]
    if not isinstance(loaded, Mapping) or not loaded:
        raise MalsoriError("holds no weights")
    state = {}
    for name, tensor in loaded.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise MalsoriError(f"{name!r} is no tensor; refused")
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
            raise MalsoriError(f"{name!r} is no plain tensor; refused")
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise MalsoriError(f"{name!r} is larger than what is stored of it; refused")
        half = tensor.dtype in (torch.float16, torch.bfloat16)
        state[name] = tensor.detach().float() if half else tensor.detach()
    return state


def folded(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights in fp32 without weight norm: one ``weight`` for ``weight_g`` and ``weight_v``.

    Raises:
        MalsoriError: One of the two is missing, or they make no finite weight.
    """
    plain = {}
    for name, tensor in state.items():
        layer, _, what = name.rpartition(".")
        if what == GAIN:
            if f"{layer}.{DIRECTION}" not in state:
                raise MalsoriError(f"{layer}.{DIRECTION} is missing")
        elif what == DIRECTION:
            gain = state.get(f"{layer}.{GAIN}")
            if gain is None:
                raise MalsoriError(f"{layer}.{GAIN} is missing")
            plain[f"{layer}.weight"] = _product(gain, tensor, layer)
        else:
            plain[name] = tensor.float().contiguous()
    return plain


def _product(gain: Tensor, direction: Tensor, layer: str) -> Tensor:
    """Return the weight of norm ``gain`` in each row of ``direction``, (C, …)."""
    if gain.numel() != len(direction) or not direction.dim():
        raise MalsoriError(
            f"{layer}: weight_g {list(gain.shape)} does not fit weight_v {list(direction.shape)}"
        )
    norm = direction.float().flatten(1).norm(dim=1)
    scale = gain.float().flatten() / norm
    weight = direction.float() * scale.view(-1, *[1] * (direction.dim() - 1))
    if not torch.isfinite(weight).all():
        raise MalsoriError(f"{layer}: weights that are not finite; the file is damaged")
    return weight


def _why_unreadable(error: Exception) -> str:
    """Return what is wrong with a file of weights; PyTorch's own text tells how to run the code."""
    code = re.search(r"GLOBAL ([\w.]+)", str(error))
    if code is not None:
        return f"holds more than weights: {code[1]}"
    told = (str(error).strip().splitlines() or [""])[0]
    if not told or isinstance(error, pickle.UnpicklingError):
        told = type(error).__name__
    return f"not a file of weights ({told})"


def _check_records(content: bytes) -> None:
    """Refuse a zip of weights with packed records: PyTorch writes them plain, a bomb would not."""
    buffer = io.BytesIO(content)
    if not zipfile.is_zipfile(buffer):
        return  # the format before PyTorch 1.6
    with zipfile.ZipFile(buffer) as archive:
        infos = archive.infolist()
    if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
        raise ValueError("its records are compressed")
    if sum(info.file_size for info in infos) > len(content):
        raise ValueError("its records lie within each other")
