"""Squared errors over real tokens."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.core.config import Choice, build
from malsori.losses import LOSSES
from malsori.losses.settings import NoSettings
from malsori.losses.variance import masked_squared_error
from malsori.modules.lengths import valid_positions


def output(seed: int, lengths: list[int], tokens: int) -> SimpleNamespace:
    generator = torch.Generator().manual_seed(seed)
    shape = (len(lengths), tokens)
    names = ("log_durations", "pitch", "pitch_target", "energy", "energy_target")
    parts = {name: torch.randn(shape, generator=generator) for name in names}
    durations = torch.randint(0, 20, shape, generator=generator)
    valid = valid_positions(torch.tensor(lengths), tokens)
    for part in parts.values():
        part[~valid] = 1e9  # loud padding
    return SimpleNamespace(**parts, durations=durations, valid_tokens=valid)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=3), st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_errors_are_means_over_all_real_tokens(lengths: list[int], seed: int) -> None:
    given_output = output(seed, lengths, max(lengths) + 2)
    pairs = {
        "duration": ("log_durations", None),
        "pitch": ("pitch", "pitch_target"),
        "energy": ("energy", "energy_target"),
    }
    for name, (predicted, target) in pairs.items():
        errors = []
        for row, length in enumerate(lengths):
            for n in range(length):
                if target is None:
                    goal = np.log(float(given_output.durations[row, n]) + 1)
                else:
                    goal = float(getattr(given_output, target)[row, n])
                errors.append((float(getattr(given_output, predicted)[row, n]) - goal) ** 2)
        loss = build(LOSSES, Choice(name, NoSettings()))
        assert float(loss(given_output)) == pytest.approx(np.mean(errors), rel=1e-5), name


def test_padding_gets_no_gradient() -> None:
    predicted = torch.randn(1, 4, requires_grad=True)
    valid = torch.tensor([[True, True, False, False]])
    masked_squared_error(predicted, torch.zeros(1, 4), valid).backward()
    torch.testing.assert_close(predicted.grad, predicted.detach() * valid)


def test_bf16_is_compared_in_fp32() -> None:
    predicted = torch.tensor([[1.0, 2.0]], dtype=torch.bfloat16)
    target = torch.tensor([[1.001, 2.001]])
    found = masked_squared_error(predicted, target, torch.ones(1, 2, dtype=torch.bool))
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx(1e-6, rel=1e-2)


def test_no_token_at_all_costs_nothing() -> None:
    nothing = torch.zeros(1, 2, dtype=torch.bool)
    assert float(masked_squared_error(torch.ones(1, 2), torch.zeros(1, 2), nothing)) == 0.0
