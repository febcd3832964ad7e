from __future__ import annotations

from typing import Any

import pytest
import torch

from malsori.core.config import build, read_choice
from malsori.core.errors import ConfigError
from malsori.train import OPTIMIZERS


def test_adamw_takes_its_first_step_by_the_book() -> None:
    settings = {"name": "adamw", "lr": 0.1, "weight_decay": 0.5, "eps": 0.0}
    parameter = torch.nn.Parameter(torch.tensor([2.0, -3.0]))
    chosen = read_choice(OPTIMIZERS, settings, "optimizer")
    optimizer = build(OPTIMIZERS, chosen, parameters=[parameter])
    parameter.grad = torch.tensor([7.0, -0.01])
    optimizer.step()
    wanted = torch.tensor([2.0, -3.0]) * (1 - 0.1 * 0.5) - 0.1 * torch.tensor([1.0, -1.0])
    torch.testing.assert_close(parameter.data, wanted)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": 0.0}, r"optimizer\.lr: must be above 0, got 0"),
        ({"betas": [0.9]}, r"optimizer\.betas: need two numbers"),
        ({"betas": [0.9, 1.0]}, r"optimizer\.betas: must be in \[0, 1\)"),
        ({"eps": -1.0}, r"optimizer\.eps: must be at least 0"),
        ({"weight_decay": -1.0}, r"optimizer\.weight_decay: must be at least 0"),
    ],
)
def test_out_of_range(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_choice(OPTIMIZERS, {"name": "adamw", **settings}, "optimizer")
