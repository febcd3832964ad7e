"""Masks and windows of padded sequences. A mask is called ``valid`` and is True where data is."""

from __future__ import annotations

import torch
from torch import Tensor


def valid_positions(lengths: Tensor, size: int) -> Tensor:
    """Return True at the first ``lengths[b]`` of ``size`` positions, (B, size)."""
    return torch.arange(size, device=lengths.device)[None] < lengths[:, None]


def is_traced() -> bool:
    """Return whether a graph is being traced, to be exported: sizes then follow its input."""
    return bool(torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]


def longest(lengths: Tensor) -> int:
    """Return the largest of ``lengths``, a size that a traced graph follows."""
    if is_traced():
        return torch.arange(lengths.max()).shape[0]  # type: ignore[call-overload, no-any-return]
    return int(lengths.max())


def masked_mean(values: Tensor, valid: Tensor) -> Tensor:
    """Return the mean of ``values`` where ``valid``, (); 0 if nothing is valid."""
    return (values * valid).sum() / valid.sum().clamp_min(1)


def random_starts(lengths: Tensor, size: int) -> Tensor:
    """Return for each sequence the start of a random window that lies inside of it, (B,).

    Every start from 0 to ``length - size``, both included, is equally likely.

    Args:
        lengths: (B,), each at least ``size``.
        size: Length of the window.
    """
    choices = lengths - size + 1
    drawn = torch.rand(lengths.shape, device=lengths.device, dtype=torch.float64)
    return (drawn * choices).long().clamp(max=choices - 1)


def windows(x: Tensor, starts: Tensor, size: int) -> Tensor:
    """Return ``x[b, starts[b] : starts[b] + size]``, (B, size, …), for ``x`` of (B, T, …).

    Positions behind the end of ``x`` are zero: the last frame of a centred spectrogram reaches
    half a hop beyond the waveform.
    """
    index = starts[:, None] + torch.arange(size, device=x.device)  # (B, size)
    inside = index < x.shape[1]
    index = index.clamp(max=x.shape[1] - 1)
    trailing = x.dim() - 2
    index = index.view(*index.shape, *[1] * trailing).expand(-1, -1, *x.shape[2:])
    return x.gather(1, index) * inside.view(*inside.shape, *[1] * trailing)
