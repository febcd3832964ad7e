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
        self._skipped: Tensor | None = None
        self.tensors = {name: t.detach().clone() for name, t in module.state_dict().items()}

    @torch.no_grad()
    def update(self, skipped: Tensor | None = None) -> None:
        """Take in the module's weights of now.

        Args:
            skipped: 1 where the weights did not move and the average shall not either, else 0, (),
                if only the device knows; ``settle`` takes such updates back.
        """
        self.updates += 1
        current = self.module.state_dict()
        floating = [name for name, tensor in current.items() if tensor.is_floating_point()]
        average, weights = ([of[name] for name in floating] for of in (self.tensors, current))
        if skipped is None:
            decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
            torch._foreach_lerp_(average, weights, 1 - decay)
        else:
            self._skipped = skipped if self._skipped is None else self._skipped + skipped
            updates = self.updates - self._skipped
            share = (9 / (10 + updates)).clamp_min(1 - self.decay) * (1 - skipped)  # 1 − decay
            way = torch._foreach_sub(weights, average)
            torch._foreach_mul_(way, share)
            torch._foreach_add_(average, way)
        for name in current.keys() - set(floating):
            self.tensors[name].copy_(current[name])

    def settle(self) -> None:
        """Take skipped updates off ``updates``; this waits for the device."""
        if self._skipped is not None:
            self.updates -= int(self._skipped)
            self._skipped = None

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
