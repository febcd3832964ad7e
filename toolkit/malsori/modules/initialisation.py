"""Initial weights of what stands before the waveform generator."""

from __future__ import annotations

from torch import nn


def initialise(module: nn.Module) -> None:
    """Give matrices and kernels below ``module`` Xavier's uniform law and set biases to 0.

    Embeddings and norms keep their own. HiFi-GAN's part must not go through this: weight norm's
    gains are not matrices of that kind.
    """
    for part in module.modules():
        if isinstance(part, (nn.Linear, nn.Conv1d, nn.Conv2d)):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def initialise_as_espnet(module: nn.Module) -> None:
    """Give every matrix and kernel below ``module`` Xavier's uniform law, as ESPnet does.

    That includes the gains and directions of weight norm. Biases become 0; embeddings, norms and
    the scale of positions keep their own.

    Source: ESPnet 202511, ``espnet2.torch_utils.initialize``.
    """
    own = (nn.Embedding, nn.LayerNorm, nn.GroupNorm)
    for part in module.modules():
        if isinstance(part, own):
            continue
        for name, parameter in part.named_parameters(recurse=False):
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
            elif name.startswith("bias"):
                nn.init.zeros_(parameter)
