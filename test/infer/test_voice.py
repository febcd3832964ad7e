from __future__ import annotations

import json
import resource
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from malsori.core.config import build, from_dict, read_choice, read_tree
from malsori.core.errors import ConfigError, MalsoriError
from malsori.core.files import read_json, write_json
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.statistics import Statistics
from malsori.infer.voice import assemble, load_run
from malsori.models import MODELS
from malsori.models.voice import VoiceContext
from malsori.packs.run_folder import checkpoint_weights
from malsori.text.tokens import TokenList


@pytest.fixture
def own_run(tiny_run: Path, tmp_path: Path) -> Path:
    """Return a copy of the trained run that a test may change."""
    return shutil.copytree(tiny_run, tmp_path / "own")


def test_ready_to_speak(tiny_run: Path, tiny_corpus: Any) -> None:
    voice = load_run(tiny_run)
    module: Any = voice.model
    assert not module.training and not any(p.requires_grad for p in module.parameters())
    assert not any("parametrizations" in name for name in module.state_dict())
    assert voice.speakers == ("tone",) and voice.audio == tiny_corpus.settings().audio
    assert voice.device == torch.device("cpu")


def test_checkpoint_by_name(tiny_run: Path) -> None:
    folder = tiny_run / "checkpoints"
    for name in ("step-3", "step-6"):
        found = checkpoint_weights(tiny_run, name)
        saved = load_file(folder / name / "average.safetensors")
        assert found.keys() == saved.keys()
        assert all(torch.equal(found[key], saved[key]) for key in saved)
    best = (folder / "best").read_text().strip()
    for pointer, name in (("last", "step-6"), ("best", best)):
        found, wanted = (checkpoint_weights(tiny_run, each) for each in (pointer, name))
        assert all(torch.equal(found[key], wanted[key]) for key in wanted)


def test_average_is_the_mean_of_the_best(own_run: Path) -> None:
    parts = [checkpoint_weights(own_run, name) for name in ("step-3", "step-6")]
    mean = checkpoint_weights(own_run, "average")
    for key, tensor in mean.items():
        wanted = (parts[0][key].double() + parts[1][key].double()) / 2
        torch.testing.assert_close(tensor.double(), wanted, rtol=1e-6, atol=1e-7)
    assert any(not torch.equal(mean[key], parts[0][key]) for key in mean)
    (own_run / "checkpoints" / "average").write_text("step-3\n")  # the last is not one of the best
    alone = checkpoint_weights(own_run, "average")
    assert all(torch.equal(alone[key], parts[0][key]) for key in alone)


def test_run_without_a_moving_average_gives_the_generator(own_run: Path) -> None:
    path = own_run / "checkpoints" / "step-3"
    save_file({}, path / "average.safetensors")
    players = load_file(path / "players.safetensors")
    found = checkpoint_weights(own_run, "step-3")
    assert found.keys() == {k[10:] for k in players if k.startswith("generator/")}
    load_run(own_run, "step-3")


@pytest.mark.parametrize("name", ["step-4", "none", "../checkpoints/step-4"])
def test_unknown_checkpoint_lists_those_there(tiny_run: Path, name: str) -> None:
    with pytest.raises(MalsoriError, match=rf"no checkpoint '{name}'; there: step-3, step-6"):
        load_run(tiny_run, name)


def test_nothing_trained_yet(own_run: Path, tmp_path: Path) -> None:
    with pytest.raises(MalsoriError, match="not a run folder"):
        load_run(tmp_path)
    shutil.rmtree(own_run / "checkpoints")
    for name in ("best", "average", "last"):
        with pytest.raises(MalsoriError, match=f"no checkpoint '{name}'; there: none"):
            load_run(own_run, name)


def test_damaged_checkpoint_is_named(own_run: Path) -> None:
    (own_run / "checkpoints" / "step-3" / "average.safetensors").write_bytes(b"x" * 99)
    with pytest.raises(MalsoriError, match=r"step-3: damaged .*choose another --checkpoint"):
        load_run(own_run, "step-3")


def test_token_list_that_does_not_match(own_run: Path) -> None:
    path = own_run / "tokens.txt"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(
        MalsoriError, match=r"embedding\.weight .*: tokens\.txt is of another model"
    ):
        load_run(own_run)


def test_device_that_is_not_there(tiny_run: Path) -> None:
    for device in ("gpu", "cuda:99"):
        with pytest.raises(ConfigError, match=f"device: '{device}' cannot be used here"):
            load_run(tiny_run, device=device)


@pytest.mark.parametrize("averaged", ["generator", "discriminator"])
def test_the_state_says_which_player_speaks(own_run: Path, averaged: str) -> None:
    path = own_run / "checkpoints" / "step-3"
    save_file({}, path / "average.safetensors")
    write_json(path / "state.json", read_json(path / "state.json") | {"averaged": averaged})
    players = load_file(path / "players.safetensors")
    wanted = {n.partition("/")[2]: t for n, t in players.items() if n.startswith(f"{averaged}/")}
    found = checkpoint_weights(own_run, "step-3")
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("names.json", {"languages": [""]}, r"names\.json: has no 'speakers'"),
        ("names.json", {"speakers": ["a"]}, r"names\.json: has no 'languages'"),
        ("names.json", {"speakers": "a", "languages": [""]}, r"names\.json: speakers is no list"),
        ("names.json", [], r"names\.json: has no 'speakers'"),
        ("config.yaml", {"model": {"name": "jets"}}, r"config\.yaml: has no 'audio'"),
        ("config.yaml", {"audio": {}}, r"config\.yaml: has no 'model'"),
        (
            "config.yaml",
            {"audio": {}, "model": {"name": "jets", "width": 0}},
            r"own: model\.width: must be in",
        ),
    ],
)
def test_file_of_a_run_that_lacks_something(
    own_run: Path, name: str, content: Any, said: str
) -> None:
    (own_run / name).write_text(json.dumps(content))  # JSON is YAML
    with pytest.raises(MalsoriError, match=said) as caught:
        load_run(own_run)
    assert "\n" not in str(caught.value) and str(own_run) in str(caught.value)


def with_model(folder: Path, **settings: Any) -> tuple[dict[str, Any], Any]:
    """Return the description of a run's voice with other model settings, and its statistics."""
    tree, names = read_tree(folder / "config.yaml"), read_json(folder / "names.json")
    described = {
        "audio": tree["audio"],
        "model": tree["model"] | settings,
        "tokenizer": read_tree(folder / "tokenizer.yaml"),
        **names,
    }
    return described, Statistics.load(folder / "stats.json")


@pytest.mark.parametrize("style", [{"tokens": 0}, {"tokens": 3, "channels": [4, 4]}])
def test_stranger_s_voice_is_whole(tiny_run: Path, style: dict[str, Any]) -> None:
    """Shapes are compared on a model without memory; nothing of it may be in the voice."""
    described, statistics = with_model(tiny_run, style=style)
    audio = from_dict(AudioConfig, described["audio"])
    context = VoiceContext(audio=audio, tokens=len(TokenList.load(tiny_run / "tokens.txt")))
    weights = build(MODELS, read_choice(MODELS, described["model"], "model"), context=context)
    parts = (weights.state_dict(), statistics, tiny_run, "here")
    known: Any = assemble(described, *parts).model
    stranger: Any = assemble(described, *parts, trusted=False).model
    for one, other in (
        (known.named_parameters(), stranger.named_parameters()),
        (known.named_buffers(), stranger.named_buffers()),
    ):
        wanted, found = dict(one), dict(other)
        assert wanted.keys() == found.keys()
        assert all(torch.equal(wanted[name], found[name]) for name in wanted)  # raises on meta
    assert any(name.endswith("positions.table") for name, _ in stranger.named_buffers())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"width": 65536}, r"^here: .* has shape"),
        ({"encoder": {"hidden": 65536, "kernel": 65535}}, r"^here: .*"),
        ({"width": 10_000_000}, r"^here: model\.width: must be in \[1, 65536\]"),
        ({"encoder": {"layers": 10_000_000}}, r"^here: model\.encoder\.layers: must be in"),
        ({"decoder": {"heads": 0}}, r"^here: model\.decoder\.heads: must be in"),
        ({"style": {"tokens": 2, "heads": 3}}, r"^here: style\.heads: 3 does not divide"),
    ],
)
def test_stranger_s_settings_take_no_memory(
    tiny_run: Path, settings: dict[str, Any], said: str
) -> None:
    described, statistics = with_model(tiny_run, **settings)
    weights = checkpoint_weights(tiny_run, "best")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(MalsoriError, match=said) as caught:
        assemble(described, weights, statistics, tiny_run, "here", trusted=False)
    assert "\n" not in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes


def test_what_torch_refuses_is_one_line(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    described, statistics = with_model(tiny_run)

    def refuse(*_: Any, **__: Any) -> Any:
        raise RuntimeError("Trying to create tensor with negative dimension\nException raised")

    monkeypatch.setattr("malsori.infer.voice.build", refuse)
    told = r"^here: its settings make no model: Trying to create tensor with negative dimension$"
    with pytest.raises(MalsoriError, match=told):
        assemble(described, {}, statistics, tiny_run, "here", trusted=False)


def test_audio_settings_of_a_stranger_take_no_memory(tiny_run: Path) -> None:
    described, statistics = with_model(tiny_run)
    described["audio"] = described["audio"] | {"mel_bands": 10**30}
    with pytest.raises(MalsoriError, match=r"^here: audio\.mel_bands: need at most 1024"):
        assemble(described, {}, statistics, tiny_run, "here", trusted=False)
