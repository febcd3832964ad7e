"""Our JETS with ESPnet's weights is ESPnet's JETS: values, losses, gradients, one step.

What is compared is the preset ``compat: espnet``. Where our default differs on purpose (`jets.md`
names ESPnet's mistakes B1 to B15) the last tests say by which difference.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from espnet_pair import HOP, Pair, assert_near, gradients, make_pair, speech
from torch import Tensor, nn

from malsori.core.config import Choice, build
from malsori.data.batch import Batch
from malsori.models.voice import Conditions
from malsori.modules.features import Features
from malsori.train import OPTIMIZERS
from malsori.train.move import Move

VALUES, GRADIENTS = 1e-5, 1e-4
"""Tolerances, relative to the largest value of a tensor."""
BATCHES = {
    "one": ((19,), (7,)),
    "padded": ((19, 31, 12), (7, 5, 9)),
    "many tokens": ((14, 25), (14, 3)),
}
CONFORMER = {"name": "conformer", "hidden": 24, "dropout": 0}
STYLE = {"tokens": 4, "heads": 2, "channels": [6, 8], "gru_units": 10, "norm": "batch"}
GST = {
    "use_gst": True, "gst_tokens": 4, "gst_heads": 2, "gst_conv_layers": 2,
    "gst_conv_chans_list": [6, 8], "gst_gru_units": 10,
}  # fmt: skip
STACK = {"hidden": 24, "dropout": 0}
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "transformer": ({}, {}),
    "plain positions, linear second layers, wide embeddings": (
        {
            "encoder": {**STACK, "layers": 2, "positions": "plain", "reduce_kernel": 1},
            "decoder": {**STACK, "layers": 1, "positions": "plain", "reduce_kernel": 1},
            "pitch_embedding": {"kernel": 9},
            "energy_embedding": {"kernel": 9},
        },
        {
            "use_scaled_pos_enc": False,
            "positionwise_layer_type": "conv1d-linear",
            "pitch_embed_kernel_size": 9,
            "energy_embed_kernel_size": 9,
        },
    ),
    "linear feed-forward": (
        {
            "encoder": {**STACK, "layers": 2, "kernel": 1},
            "decoder": {**STACK, "layers": 1, "kernel": 1},
        },
        {"positionwise_layer_type": "linear", "positionwise_conv_kernel_size": 1},
    ),
    "conformer": (
        {
            "encoder": {**CONFORMER, "layers": 2, "convolution": 7},
            "decoder": {**CONFORMER, "layers": 1, "convolution": 5},
        },
        {
            "encoder_type": "conformer",
            "decoder_type": "conformer",
            "conformer_rel_pos_type": "latest",
            "conformer_enc_kernel_size": 7,
            "conformer_dec_kernel_size": 5,
        },
    ),
    "legacy conformer": (
        {
            "encoder": {**CONFORMER, "layers": 2, "convolution": 7, "positions": "legacy"},
            "decoder": {**CONFORMER, "layers": 1, "convolution": 5, "positions": "legacy"},
        },
        {
            "encoder_type": "conformer",
            "decoder_type": "conformer",
            "conformer_rel_pos_type": "legacy",
            "conformer_enc_kernel_size": 7,
            "conformer_dec_kernel_size": 5,
        },
    ),
    "speakers and languages": ({}, {}),
    "x-vectors added": (
        {"speaker_embedding": {"size": 5}},
        {"spk_embed_dim": 5, "spk_embed_integration_type": "add"},
    ),
    "x-vectors beside": (
        {"speaker_embedding": {"size": 5, "join": "concat"}},
        {"spk_embed_dim": 5, "spk_embed_integration_type": "concat"},
    ),
    "style tokens": ({"style": STYLE}, GST),
    "HiFi-GAN 3": (
        {
            "generator": {
                "name": "hifigan_v3",
                "channels": 16,
                "upsampling": [8, 2],
                "upsampling_kernels": [16, 4],
                "residual_kernels": [3, 5],
                "residual_dilations": [[1, 2], [2, 6]],
                "initial_std": 0.2,
            }
        },
        {
            "generator_upsample_scales": [8, 2],
            "generator_upsample_kernel_sizes": [16, 4],
            "generator_resblock_kernel_sizes": [3, 5],
            "generator_resblock_dilations": [[1, 2], [2, 6]],
            "generator_use_additional_convs": False,
        },
    ),
}


class Case:
    """A pair of models and a batch, with the same windows cut for the generator in both."""

    def __init__(self, pair: Pair, batch: Batch) -> None:
        self.pair, self.batch = pair, batch
        self.features: Features = pair.ours.features(batch.wav, batch.wav_lengths, batch.log_f0)
        segment = pair.ours.model.segment
        self.starts = torch.arange(len(batch.ids)) % (self.features.mel_lengths - segment).clamp(1)

    def words(self, waveform: bool = True) -> dict[str, Any]:
        """Return the batch in ESPnet's words."""
        batch, found = self.batch, self.features
        given: dict[str, Any] = {
            "text": batch.tokens,
            "text_lengths": batch.token_lengths,
            "feats": found.mel,
            "feats_lengths": found.mel_lengths,
            "pitch": found.pitch[..., None],
            "pitch_lengths": found.mel_lengths,
            "energy": found.energy[..., None],
            "energy_lengths": found.mel_lengths,
        }
        if self.pair.theirs.spks:
            given |= {"sids": batch.speaker, "lids": batch.language}
        if self.pair.theirs.spk_embed_dim:
            given["spembs"] = batch.embedding
        if waveform:
            given |= {"speech": batch.wav, "speech_lengths": batch.wav_lengths}
        return given


@pytest.fixture
def case(espnet: object, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Case]:
    """Return a function that makes a case of a kind of model and a kind of batch."""
    from espnet2.gan_tts.jets import generator as their_generator

    def make(kind: str, shape: str) -> Case:
        ours, theirs = KINDS[kind]
        several = 3 if kind == "speakers and languages" else 1
        size = ours.get("speaker_embedding", {}).get("size", 0)
        made = Case(
            make_pair(ours, copy.deepcopy(theirs), several, several),
            speech(*BATCHES[shape], speakers=several, embedding=size),
        )

        def same(x: Tensor, lengths: Tensor, size: int) -> tuple[Tensor, Tensor]:
            cut = [row[:, s : s + size] for row, s in zip(x, made.starts.tolist(), strict=True)]
            return torch.stack(cut), made.starts

        monkeypatch.setattr(their_generator, "get_random_segments", same)  # B5
        monkeypatch.setattr("malsori.models.jets.random_starts", lambda lengths, size: made.starts)
        return made

    return make


CASES = [(kind, shape) for kind in KINDS for shape in BATCHES]
every_case = pytest.mark.parametrize(("kind", "shape"), CASES)


class Recorder:
    """Keeps what modules return, and what they are given first, by name."""

    def __init__(self, **modules: nn.Module) -> None:
        self.outputs: dict[str, Tensor] = {}
        self.inputs: dict[str, Tensor] = {}
        self.hooks = [
            module.register_forward_hook(self._keep(name)) for name, module in modules.items()
        ]

    def _keep(self, name: str) -> Callable[..., None]:
        def keep(module: nn.Module, given: tuple[Any, ...], out: Any) -> None:
            self.outputs[name] = out[0] if isinstance(out, tuple) else out
            self.inputs[name] = given[0] if given else torch.empty(0)

        return keep


@every_case
def test_every_intermediate(case: Callable[[str, str], Case], kind: str, shape: str) -> None:
    made = case(kind, shape)
    ours, theirs = made.pair.ours.model.train(), made.pair.theirs.generator.train()
    seen = Recorder(encoder=ours.encoder, decoder=ours.decoder, generator=ours.generator)
    known = Recorder(
        encoder=theirs.encoder,
        upsampled=theirs.length_regulator,
        decoder=theirs.decoder,
        generator=theirs.generator,
    )
    output, _ = made.pair.ours._generate(made.batch)
    wav, binarisation, log_p, _, d, ds, p, ps, e, es = theirs(**made.words(waveform=False))
    valid = output.valid_tokens
    values = {
        "encoder": (seen.outputs["encoder"], known.outputs["encoder"]),
        "log_p": (output.log_p[valid_path(made)], log_p[valid_path(made)]),
        "pitch target": (output.pitch_target, ps.squeeze(-1)),
        "energy target": (output.energy_target, es.squeeze(-1)),
        "log durations": (output.log_durations, d),
        "pitch": (output.pitch, p.squeeze(-1)),
        "energy": (output.energy, e.squeeze(-1)),
        "upsampled": (seen.inputs["decoder"], known.outputs["upsampled"]),
        "decoder": (seen.outputs["decoder"], known.outputs["decoder"]),
        "waveform": (output.fake, wav),
        "binarisation": (-output.path_log_p.mean()[None], binarisation[None]),
    }
    assert torch.equal(output.durations, ds.long())
    assert torch.equal(output.durations.sum(1), made.features.mel_lengths) and valid.any()
    for name, (ours_value, theirs_value) in values.items():
        assert_near(ours_value, theirs_value, VALUES, name)


def valid_path(made: Case) -> Tensor:
    """Return True where frame and token exist, (B, T, N)."""
    frames = torch.arange(made.features.mel.shape[1])[None] < made.features.mel_lengths[:, None]
    count = made.batch.tokens.shape[1]
    tokens = torch.arange(count)[None] < made.batch.token_lengths[:, None]
    return frames[:, :, None] & tokens[:, None]


LOSSES = {
    "reconstruction": "generator_g_mel_loss",
    "adversarial": "generator_g_adv_loss",
    "feature_matching": "generator_g_feat_match_loss",
    "duration": "generator_var_dur_loss",
    "pitch": "generator_var_pitch_loss",
    "energy": "generator_var_energy_loss",
    "forward_sum": "generator_align_forwardsum_loss",
    "binarisation": "generator_align_bin_loss",
    "real": "discriminator_real_loss",
    "fake": "discriminator_fake_loss",
}
WEIGHTED = ("reconstruction", "adversarial", "feature_matching")
"""Losses that ESPnet reports times their weight."""
VANISHING = ("key.bias", "depthwise.bias", "linear_k.bias", "depthwise_conv.bias")
"""Softmax and batch norm take these away: what gradient there is is rounding."""


def turns(made: Case) -> Iterator[tuple[str, dict[str, Tensor], dict[str, Tensor]]]:
    """Take both turns with both toolkits; yield player, our losses, ESPnet's, after backward."""
    task, theirs = made.pair.ours.train(), made.pair.theirs.train()
    moves = {player: Move(weights) for player, weights in task.weights.items()}
    for turn in task.turns(made.batch):
        moves[turn.player].add(turn, list(task.players[turn.player].parameters()), 1.0)
        if not turn.moves:
            continue
        losses = moves[turn.player].finish(turn.player)
        theirs.zero_grad()
        answer = theirs(**made.words(), forward_generator=turn.player == "generator")
        answer["loss"].backward()
        yield (
            turn.player,
            losses,
            {**answer["stats"], "total": answer["loss"]},
        )


@every_case
def test_losses_and_gradients(case: Callable[[str, str], Case], kind: str, shape: str) -> None:
    made = case(kind, shape)
    weights = made.pair.ours.weights["generator"]
    for player, losses, stats in turns(made):
        assert_near(losses.pop("total")[None].detach(), stats["total"].detach(), VALUES, "total")
        for name, loss in losses.items():
            factor = weights[name] if name in WEIGHTED else 1.0
            theirs = torch.as_tensor(stats[LOSSES[name]])
            assert_near(factor * loss.detach().reshape(1), theirs.reshape(1), VALUES, name)
        if player == "generator":
            found = made.pair.renamed(gradients(made.pair.ours.model))
            expected = gradients(made.pair.theirs.generator)
        else:
            found = made.pair.judges_renamed(gradients(made.pair.ours.discriminator))
            expected = gradients(made.pair.theirs.discriminator)
        assert found.keys() == expected.keys()
        for name, gradient in expected.items():
            if not name.endswith(VANISHING):
                assert gradient.abs().max() > 0, f"{name} does not learn"
                scalar = name.endswith("alpha")  # a sum of thousands of terms of both signs
                tolerance = 10 * GRADIENTS if scalar else GRADIENTS
                assert_near(found[name], gradient, tolerance, f"{player}: {name}")


@pytest.mark.parametrize("kind", ["transformer", "conformer", "style tokens"])
def test_weights_after_a_step(case: Callable[[str, str], Case], kind: str) -> None:
    """AdamW's first step is the gradient's sign: where that is rounding, only its size is held."""
    made = case(kind, "padded")
    pair, lr = made.pair, 1e-3
    chosen = OPTIMIZERS.entry("adamw").config(lr=lr)
    for player, _, _ in turns(made):
        ours: nn.Module = pair.ours.players[player]
        theirs = pair.theirs.generator if player == "generator" else pair.theirs.discriminator
        rename = pair.renamed if player == "generator" else pair.judges_renamed
        steps = {name: p.grad.clone() for name, p in theirs.named_parameters()}
        build(OPTIMIZERS, Choice("adamw", chosen), parameters=list(ours.parameters())).step()
        torch.optim.AdamW(
            theirs.parameters(), lr=lr, betas=(0.8, 0.99), eps=1e-9, weight_decay=0.0
        ).step()
        found = rename(ours.state_dict())
        for name, expected in theirs.named_parameters():
            apart = (found[name] - expected).abs()
            assert apart.max() <= 2.1 * lr, name
            certain = steps[name].abs() > 1e-3 * steps[name].abs().max()
            if name.endswith(VANISHING):
                continue
            size = float(expected.abs().max())
            assert apart[certain].max() <= VALUES * max(size, 1.0), f"{player}: {name}"


@every_case
def test_speech(case: Callable[[str, str], Case], kind: str, shape: str) -> None:
    """Free synthesis: the same durations and the same samples, one utterance at a time."""
    made = case(kind, shape)
    ours, theirs = made.pair.ours.model.eval(), made.pair.theirs.generator.eval()
    with torch.no_grad():
        ours.duration_predictor.out.bias.fill_(1.2)
        theirs.duration_predictor.linear.bias.fill_(1.2)
    for i in range(len(made.batch.ids)):
        count = int(made.batch.token_lengths[i])
        frames = int(made.features.mel_lengths[i])
        row = slice(i, i + 1)
        text, mel = made.batch.tokens[row, :count], made.features.mel[row, :frames]
        lengths = made.batch.token_lengths[row]
        embedding = made.batch.embedding if ours.conditioning.embedding is not None else None
        conditions = Conditions(
            speaker=made.batch.speaker[row],
            language=made.batch.language[row],
            embedding=None if embedding is None else embedding[row],
            style_mel=mel,
            style_mel_lengths=made.features.mel_lengths[row],
        )
        words: dict[str, Any] = {"feats": mel} if theirs.use_gst else {}
        if theirs.spks:
            words |= {"sids": conditions.speaker, "lids": conditions.language}
        if theirs.spk_embed_dim:
            words["spembs"] = conditions.embedding
        with torch.no_grad():
            spoken = ours.synthesize(text, lengths, conditions)
            wav, durations = theirs.inference(text, lengths, **words)
        assert torch.equal(spoken.prosody.durations, durations)
        assert durations.sum() > 0 and wav.shape[1] == int(durations.sum()) * HOP
        assert_near(spoken.wav, wav, VALUES, f"waveform {i}")


def test_our_default_keeps_padding_out(case: Callable[[str, str], Case]) -> None:
    """ESPnet's values depend on the neighbours in a batch; ours, by default, do not."""
    made = case("transformer", "padded")
    tokens, lengths = made.batch.tokens, made.batch.token_lengths
    count = int(lengths[0])
    assert count < tokens.shape[1]
    valid = torch.arange(tokens.shape[1])[None] < lengths[:, None]
    theirs = made.pair.theirs.generator.eval().encoder
    together, _ = theirs(tokens, valid[:, None])
    alone, _ = theirs(tokens[:1, :count], valid[:1, None, :count])
    assert (together[0, :count] - alone[0]).abs().max() > 1e-3
    ours = make_pair({"padding": "masked"}, {}).ours.model.eval()
    together = ours.encoder(ours.embedding(tokens), valid)
    alone = ours.encoder(ours.embedding(tokens[:1, :count]), valid[:1, :count])
    torch.testing.assert_close(together[0, :count], alone[0], atol=1e-5, rtol=1e-5)
