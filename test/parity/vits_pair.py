"""ESPnet's parts of VITS and ours with the same weights."""

from __future__ import annotations

import re
from typing import Any

import torch
from test_conformer_parity import compare
from test_conformer_parity import theirs_of as conformer_name
from torch import Tensor, nn

from malsori.modules.conformer import Conformer, ConformerConfig
from malsori.modules.duration_flow import DurationFlow, DurationFlowConfig
from malsori.modules.flow import FlowConfig, ResidualFlow
from malsori.modules.posterior import PosteriorEncoder
from malsori.modules.text_prior import TextEmbedding, TextPrior, TokenPrior
from malsori.modules.wavenet import WaveNetConfig

WIDTH, BINS, CHANNELS, TOKENS = 8, 9, 12, 11
WEIGHT_NORM = (
    (r"parametrizations\.weight\.original0", "weight_g"),
    (r"parametrizations\.weight\.original1", "weight_v"),
)
WAVENET = (
    (r"^stack\.layers", "encoder.conv_layers"),
    (r"\.gated\.", ".conv."),
    (r"\.condition\.", ".conv1x1_glo."),
    (r"\.out\.", ".conv1x1_out."),
    *WEIGHT_NORM,
)
ENDS = ((r"^input\.", "input_conv."), (r"^output\.", "proj."))
SEPARABLE = (
    (r"\.layers\.(\d+)\.depthwise\.", r".convs.\1.0."),
    (r"\.layers\.(\d+)\.depthwise_norm\.", r".convs.\1.2."),
    (r"\.layers\.(\d+)\.pointwise\.", r".convs.\1.5."),
    (r"\.layers\.(\d+)\.pointwise_norm\.", r".convs.\1.7."),
)
DURATION = (
    *SEPARABLE,
    (r"^input\.", "pre."),
    (r"^condition\.", "global_conv."),
    (r"^network\.", "dds."),
    (r"^output\.", "proj."),
    (r"^duration_input\.", "post_pre."),
    (r"^duration_network\.", "post_dds."),
    (r"^duration_output\.", "post_proj."),
    (r"^flow\.", "flows."),
    (r"^posterior\.", "post_flows."),
    (r"flows\.shift$", "flows.0.m"),
    (r"flows\.log_scale$", "flows.0.logs"),
    (r"\.input\.", ".input_conv."),
    (r"\.network\.", ".dds_conv."),
    (r"\.output\.", ".proj."),
)


def renamed(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, by in rules:
        name = re.sub(pattern, by, name)
    return name


def posterior_name(name: str) -> str:
    return renamed(name, (*WAVENET, *ENDS))


def flow_name(name: str) -> str:
    """Return ESPnet's name: a flip stands after each coupling."""
    _, coupling, rest = name.split(".", 2)
    return f"flows.{2 * int(coupling)}.{renamed(rest, (*WAVENET, *ENDS))}"


def duration_name(name: str) -> str:
    def place(found: re.Match[str]) -> str:
        return f"flows.{2 * int(found[1]) + 1}."

    return re.sub(r"flows\.couplings\.(\d+)\.", place, renamed(name, DURATION))


def text_name(name: str) -> str:
    if name.startswith("prior.stack."):
        return f"encoder.{conformer_name(name.removeprefix('prior.stack.'))}"
    return renamed(name, ((r"^embedding\.", "emb."), (r"^prior\.output\.", "proj.")))


class Text(nn.Module):
    """Embedding and prior, which ESPnet has in one."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        self.embedding = TextEmbedding(TOKENS, WIDTH)
        self.prior = TextPrior(Conformer(config, WIDTH, masked=False), WIDTH, WIDTH)

    def forward(self, tokens: Tensor, valid: Tensor) -> TokenPrior:
        return self.prior(self.embedding(tokens), valid)


NAMES = {
    PosteriorEncoder: posterior_name,
    ResidualFlow: flow_name,
    DurationFlow: duration_name,
    Text: text_name,
}


def trained(module: nn.Module) -> nn.Module:
    """Move every weight and statistic, as training does: some begin at 0."""
    for name, tensor in module.state_dict().items():
        if name.endswith("weight_g"):
            tensor.mul_(0.7 + 0.3 * torch.rand_like(tensor))
        elif tensor.is_floating_point():
            noise = 0.1 * torch.randn_like(tensor)
            tensor.add_(noise.abs() if name.endswith("running_var") else noise)
    return module


def copy(theirs: nn.Module, ours: nn.Module) -> None:
    """Give ours ESPnet's weights; each must be used once, but for the half that nothing reads."""
    left = dict(theirs.state_dict())
    taken = {}
    for name, tensor in ours.state_dict().items():
        taken[name] = read_half(left.pop(NAMES[type(ours)](name)), tensor)
    assert not left, sorted(left)
    ours.load_state_dict(taken)


def read_half(theirs: Tensor, ours: Tensor) -> Tensor:
    """Return ESPnet's tensor in our shape; of the last layer's outputs those that are read."""
    if theirs.dim() < ours.dim():
        return theirs[..., None]
    return theirs if theirs.shape == ours.shape else theirs[len(ours) :]


def compare_gradients(ours: nn.Module, theirs: nn.Module, vanishing: tuple[str, ...] = ()) -> None:
    gradients = {name: p.grad for name, p in theirs.named_parameters()}
    for name, parameter in ours.named_parameters():
        assert parameter.grad is not None, name
        expected = gradients[NAMES[type(ours)](name)]
        if len(expected) > len(parameter):
            assert not expected[: len(parameter)].any(), name  # nothing reads this half
        least = 1e-3
        if name.endswith(vanishing):
            weight = gradients[NAMES[type(ours)](name.replace("bias", "weight"))]
            least = float(weight.abs().max())
        compare(parameter.grad, read_half(expected, parameter), 1e-4, name, least)
    ours.zero_grad()
    theirs.zero_grad()


def make_posterior(condition: int, **sizes: Any) -> tuple[PosteriorEncoder, nn.Module]:
    from espnet2.gan_tts.vits.posterior_encoder import PosteriorEncoder as Theirs

    torch.manual_seed(5)
    sizes = {"layers": 4, "kernel": 5, "dilation": 1, "cycles": 1, **sizes}
    theirs = Theirs(
        in_channels=BINS,
        out_channels=WIDTH,
        hidden_channels=CHANNELS,
        kernel_size=sizes["kernel"],
        layers=sizes["layers"],
        stacks=sizes["cycles"],
        base_dilation=sizes["dilation"],
        global_channels=condition or -1,
    )
    ours = PosteriorEncoder(WaveNetConfig(channels=CHANNELS, **sizes), BINS, WIDTH, condition)
    copy(trained(theirs), ours)
    return ours, theirs


def make_flow(condition: int, couplings: int = 4) -> tuple[ResidualFlow, nn.Module]:
    from espnet2.gan_tts.vits.residual_coupling import ResidualAffineCouplingBlock

    torch.manual_seed(6)
    theirs = ResidualAffineCouplingBlock(
        in_channels=WIDTH,
        hidden_channels=CHANNELS,
        flows=couplings,
        kernel_size=5,
        layers=3,
        global_channels=condition or -1,
    )
    network = WaveNetConfig(layers=3, channels=CHANNELS)
    ours = ResidualFlow(FlowConfig(couplings=couplings, network=network), WIDTH, condition)
    copy(trained(theirs), ours)
    return ours, theirs


def make_durations(condition: int) -> tuple[DurationFlow, nn.Module]:
    from espnet2.gan_tts.vits.duration_predictor import StochasticDurationPredictor

    torch.manual_seed(7)
    theirs = StochasticDurationPredictor(
        channels=WIDTH, dropout_rate=0.0, flows=4, global_channels=condition or -1
    )
    ours = DurationFlow(DurationFlowConfig(channels=WIDTH, dropout=0.0), WIDTH, condition)
    copy(trained(theirs), ours)
    return ours, theirs


def make_text(
    macaron: bool = True, convolution: int = 7, kernel: int = 1
) -> tuple[Text, nn.Module]:
    from espnet2.gan_tts.vits.text_encoder import TextEncoder

    torch.manual_seed(8)
    theirs = TextEncoder(
        vocabs=TOKENS,
        attention_dim=WIDTH,
        linear_units=24,
        blocks=2,
        positionwise_conv_kernel_size=kernel,
        use_macaron_style=macaron,
        use_conformer_conv=bool(convolution),
        conformer_kernel_size=convolution or 7,
        dropout_rate=0.0,
    )
    config = ConformerConfig(
        layers=2,
        hidden=24,
        kernel=kernel,
        activation="relu",
        macaron=macaron,
        convolution=convolution,
        dropout=0.0,
    )
    ours = Text(config)
    copy(trained(theirs), ours)
    return ours, theirs


def speakers(batch: int, condition: int) -> Tensor | None:
    return torch.randn(batch, condition) if condition else None


def column(who: Tensor | None) -> Tensor | None:
    """Return conditions as ESPnet takes them."""
    return None if who is None else who[..., None]
