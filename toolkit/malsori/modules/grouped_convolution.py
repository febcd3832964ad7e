"""A convolution in groups whose weights are learnt fast on a CPU.

Axes: B utterances, G groups, C channels of a group, O output channels of a group, K taps of the
kernel, S samples, T outputs, s stride.

oneDNN, which calculates PyTorch's convolutions there, copies every sample into K columns to find
the gradient of such weights, and takes three to five times as long as their arithmetic. Nothing
needs to be copied: with time before channels, what the kernel sees at one place is a stretch of
memory, what it sees a kernel's length on is the next one, and these are the rows of a matrix. There
are as many such matrices as there are places to begin at, and the gradient is the sum of their
products with the gradients of the outputs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

LONG = 32
"""Outputs for each place of the kernel from which on this is the faster way."""


class GroupedConv1d(nn.Conv1d):
    """``nn.Conv1d`` without dilation, padded by zeros: the same results and first derivatives.

    Second ones, which a gradient penalty would ask for, are not to be had.

    Args:
        before: Channels of the input, of all groups.
        after: Channels of the output.
        kernel: K.
        stride: s.
        padding: Zeros on either side.
        groups: G.
    """

    def __init__(
        self, before: int, after: int, kernel: int, stride: int, padding: int, groups: int
    ) -> None:
        super().__init__(before, after, kernel, stride, padding, groups=groups)
        self.settings = stride, padding, groups

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, G · O, T) for ``x`` of (B, G · C, S)."""
        weight, (stride, padding, groups) = self.weight, self.settings
        outputs = (x.shape[2] + 2 * padding - weight.shape[2]) // stride + 1
        if not (_is_slow(x, weight) and outputs >= LONG * places(weight.shape[2], stride)):
            return self._conv_forward(x, weight, self.bias)
        made = F.conv1d(x, weight.detach(), None, stride, padding, groups=groups)
        learnt: Tensor = _Learnt.apply(x.detach(), weight, self.bias, outputs, *self.settings)  # type: ignore[no-untyped-call]
        return made.add_(learnt)


def places(kernel: int, stride: int) -> int:
    """Return how many strides a kernel is long."""
    return -(-kernel // stride)


def weight_gradient(
    x: Tensor, grad: Tensor, kernel: int, stride: int, padding: int, groups: int
) -> Tensor:
    """Return the gradient of a convolution's weights, (G · O, C, K).

    Args:
        x: What is convolved, (B, G · C, S).
        grad: Gradient of the outputs, (B, G · O, T).
        kernel: K.
        stride: s.
        padding: Zeros on either side of ``x``.
        groups: G.
    """
    batch, outputs = x.shape[0], grad.shape[2]
    seen = places(kernel, stride)
    rows = -(-(outputs + seen - 1) // seen) * seen  # strides of an utterance, in whole kernels
    behind = rows * stride - x.shape[2] - padding
    x = F.pad(x, (padding, behind)).view(batch, groups, -1, rows, stride)
    x = x.permute(1, 0, 3, 2, 4).flatten(3).flatten(1)  # (G, B · rows · C · s)
    width = x.shape[1] // (batch * rows)
    x = F.pad(x, (0, seen * width))  # the last rows are read beyond their end, and count nothing
    grad = F.pad(grad, (0, rows - outputs)).view(batch, groups, -1, rows)
    grad = grad.permute(1, 0, 3, 2).flatten(1, 2)  # (G, B · rows, O)
    found = [
        _sum_of_products(one.view(-1, seen, one.shape[1]), samples, width)
        for one, samples in zip(grad, x, strict=True)
    ]
    gradient = torch.stack(found).unflatten(2, (seen, -1, stride))  # (G, O, seen, C, s)
    return gradient.transpose(2, 3).flatten(3).flatten(0, 1)[..., :kernel]


def _sum_of_products(grad: Tensor, samples: Tensor, width: int) -> Tensor:
    """Return the gradient of a group's weights as a matrix, (O, seen · C · s).

    Args:
        grad: Of the outputs, (B · rows / seen, seen, O).
        samples: (B · rows · C · s + seen · C · s,), one stride after the other.
        width: C · s.
    """
    whole, seen, _ = grad.shape
    size, first = (seen, whole, seen * width), samples.storage_offset()
    matrices = samples.as_strided(size, (width, seen * width, 1), first)
    return torch.bmm(grad.permute(1, 2, 0), matrices).sum(0)


class _Learnt(torch.autograd.Function):
    """The bias at every place, and the way back to what is learnt.

    It is beside the convolution and not around it: a pass that goes back to the input alone, as the
    generator's does through a discriminator, leaves it out.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        outputs: int,
        stride: int,
        padding: int,
        groups: int,
    ) -> Tensor:
        """Return the bias, (B, G · O, T)."""
        ctx.save_for_backward(x)
        ctx.settings = weight.shape[2], stride, padding, groups
        added = weight.new_zeros(weight.shape[0]) if bias is None else bias.clone()
        return added[None, :, None].expand(x.shape[0], -1, outputs)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Return the gradients of weights and bias for that of the outputs, (B, G · O, T)."""
        (x,) = ctx.saved_tensors
        bias = grad.sum((0, 2)) if ctx.needs_input_grad[2] else None
        return None, weight_gradient(x, grad, *ctx.settings), bias, None, None, None, None


def _is_slow(x: Tensor, weight: Tensor) -> bool:
    """Return whether oneDNN would find a gradient of the weights, in single precision."""
    is_learnt = torch.is_grad_enabled() and weight.requires_grad
    is_single = x.dtype == weight.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return x.device.type == "cpu" and is_learnt and is_single
