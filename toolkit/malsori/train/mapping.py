"""Weights of one voice for the network of another: rows by name, weight norm put back.

Axes: D model width.
"""

from __future__ import annotations

import re
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
TELLS = re.compile(r"^(?:(.+)\.|.+_)condition(?=\.(?:weight|bias|parametrizations)\b)")
"""A layer that tells a part of the network (the group) a sum of such vectors, (C, D)."""
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
    layers = _told(weights)
    encoded = ENCODED in weights and weights[ENCODED].shape == vector.shape
    if encoded:
        weights[ENCODED] = weights[ENCODED] + vector
    for layer in layers:
        home = f"{layer}.bias" if f"{layer}.bias" in weights else f"{_parent(layer)}.gated.bias"
        weights[home] = weights[home] + _plain(weights, layer).flatten(1) @ vector
    if encoded:
        return names_mapped(before, after, note=f"{told} went into the encoder's last bias")
    why = "went into the biases of what was told it"
    return names_mapped(
        before, after, note=f"{told} {why if layers else 'is lost: the encoder has no last bias'}"
    )


def match_condition(
    weights: dict[str, Tensor], own: Mapping[str, Tensor], origin: str
) -> str | None:
    """Add or take away the layers that tell parts of the network speaker, language and style.

    The voice begins as it was: new layers are all zeros, or have nothing but zeros to tell. Those
    that have nothing left to tell go into the biases beside them. Call it after the embeddings are
    mapped.

    Args:
        weights: Of the voice to start from; changed in place.
        own: Of the network to fill.
        origin: Named in errors.

    Returns:
        What was done, to be logged; None for nothing.

    Raises:
        MalsoriError: A layer still has something to tell, but the network has none.
    """
    before, after = _told(weights), _told(own)
    new = [layer for layer in after if layer not in before]
    gone = [layer for layer in before if layer not in after]
    told = (name for name in weights if name.startswith("conditioning."))
    silent = not any(bool(weights[name].any()) for name in told)
    for layer in new:
        fresh = _plain(own, layer)
        weights[f"{layer}.weight"] = fresh if silent else torch.zeros_like(fresh)
        if f"{layer}.bias" in own:
            weights[f"{layer}.bias"] = torch.zeros_like(own[f"{layer}.bias"])
    if gone and any(name.startswith("conditioning.") for name in own):
        raise MalsoriError(
            f"{origin}: its waveform generator is told speaker, language and style; to start from "
            "it set model.condition_generator=true"
        )
    for layer in gone:
        _fold(weights, layer, origin)
    if new:
        parts = ", ".join(sorted({layer.partition(".")[0] for layer in new}))
        return f"learns to be told: {parts}; it begins as it was"
    return "what was told went into the biases beside" if gone else None


def _told(weights: Mapping[str, Tensor]) -> list[str]:
    """Return the layers that tell something, in the order of the weights."""
    return list(dict.fromkeys(found[0] for name in weights if (found := TELLS.match(name))))


def _parent(layer: str) -> str:
    return layer.rpartition(".")[0]


def _fold(weights: dict[str, Tensor], layer: str, origin: str) -> None:
    """Take a layer that has nothing left to tell out of ``weights``, into the bias beside it.

    Raises:
        MalsoriError: There is none.
    """
    bias, home = f"{layer}.bias", f"{_parent(layer)}.input.bias"
    if bias in weights:
        if home not in weights:
            raise MalsoriError(
                f"{origin}: {layer} tells who speaks, and a voice of one has no place for it; "
                "train on more than one speaker, or start from one with duration: stochastic"
            )
        weights[home] = weights[home] + weights[bias]
    for name in [name for name in weights if name.startswith(f"{layer}.")]:
        del weights[name]


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
