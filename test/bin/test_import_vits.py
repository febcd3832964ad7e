"""Voices of the original VITS become packs that say the same; anything else ends in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from plain_vits import DATA, SIZES, PlainVits

from malsori.infer.pack import load_pack, write_voice
from malsori.infer.synthesizer import Synthesizer
from malsori.packs.format import read_meta
from malsori.packs.vits import BUILTIN, read_vits
from malsori.text.tokens import BLANK

Run = Callable[..., Any]
SYMBOLS = ["_", ".", " ", *"abcdefgh", "a", "'"]
"""As a file may list them: one of them twice."""
SAID = "c b <space> a d . h g"


def write(
    folder: Path,
    plain: PlainVits,
    *,
    model: dict[str, Any] | None = None,
    data: dict[str, Any] | None = None,
    **top: Any,
) -> tuple[str, ...]:
    """Write a checkpoint and its settings as the original's training does; return the options."""
    state = {"model": plain.state, "iteration": 3, "optimizer": {}, "learning_rate": 2e-4}
    torch.save(state, folder / "G_3.pth")
    tree = {
        "train": {"segment_size": 8 * 32, "fp16_run": True},
        "data": {**DATA, **(data or {})},
        "model": {**plain.sizes, **(model or {})},
        **top,
    }
    (folder / "config.json").write_text(json.dumps(tree), encoding="utf-8")
    (folder / "symbols.txt").write_text("".join(f"{s}\n" for s in SYMBOLS), encoding="utf-8")
    return (
        "import-vits", "--checkpoint", str(folder / "G_3.pth"),
        "--config", str(folder / "config.json"),
        "--symbols", str(folder / "symbols.txt"), "--out", str(folder / "v.malsori.zip"),
    )  # fmt: skip


def numbers(tokens: str, blanks: bool) -> list[int]:
    """Return the original's numbers of tokens: of a symbol listed twice the last."""
    known = {symbol: i for i, symbol in enumerate(SYMBOLS)}
    ids = [known[" " if token == "<space>" else token] for token in tokens.split()]
    return [part for i in ids for part in (0, i)] + [0] if blanks else ids


def quiet(folder: Path) -> Synthesizer:
    """Return the imported voice with nothing drawn."""
    names = (folder / "G_3.pth", folder / "config.json", str(folder / "symbols.txt"))
    read = read_vits(*names)
    read.description["model"] |= {"noise": 0.0, "duration_noise": 0.0}
    write_voice(read, folder / "quiet.zip")
    return Synthesizer(load_pack(folder / "quiet.zip"))


@pytest.mark.parametrize(
    ("speakers", "blanks", "drawn"),
    [(0, True, True), (3, True, True), (3, False, True), (0, True, False), (2, True, False)],
)
def test_says_what_the_original_says(
    tmp_path: Path, speakers: int, blanks: bool, drawn: bool
) -> None:
    sizes = {**SIZES, "gin_channels": 6, "use_sdp": drawn}
    plain = PlainVits(len(SYMBOLS), sizes, speakers)
    write(tmp_path, plain, data={"n_speakers": speakers, "add_blank": blanks})
    voice = quiet(tmp_path)
    for speaker in range(max(speakers, 1)):
        expected, frames = plain.say(numbers(SAID, blanks), speaker)
        said = voice.speak_tokens(SAID.split(), speaker=str(speaker))
        assert said.durations.tolist() == frames and max(frames) > min(frames)
        assert said.tokens.count(BLANK) == (len(SAID.split()) + 1) * blanks
        assert expected.std() > 0.01
        assert np.abs(said.audio - expected.numpy()).max() < 1e-5


def test_what_only_listens_and_learns_is_the_originals_too(tmp_path: Path) -> None:
    """The posterior encoder by what it says of a spectrum, the rest weight by weight."""
    plain = PlainVits(len(SYMBOLS), {**SIZES, "gin_channels": 6}, 2)
    write(tmp_path, plain, data={"n_speakers": 2})
    net = quiet(tmp_path).voice.model
    spectrum, who = torch.rand(33, 9), plain.state["emb_g.weight"][1]
    mean, log_scale = plain._stack("enc_q", spectrum, 16, "pre", "proj", who).chunk(2)
    found = net.posterior(spectrum.T[None], torch.ones(1, 9, dtype=torch.bool), who[None])
    torch.testing.assert_close(found.mean[0].T, mean, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found.log_scale[0].T, log_scale, atol=1e-5, rtol=1e-4)
    ours, theirs = net.state_dict(), plain.state
    for here, there in (
        ("duration_input.weight", "post_pre.weight"),
        ("duration_output.bias", "post_proj.bias"),
        ("duration_network.layers.1.pointwise_norm.weight", "post_convs.norms_2.1.gamma"),
        ("posterior.shift", "post_flows.0.m"),
        ("posterior.log_scale", "post_flows.0.logs"),
        ("posterior.couplings.0.input.bias", "post_flows.1.pre.bias"),
        ("posterior.couplings.3.network.layers.2.depthwise.weight",
         "post_flows.7.convs.convs_sep.2.weight"),
        ("flow.couplings.0.output.weight", "flows.1.proj.weight"),
    ):  # fmt: skip
        assert torch.equal(ours[f"duration_flow.{here}"], theirs[f"dp.{there}"]), here


def test_the_command_makes_a_pack_that_speaks(malsori: Run, tmp_path: Path) -> None:
    plain = PlainVits(len(SYMBOLS))
    done = malsori(*write(tmp_path, plain), "--licence", "MIT")
    assert done.code == 0, done.err
    assert "its text front end is not here: speak with --tokens" in done.out
    pack, wav = tmp_path / "v.malsori.zip", tmp_path / "said.wav"
    assert soundfile.read(tmp_path / "v.wav")[0].any()
    meta = read_meta(pack)
    assert meta["model"] == "vits" and meta["licences"]["weights"] == "MIT"
    assert meta["training"]["imported_from"]["toolkit"] == "VITS"
    done = malsori("synthesize", "--model", pack, "--tokens", SAID, "--out", wav)
    assert done.code == 0 and soundfile.info(wav).samplerate == 8000
    done = malsori("synthesize", "--model", pack, "--text", "a", "--out", wav)
    assert done.code == 1 and "the original VITS's english_cleaners2" in done.line
    noisy = Synthesizer(load_pack(pack)).voice.model.config
    assert (noisy.noise, noisy.duration_noise) == (0.667, 0.8)
    assert noisy.segment == 8


def test_symbols_of_the_published_voices() -> None:
    assert len(BUILTIN) == 178
    places = {symbol: i for i, symbol in enumerate(BUILTIN)}
    facts = {"_": 0, ";": 1, " ": 16, "A": 17, "z": 68, "ɑ": 69, "ə": 83, "ˈ": 156, "ː": 158}
    assert facts.items() <= places.items() and places["'"] == 176 and places["ᵻ"] == 177
    assert BUILTIN.index("'") == 174 and len(places) == 177


def test_where_the_symbols_come_from(tmp_path: Path, malsori: Run) -> None:
    asked = write(tmp_path, PlainVits(len(SYMBOLS)), symbols=SYMBOLS)
    names = tmp_path / "G_3.pth", tmp_path / "config.json"
    expected = ["<blank>", "<unk>", ".", "<space>", *"bcdefgh", "a", "'"]
    for source in (None, str(tmp_path / "symbols.txt")):
        assert read_vits(*names, source).files["tokens.txt"].decode().split() == expected
    done = malsori(*[word if "symbols.txt" not in word else "builtin" for word in asked])
    assert "knows 13 symbols, but 178 are listed" in done.line
    plain = PlainVits(178)
    write(tmp_path, plain)
    read = read_vits(*names, "builtin")
    assert len(read.files["tokens.txt"].decode().splitlines()) == 178  # unknown, one apostrophe
    vectors = read.weights["embedding.weight"]
    kept = [i for i in range(1, 178) if i != 174]
    assert torch.equal(vectors[[0, *range(2, 178)]], plain.state["enc_p.emb.weight"][[0, *kept]])
    assert not vectors[1].any()


class Trap:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return exec, ("raise SystemExit('executed')",)


@pytest.mark.parametrize(
    ("model", "data", "told"),
    [
        ({"inter_channels": 4}, {}, "model.inter_channels: 4, but hidden_channels is 8"),
        ({"use_sdp": 2}, {}, "model.use_sdp: expected true or false, got 2"),
        ({"use_sdp": False}, {}, "'duration_flow.duration_input.bias' is not in the model"),
        ({"use_transformer_flows": True}, {}, "model.use_transformer_flows: True is not supported"),
        ({"n_heads": 3}, {}, "heads: 3 does not divide the model's width 8"),
        ({"kernel_size": 2}, {}, "kernel: must be odd, got 2"),
        ({"resblock": "3"}, {}, "resblock: '3' is not one of 1, 2"),
        ({"upsample_kernel_sizes": [15, 8]}, {}, "15 less its rate 8 is odd"),
        ({"n_layers": "many"}, {}, "layers: expected int, got 'many'"),
        ({"filter_channels": 16}, {}, "feed_forward.expand.bias has shape [12] in the weights"),
        ({"n_layers": 3}, {}, "'text.stack.blocks.2.attention.key.bias' is not in the weights"),
        ({}, {"hop_length": 16}, "makes 32 samples a frame, but audio.hop is 16"),
        ({}, {"mel_fmax": 9000}, "mel_high_hz"),
        ({}, {"add_blank": 1}, "data.add_blank: expected true or false, got 1"),
        ({}, {"n_speakers": -1}, "data.n_speakers: expected a number, got -1"),
        ({"gin_channels": 6}, {"n_speakers": 2}, "enc_q.enc.cond_layer.weight is missing"),
        ({}, {"n_speakers": 2}, "has no 'gin_channels'"),
    ],
)
def test_settings_that_do_not_fit_are_one_line(
    malsori: Run, tmp_path: Path, model: dict[str, Any], data: dict[str, Any], told: str
) -> None:
    done = malsori(*write(tmp_path, PlainVits(len(SYMBOLS)), model=model, data=data))
    assert done.code == 1 and told in done.line, done.line
    assert not (tmp_path / "v.malsori.zip").exists()


def test_files_of_something_else_are_one_line(malsori: Run, tmp_path: Path) -> None:
    plain = PlainVits(len(SYMBOLS))
    asked = write(tmp_path, plain)
    path, state = tmp_path / "G_3.pth", plain.state

    def told(content: Any) -> str:
        torch.save(content, path)
        done = malsori(*asked)
        assert done.code == 1 and str(path) in done.line, done.line
        return str(done.line)

    assert "not its discriminators" in told({"model": {"discriminators.0.bias": torch.ones(1)}})
    assert "'enc_p.extra.weight' is no part of the original VITS" in told(
        {"model": {**state, "enc_p.extra.weight": torch.ones(1)}}
    )
    assert "'flow.flows.1.pre.bias' is no part" in told(
        {"model": {**state, "flow.flows.1.pre.bias": torch.ones(1)}}
    )
    assert "holds more than weights" in told({"model": state, "more": Trap()})
    assert "enc_q.enc.in_layers.3.weight_g is missing" in told(
        {"model": {n: t for n, t in state.items() if n != "enc_q.enc.in_layers.3.weight_g"}}
    )
    assert "'duration_flow.flow.shift' is not in the weights" in told(
        {"model": {n: t for n, t in state.items() if n != "dp.flows.0.m"}}
    )
    assert "has no enc_p.emb.weight" in told({"model": {"enc_p.emb.weight": torch.ones(())}})
    path.write_bytes(b"no weights")
    assert "not a file of weights" in malsori(*asked).line
    torch.save({"model": state}, path)
    for content, words in ((b"a\n", "but 1 are listed"), (b"\xff", "symbols.txt: not a UTF-8 file"),
                           (b"a\n\n" * 6 + b"b\n", "is empty")):  # fmt: skip
        (tmp_path / "symbols.txt").write_bytes(content)
        assert words in malsori(*asked).line
    assert "has no 'symbols': name a file" in malsori(*[w for w in asked if "ymbols" not in w]).line
    (tmp_path / "config.json").write_text("{")
    assert "config.json: not a JSON file" in malsori(*asked).line
    (tmp_path / "config.json").unlink()
    assert "config.json: no such file" in malsori(*asked).line
