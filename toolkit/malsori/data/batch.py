"""One batch of padded utterances.

Axes: B utterances, N tokens, T frames, S samples, M mel bands, E numbers of a speaker vector.
A task that is trained on recordings alone gets N = 0 and no frame of F0.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """One utterance as the dataset gives it."""

    id: str
    wav: NDArray[np.float32]
    """(S,), full scale 1."""
    tokens: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """(N,)."""
    log_f0: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    """Natural logarithm of continuous F0 in Hz, (T,) with T = S // hop + 1."""
    voiced: NDArray[np.float32] | None = None
    """1 where F0 was found, else 0, (T,); None if that was not kept."""
    speaker: int = 0
    language: int = 0
    embedding: NDArray[np.float32] | None = None
    """External speaker vector (x-vector), (E,); None for a model that takes none."""
    durations: NDArray[np.int64] | None = None
    """Frames of each token, (N,), that are given; they add up to T. None to learn them."""
    mel: NDArray[np.float32] | None = None
    """Log10 mel amplitudes that stand for those of ``wav``, (T, M); None to compute them."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Padded utterances."""

    ids: tuple[str, ...]
    tokens: Tensor
    """(B, N), 0 at padding."""
    token_lengths: Tensor
    """(B,)."""
    wav: Tensor
    """(B, S), 0 at padding."""
    wav_lengths: Tensor
    """(B,)."""
    log_f0: Tensor
    """(B, T); padded with each utterance's last value."""
    voiced: Tensor | None = None
    """(B, T), 0 at padding; None if an utterance has none."""
    speaker: Tensor
    """(B,)."""
    language: Tensor
    """(B,)."""
    embedding: Tensor | None = None
    """External speaker vectors, (B, E); None for a model that takes none."""
    durations: Tensor | None = None
    """Given frames per token, (B, N), 0 at padding; None to learn them."""
    mel: Tensor | None = None
    """Log10 mel amplitudes in place of the recordings' own, (B, T, M), 0 at padding; or None."""
    mel_lengths: Tensor | None = None
    """(B,), if ``mel`` is given."""
    shortest_wav: int | None = None
    """Samples of the shortest recording, noted when the batch leaves the host: a GPU would have to
    be waited for."""
    shortest_mel: int | None = None
    """Frames of the shortest of ``mel``, likewise."""

    def to(self, device: torch.device) -> Batch:
        """Return the batch on ``device``, copied without waiting where the memory is pinned."""
        moved: dict[str, Any] = {
            field.name: value.to(device, non_blocking=True)
            for field in dataclasses.fields(self)
            if isinstance(value := getattr(self, field.name), Tensor)
        }
        if self.wav_lengths.device.type == "cpu":
            moved["shortest_wav"] = int(self.wav_lengths.min())
            if self.mel_lengths is not None:
                moved["shortest_mel"] = int(self.mel_lengths.min())
        return dataclasses.replace(self, **moved)

    def pin_memory(self) -> Batch:
        """Return the batch in page-locked memory."""
        pinned: dict[str, Any] = {
            field.name: value.pin_memory()
            for field in dataclasses.fields(self)
            if isinstance(value := getattr(self, field.name), Tensor)
        }
        return dataclasses.replace(self, **pinned)


def collate(utterances: Sequence[Utterance]) -> Batch:
    """Return the utterances padded to the longest."""
    voiced = [u.voiced for u in utterances if u.voiced is not None]
    vectors = [u.embedding for u in utterances if u.embedding is not None]
    mels = [u.mel for u in utterances if u.mel is not None]
    given = len(mels) == len(utterances)
    durations = [u.durations for u in utterances if u.durations is not None]
    return Batch(
        ids=tuple(utterance.id for utterance in utterances),
        tokens=_pad([u.tokens for u in utterances]),
        token_lengths=torch.tensor([len(u.tokens) for u in utterances]),
        wav=_pad([u.wav for u in utterances]),
        wav_lengths=torch.tensor([len(u.wav) for u in utterances]),
        log_f0=_pad([u.log_f0 for u in utterances], edge=True),
        voiced=_pad(voiced) if len(voiced) == len(utterances) else None,
        speaker=torch.tensor([u.speaker for u in utterances]),
        language=torch.tensor([u.language for u in utterances]),
        embedding=torch.from_numpy(np.stack(vectors)) if vectors else None,
        durations=_pad(durations) if len(durations) == len(utterances) else None,
        mel=_pad(mels) if given else None,
        mel_lengths=torch.tensor([len(mel) for mel in mels]) if given else None,
    )


def _pad(arrays: Sequence[NDArray[np.generic]], edge: bool = False) -> Tensor:
    longest = max(map(len, arrays))
    padded = np.zeros((len(arrays), longest, *arrays[0].shape[1:]), dtype=arrays[0].dtype)
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
        if edge and len(array):
            row[len(array) :] = array[-1]
    return torch.from_numpy(padded)
