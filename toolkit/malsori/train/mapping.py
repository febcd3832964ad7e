"""Weights of one voice for the network of another: rows by name, weight norm put back.

Axes: D model width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from malsori.core.errors import MalsoriError

GAIN, DIRECTION = "parametrizations.weight.original0", "parametrizations.weight.original1"
ENCODED = "encoder.norm.bias"
"""Added to every encoded token, as a speaker's or language's vector is: (D,)."""
CONDITION, INPUT = "generator.condition", "generator.input.bias"
"""Layer that tells the waveform generator a sum of such vectors, (C, D), and the bias that stands
beside it, (C,)."""
NUDGES = 16
"""Steps of one unit in the last place that a gain may need; measured: 2."""


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """What became of a list of names, as it is logged and kept in ``run.json``."""

    kept: tuple[str, ...]
    new: tuple[str, ...]
    gone: tuple[str, ...]
    note: str = ""
    """How new ones start, or where gone ones went, if that is not plain."""

    def __str__(self) -> str:
        parts = [f"{len(self.kept)} kept"]
        for label, names in (("new", self.new), ("gone", self.gone)):
            listed = f": {' '.join(map(repr, names))}" if names else ""
            parts.append(f"{len(names)} {label}{listed}")
        return ", ".join(parts) + (f"; {self.note}" if self.note else "")


def map_rows(
    weights: dict[str, Tensor],
    own: Mapping[str, Tensor],
    tensor: str,
    before: Sequence[str],
    after: Sequence[str],
    origin: str,
) -> Mapped:
    """Put the rows of an embedding in ``weights`` into the order of other names.

    New names keep the row of ``own``, which is freshly initialised. A tensor that ``own`` does not
    have is left to ``drop_embedding``, one that ``weights`` does not have to ``add_embedding``.

    Args:
        weights: Of the voice to start from; changed in place.
        own: Of the network to fill.
        tensor: Name of the embedding, (names, D).
        before: Names of the rows in ``weights``.
        after: Names of the rows in ``own``.
        origin: Named in errors.

    Raises:
        MalsoriError: The rows are not as many as the names, or of another width.
    """
    fresh = own[tensor]
    rows = _rows(weights, tensor, len(before), fresh.shape[1], origin)
    places = {name: place for place, name in enumerate(before)}
    mapped = fresh.detach().clone()
    for place, name in enumerate(after):
        if name in places:
            mapped[place] = rows[places[name]].to(mapped.dtype)
    weights[tensor] = mapped
    return names_mapped(before, after)


def add_embedding(
    weights: dict[str, Tensor],
    own: Mapping[str, Tensor],
    tensor: str,
    before: Sequence[str],
    after: Sequence[str],
) -> Mapped:
    """Give ``weights`` an embedding that the voice to start from has not: all zeros.

    So every name begins as the one voice that there was.
    """
    weights[tensor] = torch.zeros_like(own[tensor])
    return names_mapped(before, after, note="each begins as the one voice that there was")


def drop_embedding(
    weights: dict[str, Tensor],
    tensor: str,
    before: Sequence[str],
    after: Sequence[str],
    origin: str,
) -> Mapped:
    """Take an embedding out of ``weights`` into the encoder's last bias, for one name only.

    It is the vector of the name that stays, or the mean of all if none does.

    Raises:
        MalsoriError: The rows are not as many as the names ``before``.
    """
    rows = _rows(weights, tensor, len(before), None, origin).float()
    del weights[tensor]
    stays = after[0] in before
    vector = rows[list(before).index(after[0])] if stays else rows.mean(0)
    told = f"the vector of {after[0]!r}" if stays else "the mean vector of all"
    if ENCODED not in weights or weights[ENCODED].shape != vector.shape:
        return names_mapped(before, after, note=f"{told} is lost: the encoder has no last bias")
    weights[ENCODED] = weights[ENCODED] + vector
    if f"{CONDITION}.bias" in weights:
        share = _plain(weights, CONDITION).flatten(1) @ vector
        weights[f"{CONDITION}.bias"] = weights[f"{CONDITION}.bias"] + share
    return names_mapped(before, after, note=f"{told} went into the encoder's last bias")


def match_condition(
    weights: dict[str, Tensor], own: Mapping[str, Tensor], origin: str
) -> str | None:
    """Add or take away the layer that tells the waveform generator speaker, language and style.

    A new one is all zeros: the voice begins as it was. One that has nothing left to tell goes into
    the generator's first bias. Call it after the embeddings are mapped.

    Args:
        weights: Of the voice to start from; changed in place.
        own: Of the network to fill.
        origin: Named in errors.

    Returns:
        What was done, to be logged; None for nothing.

    Raises:
        MalsoriError: The layer still has something to tell, but the network has none.
    """
    bias = f"{CONDITION}.bias"
    if (bias in weights) == (bias in own):
        return None
    if bias in own:
        direction = f"{CONDITION}.{DIRECTION}"
        like = own[direction] if direction in own else own[f"{CONDITION}.weight"]
        weights[f"{CONDITION}.weight"] = torch.zeros_like(like)
        weights[bias] = torch.zeros_like(own[bias])
        return "the waveform generator learns to be told; it begins as it was"
    if any(name.startswith("conditioning.") for name in own):
        raise MalsoriError(
            f"{origin}: its waveform generator is told speaker, language and style; to start from "
            "it set model.condition_generator=true"
        )
    weights[INPUT] = weights[INPUT] + weights[bias]
    for name in [name for name in weights if name.startswith(f"{CONDITION}.")]:
        del weights[name]
    return "what the waveform generator was told went into its first bias"


def _plain(weights: Mapping[str, Tensor], module: str) -> Tensor:
    """Return a layer's weight, weight norm there or folded, in fp32."""
    if f"{module}.weight" in weights:
        return weights[f"{module}.weight"].float()
    gain, direction = (weights[f"{module}.{part}"].float() for part in (GAIN, DIRECTION))
    return gain * direction / direction.flatten(1).norm(dim=1).view(gain.shape)


def _rows(
    weights: Mapping[str, Tensor], tensor: str, names: int, width: int | None, origin: str
) -> Tensor:
    """Return an embedding after comparing its shape with its names and the width, if known."""
    rows = weights[tensor]
    if rows.dim() != 2 or len(rows) != names or width not in (None, rows.shape[1]):
        wanted = f"{names} names" + (f" and a width of {width}" if width else "")
        raise MalsoriError(
            f"{origin}: {tensor} has shape {list(rows.shape)} in the weights, for {wanted}; the "
            "two are of different models"
        )
    return rows


def names_mapped(before: Sequence[str], after: Sequence[str], note: str = "") -> Mapped:
    """Return which names of ``before`` are in ``after``, which are new and which gone."""
    return Mapped(
        kept=tuple(name for name in after if name in set(before)),
        new=tuple(name for name in after if name not in set(before)),
        gone=tuple(name for name in before if name not in set(after)),
        note=note,
    )


@torch.no_grad()
def unfold_weight_norm(
    module: nn.Module, weights: Mapping[str, Tensor], origin: str
) -> dict[str, Tensor]:
    """Return ``weights`` with gain and direction where ``module`` has weight norm and they do not.

    The network then computes with the very weights that were given, to the last bit on the CPU:
    the direction is the weight itself, and the gain its norm as weight norm computes it.

    Args:
        module: With weight norm, whose names and shapes are expected.
        weights: Plain ones (folded), normalised ones, or both.
        origin: Named in errors.

    Raises:
        MalsoriError: A plain weight has another shape than the network's.
    """
    found = dict(weights)
    for name, part in module.named_modules():
        prefix = f"{name}." if name else ""
        folded = f"{prefix}weight"
        if not parametrize.is_parametrized(part, "weight") or folded not in found:
            continue
        norm: Any = part.parametrizations["weight"][0]  # type: ignore[index]
        direction: Any = part.parametrizations["weight"].original1  # type: ignore[index]
        weight = found[folded].to(direction.dtype)
        if weight.shape != direction.shape:
            raise MalsoriError(
                f"{origin}: {folded} has shape {list(weight.shape)} in the weights and "
                f"{list(direction.shape)} in the model"
            )
        del found[folded]
        found[prefix + GAIN], found[prefix + DIRECTION] = _gain_and_direction(
            norm, weight, direction.detach()
        )
    return found


def _gain_and_direction(norm: Any, weight: Tensor, fresh: Tensor) -> tuple[Tensor, Tensor]:
    """Return gain and direction from which ``norm`` makes ``weight``, first axis by first axis."""
    sides = (-1, *[1] * (weight.dim() - 1))
    nothing = (weight == 0).flatten(1).all(1).view(sides)
    direction = torch.where(nothing, fresh, weight)  # a direction of length 0 would give NaN
    gain = torch.where(nothing, 0.0, norm.right_inverse(direction)[0])
    for _ in range(NUDGES):
        made = norm(gain, direction)
        off = (made != weight).flatten(1).any(1).view(sides)
        if not off.any():
            break
        excess = (made.abs() - weight.abs()).flatten(1).sum(1).view(sides)
        target = torch.where(excess > 0, 0.0, torch.inf).to(gain)
        gain = torch.where(off, torch.nextafter(gain, target), gain)
    return gain, direction
