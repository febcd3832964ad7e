"""Moving average of a network's weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn


class MovingAverage:
    """An exponential moving average of a module's parameters and buffers.

    Early on the decay is smaller, (1 + n) / (10 + n) after n updates, so that a short run's average
    is not made of its random start.

    Args:
        module: The network that is trained.
        decay: Share of the average that stays at each update.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module = module
        self.decay = decay
        self.updates = 0
        self.tensors = {name: t.detach().clone() for name, t in module.state_dict().items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the module's weights of now."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        current = self.module.state_dict()
        floating = [name for name, tensor in current.items() if tensor.is_floating_point()]
        torch._foreach_lerp_(
            [self.tensors[name] for name in floating],
            [current[name] for name in floating],
            1 - decay,
        )
        for name in current.keys() - set(floating):
            self.tensors[name].copy_(current[name])

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Let the module have the averaged weights inside the block."""
        own = {name: t.detach().clone() for name, t in self.module.state_dict().items()}
        self.module.load_state_dict(self.tensors)
        try:
            yield
        finally:
            self.module.load_state_dict(own)

    def state(self) -> dict[str, Tensor]:
        """Return copies of the averaged tensors on the CPU."""
        return {name: t.to("cpu", copy=True).contiguous() for name, t in self.tensors.items()}

    def load(self, tensors: Mapping[str, Tensor], updates: int) -> None:
        """Go on from saved tensors and a saved number of updates."""
        self.updates = updates
        for name, tensor in tensors.items():
            self.tensors[name].copy_(tensor)
