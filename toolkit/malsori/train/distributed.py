"""Several processes that train one model: the only file that imports torch.distributed.

Started by ``torchrun``, which sets WORLD_SIZE, RANK and LOCAL_RANK. One process alone never
initialises anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn


def world() -> int:
    """Return the number of processes."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Return this process's number, 0 for the one that writes files."""
    return int(os.environ.get("RANK", "0"))


def local_rank() -> int:
    """Return this process's number on its machine: which of its GPUs it takes."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def start(device: torch.device) -> None:
    """Meet the other processes, over NCCL on GPUs and gloo on CPUs; nothing if there are none."""
    if world() > 1:
        import torch.distributed as dist

        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")


def stop() -> None:
    """Leave the others."""
    if world() > 1:
        import torch.distributed as dist

        if dist.is_initialized():
            dist.destroy_process_group()


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over processes, in one message.

    Gradients are exchanged once a step, after accumulation: simpler than wrapping each player in
    DistributedDataParallel, and independent of which parameters a turn reaches. A parameter
    without gradient counts as zero.
    """
    if world() == 1:
        return
    import torch.distributed as dist

    parameters = [p for p in parameters if p.requires_grad]
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= world()
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def any_process(flag: bool) -> bool:
    """Return whether any process says True."""
    return any(gather(flag))


def gather(value: Any) -> list[Any]:
    """Return every process's ``value``, in the order of ranks."""
    if world() == 1:
        return [value]
    import torch.distributed as dist

    values: list[Any] = [None] * world()
    dist.all_gather_object(values, value)
    return values


def barrier() -> None:
    """Wait for the others."""
    if world() > 1:
        import torch.distributed as dist

        dist.barrier()
