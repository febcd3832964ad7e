"""What ONNX Runtime says is what PyTorch says, of texts of any length."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import torch
from onnx_models import LANGUAGES, MODELS_BY_NAME, SPEAKERS, TOKENS, VECTOR, make

from malsori.core.config import build, read_choice
from malsori.core.errors import MalsoriError
from malsori.infer.onnx_graphs import graphs, in_whole_numbers
from malsori.infer.onnx_parts import CONTROLS
from malsori.infer.onnx_voice import Graph
from malsori.models.latent import seeded_noise
from malsori.models.voice import Conditions, Controls
from malsori.modules import GENERATORS, STACKS
from malsori.modules.lengths import valid_positions
from malsori.modules.transformer import EXPORTED_ROWS
from malsori.modules.upsampling import SPOKEN_FRAMES
from malsori.modules.weight_norm import fold_weight_norm

pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

LIKE, LIKE_SUNG = 1e-4, 1e-3
"""Of harmonics less is asked: their phases add up what is rounded of the pitch."""


@functools.cache
def voice(name: str) -> tuple[Any, dict[str, Graph]]:
    """Return a model and its graphs."""
    model = make(name)
    return model, {graph.name: Graph(graph.to_onnx(), graph.name, 1) for graph in graphs(model)}


def ask(name: str, lengths: list[int], seed: int) -> dict[str, torch.Tensor]:
    """Return a batch of random texts, who speaks them, and how."""
    drawn = torch.Generator().manual_seed(seed)
    batch, longest = len(lengths), max(lengths)
    size = (batch, longest)
    counts = torch.tensor(lengths)
    tokens = torch.randint(1, TOKENS, size, generator=drawn) * valid_positions(counts, longest)
    changed = {
        "speed": 0.5 + torch.rand(size, generator=drawn),
        "pitch_shift": 0.5 * torch.randn(size, generator=drawn),
        "energy_scale": torch.rand(size, generator=drawn),
        "energy_shift": torch.randn(size, generator=drawn),
    }
    if name.startswith("vits"):  # it has none of these
        changed["energy_scale"], changed["energy_shift"] = torch.ones(size), torch.zeros(size)
        if "harmonics" not in name:
            changed["pitch_shift"] = torch.zeros(size)
    return {
        "tokens": tokens,
        "token_lengths": counts,
        "speaker": torch.randint(0, SPEAKERS, (batch,), generator=drawn),
        "language": torch.randint(0, LANGUAGES, (batch,), generator=drawn),
        "embedding": torch.randn(batch, VECTOR, generator=drawn),
        **changed,
    }


def by_pytorch(name: str, model: Any, given: dict[str, torch.Tensor]) -> Any:
    conditions = Conditions(
        speaker=given["speaker"],
        language=given["language"],
        embedding=given["embedding"] if "vectors" in name else None,
    )
    controls = Controls(**{control: given[control] for control in CONTROLS})
    with torch.inference_mode():
        return model.synthesize(given["tokens"], given["token_lengths"], conditions, controls)


def by_onnx(made: dict[str, Graph], given: dict[str, torch.Tensor]) -> dict[str, Any]:
    known: dict[str, Any] = {key: value.numpy() for key, value in given.items()}
    known["duration_noise"] = seeded_noise(given["token_lengths"], 2, 0).numpy()
    for name, graph in made.items():
        if name == "latent":
            frames = torch.from_numpy(known["durations"].sum(1))
            known["noise"] = seeded_noise(frames, known["mean"].shape[2], 0).numpy()
        known |= graph(known)
    return known


@pytest.mark.parametrize("name", MODELS_BY_NAME)
def test_it_says_what_pytorch_says(name: str) -> None:
    model, made = voice(name)
    like = LIKE_SUNG if "source" in made["generator"].inputs else LIKE
    for length in (1, 4, 60):  # what was traced has seven tokens
        given = ask(name, [length], length)
        said, known = by_pytorch(name, model, given), by_onnx(made, given)
        np.testing.assert_array_equal(known["durations"], said.prosody.durations)
        np.testing.assert_allclose(known["wav"], said.wav, atol=like)
    assert said.wav.abs().max() > 10 * LIKE, "silence is like silence"
    lengths = [9, 30, 14]
    given = ask(name, lengths, 9)
    said, known = by_pytorch(name, model, given), by_onnx(made, given)
    np.testing.assert_array_equal(known["durations"], said.prosody.durations)
    reach = model.context * model.hop  # behind that, samples hang on what is behind the end
    for row, samples in enumerate(said.wav_lengths.tolist()):
        kept = samples if samples == said.wav.shape[1] else max(samples - reach, 0)
        np.testing.assert_allclose(known["wav"][row, :kept], said.wav[row, :kept], atol=like)


def test_graphs_have_no_fixed_lengths() -> None:
    for graph in voice("vits")[1].values():
        for each in (*graph.session.get_inputs(), *graph.session.get_outputs()):
            assert isinstance(each.shape[0], str), f"{each.name}: {each.shape}"
            if len(each.shape) > 1 and each.name != "condition":
                assert isinstance(each.shape[1], str), f"{each.name}: {each.shape}"


def test_convolutions_are_flat_and_no_pair_is_guarded() -> None:
    acoustic, generator = (
        onnx.load_from_string(graph.to_onnx()).graph for graph in graphs(make("jets v3"))
    )
    for graph, count in ((acoustic, 6), (generator, 2)):  # the decoder's last block comes late
        outside = {node.op_type for node in graph.node}
        assert "Loop" in outside and "Softmax" not in outside, "scores of all frames at once"
        weights = {weight.name: weight.dims for weight in graph.initializer}
        flat = [n for n in graph.node if n.op_type == "Conv" and "feed_forward" in n.name]
        assert len(flat) == count and all(len(weights[node.input[1]]) == 4 for node in flat)
        assert "IsNaN" not in {node.op_type for node in graph.node}


def test_many_frames_go_through_the_loops_more_than_once() -> None:
    model, made = voice("jets v3")
    given = ask("jets v3", [200], 3)
    said, known = by_pytorch("jets v3", model, given), by_onnx(made, given)
    assert known["frames"].shape[1] > max(EXPORTED_ROWS, SPOKEN_FRAMES)
    np.testing.assert_allclose(known["wav"], said.wav, atol=LIKE)


@pytest.mark.parametrize(
    ("name", "late"),
    [("jets v3", True), ("jets conformer", False), ("jets of several, harmonics", False)],
)
def test_the_decoder_ends_late_where_windows_can(name: str, late: bool) -> None:
    model, made = voice(name)
    assert model.decodes_late == late == ("keys" in made["generator"].inputs)


def test_whole_numbers_never_hang_on_hifigans_windows() -> None:
    for name, inside in (("jets v3", False), ("jets istft", True)):
        *_, generator = graphs(make(name), matrices=True)
        nodes = onnx.load_from_string(in_whole_numbers(generator.to_onnx())).graph.node
        assert inside == any(node.op_type == "MatMulInteger" for node in nodes)


def test_every_generator_and_stack_is_tried() -> None:
    trees = [tree for tree, _ in MODELS_BY_NAME.values()]
    tried = {tree["generator"]["name"] for tree in trees if "generator" in tree}
    assert tried | {"hifigan_v2"} == set(GENERATORS.names())  # V2 is V1 with fewer channels
    tried = {tree["encoder"].get("name", "transformer") for tree in trees}
    assert tried | {"long_short", "reformer"} == set(STACKS.names())


@pytest.mark.parametrize("stack", ["long_short", "reformer"])
def test_stacks_that_cannot_be_exported_say_so(stack: str) -> None:
    model = make("jets v3")
    model.decoder = build(STACKS, read_choice(STACKS, stack, "decoder"), width=16)
    with pytest.raises(MalsoriError, match=r"cannot be exported to ONNX: .*pieces"):
        list(graphs(fold_weight_norm(model).eval()))


def test_matrix_products_say_the_same_and_whole_numbers_nearly() -> None:
    model = make("jets istft")
    given = ask("jets istft", [40], 1)
    said = by_pytorch("jets istft", model, given)
    contents = {graph.name: graph.to_onnx() for graph in graphs(model, matrices=True)}
    exact = by_onnx({n: Graph(c, n, 1) for n, c in contents.items()}, given)
    np.testing.assert_allclose(exact["wav"], said.wav, atol=LIKE)
    whole = {n: Graph(in_whole_numbers(c), n, 1) for n, c in contents.items()}
    wav = whole["generator"](exact)["wav"]
    assert 0 < np.square(wav - exact["wav"]).mean() < 0.01 * np.square(exact["wav"]).mean()
    frames = by_onnx(whole, given)["durations"].sum()
    assert abs(frames - exact["durations"].sum()) < 0.1 * frames
