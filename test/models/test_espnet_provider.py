"""ESPnet's classes in our trainer: what they compute there is what they compute alone."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor, nn

from malsori.core.config import build, from_dict, load, read_choice
from malsori.core.errors import ConfigError, MalsoriError
from malsori.data.batch import Batch, Utterance, collate
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.statistics import Statistics
from malsori.infer.pack import write_pack
from malsori.infer.voice import load_run, refuse_foreign_model
from malsori.models import MODELS
from malsori.models.espnet import EspnetModel
from malsori.models.espnet_config import EspnetConfig
from malsori.models.voice import (
    Conditions,
    Controls,
    Prosody,
    VoiceContext,
    embedding_size,
)
from malsori.tasks import TASKS
from malsori.tasks.complete_gan import CompleteGan
from malsori.tasks.task import TaskContext
from malsori.train.config import TrainConfig
from malsori.train.journal import read_metrics
from malsori.train.run import train

ROOT = Path(__file__).parents[2]
AUDIO = {"sample_rate": 8000, "n_fft": 512, "window": 512, "mel_bands": 20, "mel_high_hz": 4000}
STATISTICS = Statistics(
    mel_mean=(-1.0,) * 20,
    mel_std=(1.0,) * 20,
    pitch_mean=5.0,
    pitch_std=0.3,
    energy_mean=1.0,
    energy_std=1.0,
)
SHARED: dict[str, Any] = {
    "discriminator_params": {
        "scales": 1,
        "follow_official_norm": False,  # else spectral norm, whose vectors move at every pass
        "scale_discriminator_params": {
            "kernel_sizes": [15, 41, 5, 3],
            "channels": 8,
            "max_downsample_channels": 16,
            "max_groups": 4,
            "downsample_scales": [2, 2],
        },
        "periods": [2, 3],
        "period_discriminator_params": {
            "channels": 4,
            "max_downsample_channels": 8,
            "downsample_scales": [3, 1],
        },
    },
    "mel_loss_params": {"n_fft": 512, "n_mels": 20},
}
PARAMS: dict[str, dict[str, Any]] = {
    "espnet.jets": {
        "generator_params": {
            **{"adim": 16, "aheads": 2, "elayers": 1, "eunits": 16, "dlayers": 1, "dunits": 16},
            **{f"{name}_predictor_chans": 16 for name in ("duration", "pitch", "energy")},
            "pitch_embed_kernel_size": 1,
            "energy_embed_kernel_size": 1,
            "generator_channels": 16,
            "generator_upsample_scales": [8, 8, 4],
            "generator_upsample_kernel_sizes": [16, 16, 8],
            "generator_resblock_kernel_sizes": [3],
            "generator_resblock_dilations": [[1, 3]],
            "segment_size": 8,
        },
        **SHARED,
    },
    "espnet.vits": {
        "generator_params": {
            "hidden_channels": 16,
            "global_channels": 4,
            "decoder_channels": 16,
            "decoder_resblock_kernel_sizes": [3],
            "decoder_resblock_dilations": [[1, 3]],
            "text_encoder_blocks": 1,
            "posterior_encoder_layers": 2,
            "flow_layers": 1,
            "flow_flows": 2,
            "segment_size": 8,
        },
        **SHARED,
    },
    "espnet.joint_text2wav": {
        "segment_size": 8,
        "text2mel_type": "tacotron2",
        "text2mel_params": {
            **{f"{name}_chans": 8 for name in ("econv", "postnet", "aconv")},
            **{"embed_dim": 8, "adim": 8, "eunits": 8, "dunits": 8, "prenet_units": 8},
            **{"econv_layers": 1, "elayers": 1, "dlayers": 1, "postnet_layers": 2},
        },
        "vocoder_params": {
            "channels": 16,
            "resblock_kernel_sizes": [3],
            "resblock_dilations": [[1, 3]],
        },
        **SHARED,
    },
}
EVERY = pytest.mark.parametrize("name", PARAMS)
TWO_PLAYERS = ["generator", "discriminator"]


def model(name: str = "espnet.jets", speakers: int = 1, **changes: Any) -> EspnetModel:
    settings = {key: changes.pop(key) for key in ("generator_first",) if key in changes}
    chosen = {"name": name, "params": {**PARAMS[name], **changes}, **settings}
    torch.manual_seed(3)
    context = VoiceContext(audio=from_dict(AudioConfig, AUDIO), tokens=12, speakers=speakers)
    return build(MODELS, read_choice(MODELS, chosen, "model"), context=context)


def task(name: str = "espnet.jets", settings: dict[str, Any] | None = None, **changes: Any) -> Any:
    torch.manual_seed(3)
    context = TaskContext(
        model=read_choice(MODELS, {"name": name, "params": {**PARAMS[name], **changes}}, "model"),
        voice=VoiceContext(audio=from_dict(AudioConfig, AUDIO), tokens=12, speakers=2),
        statistics=STATISTICS,
    )
    chosen = read_choice(TASKS, {"name": "gan_tts", **(settings or {})}, "task")
    return build(TASKS, chosen, context=context)


def utterance(seed: int, samples: int, tokens: int) -> Utterance:
    random = np.random.default_rng(seed)
    frames = samples // 256 + 1
    return Utterance(
        id=f"utt{seed}",
        tokens=random.integers(1, 12, tokens),
        wav=random.normal(0, 0.1, samples).astype(np.float32),
        log_f0=random.normal(5, 0.3, frames).astype(np.float32),
        speaker=seed % 2,
        language=0,
    )


def batch() -> Batch:
    """Return two utterances of 5 and 9 tokens, 13 and 17 frames; one ends within a frame."""
    return collate([utterance(0, 12 * 256, 5), utterance(1, 16 * 256 + 100, 9)])


def inputs(game: CompleteGan, some: Batch) -> dict[str, Tensor]:
    """Return JETS's inputs by ESPnet's names, written out."""
    features = game.features(some.wav, some.wav_lengths, some.log_f0)
    return {
        "text": some.tokens,
        "text_lengths": some.token_lengths,
        "feats": features.mel,
        "feats_lengths": features.mel_lengths,
        "speech": torch.nn.functional.pad(some.wav, (0, 256)),
        "speech_lengths": some.wav_lengths,
        "pitch": features.pitch[..., None],
        "pitch_lengths": features.mel_lengths,
        "energy": features.energy[..., None],
        "energy_lengths": features.mel_lengths,
        "sids": some.speaker,
    }


def state(players: Any) -> dict[str, Tensor]:
    return {
        f"{player}/{name}": tensor.clone()
        for player, module in players.items()
        for name, tensor in module.state_dict().items()
    }


def test_the_turns_are_those_of_a_direct_call(espnet: None) -> None:
    """Same features, same seed: the same losses to the last bit, and the same gradients."""
    game, alone, some = task(), task(), batch()
    torch.manual_seed(7)
    turns = []
    for turn in game.turns(some):
        parameters = list(game.players[turn.player].parameters())
        turn.losses["loss"].backward(inputs=parameters)
        turns.append(turn)
    assert [turn.player for turn in turns] == TWO_PLAYERS
    torch.manual_seed(7)
    for turn, generator in zip(turns, (True, False), strict=True):
        told = alone.model.tts(**inputs(alone, some), forward_generator=generator)
        assert turn.losses.keys() == {"loss"} == game.weights[turn.player].keys()
        assert torch.equal(turn.losses["loss"], told["loss"][0])
        assert turn.shown.keys() == told["stats"].keys() and len(turn.shown) >= 3
        for name, value in turn.shown.items():
            assert torch.equal(value, told["stats"][name][0]) and value.shape == (), name
        told["loss"].backward(inputs=list(alone.players[turn.player].parameters()))
    for player, module in game.players.items():
        theirs = dict(alone.players[player].named_parameters())
        for name, parameter in module.named_parameters():
            assert torch.equal(parameter.grad, theirs[name].grad), f"{player} {name}"


def test_features_are_handed_in_normalised_and_stay_as_they_are(espnet: None) -> None:
    """ESPnet's own wrapper normalises pitch and energy in place, twice a step (B1)."""
    game, some = task(cache_generator_outputs=False), batch()
    before = inputs(game, some)
    seen: list[dict[str, Tensor]] = []
    names = ("feats", "pitch", "energy")
    game.model.tts.generator.register_forward_pre_hook(
        lambda module, given, named: seen.append({n: named[n].clone() for n in names}),
        with_kwargs=True,
    )
    list(game.turns(some))
    assert len(seen) == 2
    for given in seen:
        for name in names:
            assert torch.equal(given[name], before[name]), name
    assert before["pitch"][0, 13:].abs().max() == 0  # padding is the mean (B14)


@pytest.mark.parametrize("first", [True, False])
def test_the_generator_runs_once_a_step(espnet: None, first: bool) -> None:
    net = model(generator_first=first)
    game = task()
    game.model = net
    calls: list[int] = []
    net.tts.generator.register_forward_hook(lambda *_: calls.append(1))
    some = collate([utterance(0, 4000, 5)])
    order = [turn.player for turn in game.turns(some)]
    assert order == (TWO_PLAYERS if first else TWO_PLAYERS[::-1]) == list(game.players)
    assert len(calls) == 1 and net.tts._cache is None
    list(game.turns(some))
    assert len(calls) == 2


def test_a_step_that_is_broken_off_leaves_nothing_for_the_next(espnet: None) -> None:
    game, some = task(), batch()
    turns = game.turns(some)
    next(turns)
    assert game.model.tts._cache is not None
    turns.close()
    assert game.model.tts._cache is None


def test_validation_leaves_no_trace(espnet: None) -> None:
    game, some = task(), batch()
    before, modes = state(game.players), [part.training for part in game.modules()]
    losses = game.validate(some)
    assert set(game.validation_losses) == {"loss", "generator_g_mel_loss"} <= losses.keys()
    assert all(torch.isfinite(loss) and not loss.requires_grad for loss in losses.values())
    assert game.model.tts._cache is None
    assert [part.training for part in game.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in state(game.players).items())


@EVERY
def test_an_utterance_shorter_than_the_segment_shortens_it(espnet: None, name: str) -> None:
    """ESPnet's classes crash, or train on padding (B6)."""
    game = task(name)
    some = collate([utterance(0, 5 * 256 + 9, 3), utterance(1, 16 * 256, 9)])
    heard: list[int] = []
    game.model.tts.discriminator.register_forward_pre_hook(
        lambda module, given: heard.append(given[0].shape[-1])
    )
    for turn in game.turns(some):
        assert torch.isfinite(turn.losses["loss"]).all()
    assert set(heard) == {6 * 256}
    assert game.model._window_owner.segment_size == 8  # for the next batch as before


@EVERY
def test_every_class_steps_validates_and_speaks(espnet: None, name: str) -> None:
    game, some = task(name), batch()
    before = state(game.players)
    for turn in game.turns(some):
        parameters = list(game.players[turn.player].parameters())
        turn.losses["loss"].backward(inputs=parameters)
        others = [p for n, other in game.players.items() if n != turn.player
                  for p in other.parameters()]  # fmt: skip
        if turn.player == "generator":
            assert all(p.grad is None for p in others)
        with torch.no_grad():
            for parameter in parameters:
                if parameter.grad is not None:
                    parameter.sub_(0.01 * parameter.grad.sign())
    after = state(game.players)
    for player in TWO_PLAYERS:
        changed = [not torch.equal(after[n], before[n]) for n in after if n.startswith(player)]
        learning = 0.3 if name == "espnet.vits" else 0.7  # VITS's flows begin as identities
        assert sum(changed) > learning * len(changed), f"{sum(changed)} of {len(changed)}"
    game.eval()
    assert set(game.validation_losses) <= game.validate(some).keys()
    aligns = name == "espnet.jets"
    assert set(game.metrics) == ({"mcd", "diagonality"} if aligns else {"mcd"})
    spoken = game.model.synthesize(
        some.tokens, some.token_lengths, Conditions(speaker=some.speaker, language=some.language)
    )
    assert spoken.wav.shape == (2, int(spoken.wav_lengths.max()))
    assert spoken.prosody.durations.shape == some.tokens.shape
    assert spoken.prosody.durations[0, 5:].tolist() == [0] * 4
    if name != "espnet.joint_text2wav":  # Tacotron's attention skips the end-of-text frames
        assert (spoken.prosody.durations.sum(1) * 256).tolist() == spoken.wav_lengths.tolist()


def test_a_demonstration_shows_what_there_is(espnet: None) -> None:
    some = batch()
    for name, pictures in (("espnet.jets", {"mel", "alignment"}), ("espnet.vits", {"mel"})):
        game = task(name).eval()
        show = game.demonstrate(some)
        assert show.metrics.keys() == game.metrics.keys()
        assert {key.rpartition("/")[2] for key in show.images} == pictures
        assert {key.rpartition("/")[2] for key in show.audio} == {"recorded", "spoken"}


def test_the_alignment_is_the_one_it_trains_with(espnet: None) -> None:
    game, some = task().eval(), batch()
    given = inputs(game, some)
    features = game.features(some.wav, some.wav_lengths, some.log_f0)
    prosody, log_p = game.model.analyse(
        some.tokens, some.token_lengths, features, Conditions(speaker=some.speaker)
    )
    assert log_p.shape == (2, 17, 9) and prosody.durations.sum(1).tolist() == [13, 17]
    first = int(prosody.durations[1, 0])
    mean = given["pitch"][1, :first, 0].mean()
    torch.testing.assert_close(prosody.pitch[1, 0], mean)


def test_what_inference_cannot_do_is_said(espnet: None) -> None:
    net, some = model().eval(), batch()
    prosody = Prosody(
        durations=torch.ones(2, 9, dtype=torch.long),
        pitch=torch.zeros(2, 9),
        energy=torch.zeros(2, 9),
    )
    for asked in ({"controls": Controls(speed=2.0)}, {"prosody": prosody}):
        with pytest.raises(MalsoriError, match=r"espnet\.jets: speaks with its own durations"):
            net.synthesize(some.tokens, some.token_lengths, **asked)
    with pytest.raises(MalsoriError, match=r"has several sids|choose one"):
        model(speakers=2).synthesize(some.tokens, some.token_lengths)


def test_speakers_are_derived_unless_given(espnet: None) -> None:
    assert model().tts.spks is None and model(speakers=2).tts.spks == 2
    own = {**PARAMS["espnet.jets"]["generator_params"], "spks": 5}
    assert model(speakers=2, generator_params=own).tts.spks == 5
    with pytest.raises(ConfigError, match=r"generator_params\.spks: 5, but the data has 7"):
        model(speakers=7, generator_params=own)


def with_vectors(name: str) -> dict[str, Any]:
    """Return changes of the settings after which the class takes speaker vectors of 6."""
    part = "text2mel_params" if name == "espnet.joint_text2wav" else "generator_params"
    return {part: {**PARAMS[name][part], "spk_embed_dim": 6}}


def test_speaker_vectors_are_handed_over_as_in_a_direct_call(espnet: None) -> None:
    some = replace(batch(), embedding=torch.randn(2, 6))
    game, alone = (task(**with_vectors("espnet.jets")) for _ in range(2))
    torch.manual_seed(7)
    turns = list(game.turns(some))
    torch.manual_seed(7)
    for turn, generator in zip(turns, (True, False), strict=True):
        given = {**inputs(alone, some), "spembs": some.embedding}
        told = alone.model.tts(**given, forward_generator=generator)
        assert torch.equal(turn.losses["loss"], told["loss"][0])


@EVERY
def test_a_speaker_vector_changes_what_is_said(espnet: None, name: str) -> None:
    game, some = task(name, **with_vectors(name)).eval(), batch()
    changed = {"name": name, "params": {**PARAMS[name], **with_vectors(name)}}
    chosen = read_choice(MODELS, changed, "model")
    assert embedding_size(chosen.config) == 6 and game.model.tts.spk_embed_dim == 6

    def say(embedding: Tensor | None) -> Tensor:
        torch.manual_seed(1)
        told = Conditions(speaker=some.speaker, language=some.language, embedding=embedding)
        return game.model.synthesize(some.tokens, some.token_lengths, told).wav

    vectors = torch.eye(6)[:2]
    assert torch.equal(say(vectors[:1]), say(vectors[:1].expand(2, -1)))
    both, first = say(vectors), say(vectors[:1])
    shared = min(both.shape[1], first.shape[1])
    assert not torch.equal(both[1, :shared], first[1, :shared])
    with pytest.raises(MalsoriError, match=f"{name}: needs a speaker vector"):
        say(None)


def nested(key: str, value: Any, part: str = "generator_params") -> dict[str, Any]:
    return {part: {**PARAMS["espnet.jets"].get(part, {}), key: value}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lambda_mell": 1.0}, "lambda_mell: unknown key; did you mean 'lambda_mel'?"),
        ({"lambda_mel": "much"}, "lambda_mel: expected float, got 'much'"),
        ({"cache_generator_outputs": 1}, "cache_generator_outputs: expected bool, got 1"),
        ({"generator_type": "jets"}, "generator_type: no 'jets'; known: jets_generator"),
        ({"idim": 99}, "idim: is derived and here 12, not 99; leave it out"),
        ({"sampling_rate": 1}, "sampling_rate: is derived and here 8000, not 1; leave it out"),
        ({"plot_pred_mos": True}, "plot_pred_mos: runs code from the network; leave it out"),
        (nested("adimm", 1), "generator_params.adimm: unknown key; did you mean 'adim'?"),
        (nested("adim", "wide"), "generator_params.adim: expected int, got 'wide'"),
        (nested("elayers", True), "generator_params.elayers: expected int, got True"),
        (nested("spk_embed_dim", "x"), "generator_params.spk_embed_dim: expected int"),
        (nested("fs", 1, "mel_loss_params"), "mel_loss_params.fs: is derived and here 8000, not 1"),
        (nested("n_melz", 1, "mel_loss_params"), "mel_loss_params.n_melz: unknown key; did you"),
        (
            {"discriminator_params": {"period_discriminator_params": {"chans": 3}}},
            "discriminator_params.period_discriminator_params.chans: HiFiGANPeriodDiscriminator",
        ),
        (nested("segment_size", 0), "segment_size must be at least 1 frame, got 0"),
        (
            nested("generator_upsample_scales", [8, 8, 4, 2]),
            "ESPnet refuses them: assert len(upsample_scales) == len(upsample_kernel_sizes)",
        ),
        (
            {
                "generator_params": {
                    **PARAMS["espnet.jets"]["generator_params"],
                    "generator_upsample_scales": [8, 8, 2],
                    "generator_upsample_kernel_sizes": [16, 16, 4],
                }
            },
            "these upsampling scales make 128 samples a frame, but audio.hop is 256",
        ),
        (nested("adim", 7), "ESPnet refuses them: "),
    ],
)
def test_bad_params_are_one_line_with_the_key(
    espnet: None, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        model(**changes)
    line = str(caught.value)
    assert line.startswith("model.params") and said in line and "\n" not in line


def test_a_model_that_needs_durations_is_refused(espnet: None) -> None:
    with pytest.raises(ConfigError, match="fastspeech2 needs durations from a teacher"):
        model("espnet.joint_text2wav", text2mel_type="fastspeech2")


def test_the_settings_survive_copies_of_them(espnet: None) -> None:
    """ESPnet's classes write the sizes into the mappings they are given."""
    before = yaml.safe_dump(PARAMS["espnet.jets"])
    model()
    assert yaml.safe_dump(PARAMS["espnet.jets"]) == before


def test_settings_of_our_own_game_are_refused(espnet: None) -> None:
    with pytest.raises(ConfigError, match=r"^task\.weights: espnet\.jets brings its own"):
        task(settings={"weights": {"reconstruction": 1.0}})


def test_without_espnet_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("espnet2.gan_tts")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "espnet2", None)
    with pytest.raises(ConfigError) as caught:
        model()
    line = str(caught.value)
    assert line.startswith("model.name: espnet.jets needs ESPnet") and "\n" not in line
    for word in ("install_espnet.sh", ".espnet/bin/python -m malsori", "malsori[espnet]"):
        assert word in line


def test_the_names_are_listed_without_espnet() -> None:
    for name in PARAMS:
        entry = MODELS.entry(name)
        assert entry.extra == "espnet" and issubclass(entry.config, EspnetConfig)
        assert entry.config().segment in (32, 64)


def test_a_pack_may_not_name_them() -> None:
    refuse_foreign_model("jets", "voice.malsori.zip")
    with pytest.raises(MalsoriError) as caught:
        refuse_foreign_model("espnet.vits", "voice.malsori.zip")
    line = str(caught.value)
    assert line.startswith("voice.malsori.zip: espnet.vits is code of the extra [espnet]")
    assert "malsori import-espnet" in line and "\n" not in line


@pytest.fixture
def conf(tiny_corpus: Any, tmp_path: Path) -> Callable[..., TrainConfig]:
    """Return a function that makes the settings of a tiny run with one of ESPnet's classes."""

    def make(name: str, *overrides: str) -> TrainConfig:
        tree = yaml.safe_load(tiny_corpus.conf.read_text(encoding="utf-8"))
        del tree["task"]
        tree["model"] = {"name": name, "params": PARAMS[name]}
        tree["schedule"] = "constant"
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(tree), encoding="utf-8")
        return load(TrainConfig, path, overrides)

    return make


def checkpoint(folder: Path, step: int) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return {
        f"{name}/{key}": tensor
        for name in ("players", "average", "optimizers")
        for key, tensor in load_file(
            folder / "checkpoints" / f"step-{step}" / f"{name}.safetensors"
        ).items()
    }


@pytest.mark.slow
def test_it_trains_resumes_bit_for_bit_and_speaks(
    espnet: None, conf: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    settings = conf(
        "espnet.jets", "training.steps=4", "training.validate_every=2", "training.keep_last=9"
    )
    run, resumed = tmp_path / "run", tmp_path / "resumed"
    train(settings, run)
    first, last = checkpoint(run, 2), checkpoint(run, 4)
    for player in TWO_PLAYERS:
        names = [name for name in last if name.startswith(f"players/{player}/")]
        moved = [not torch.equal(last[name], first[name]) for name in names]
        assert len(names) > 20 and sum(moved) > 0.8 * len(names)
    entries = read_metrics(run / "metrics.jsonl")
    logged = {key for entry in entries for key in entry}
    assert {
        "generator/total",
        "generator/generator_g_mel_loss",
        "discriminator/discriminator_real_loss",
        "valid/generator_g_mel_loss",
        "dev/mcd",
        "dev/diagonality",
    } <= logged
    shutil.copytree(run, resumed)
    shutil.rmtree(resumed / "checkpoints" / "step-4")
    train(settings, resumed)
    again = checkpoint(resumed, 4)
    assert again.keys() == last.keys()
    assert not [name for name in last if not torch.equal(again[name], last[name])]
    voice = load_run(run, "last")
    assert isinstance(voice.model, EspnetModel) and not voice.model.tts.training
    weights = voice.model.tts.generator.state_dict()
    assert all(torch.equal(weights[name], last[f"average/{name}"]) for name in weights)
    with pytest.raises(MalsoriError, match="packs hold malsori's own models only"):
        write_pack(run, tmp_path / "voice.malsori.zip")
    assert not (tmp_path / "voice.malsori.zip").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["espnet.vits", "espnet.joint_text2wav"])
def test_the_other_classes_train(
    espnet: None, conf: Callable[..., TrainConfig], tmp_path: Path, name: str
) -> None:
    settings = conf(name, "training.steps=2", "training.best=valid/loss")
    train(settings, tmp_path / "run")
    entries = read_metrics(tmp_path / "run" / "metrics.jsonl")
    values = {key: value for entry in entries for key, value in entry.items()}
    assert {"valid/loss", "dev/mcd"} <= values.keys() and "dev/diagonality" not in values
    assert not any(isinstance(value, float) and np.isnan(value) for value in values.values())


def test_players_are_modules_of_the_class(espnet: None) -> None:
    net = model()
    assert net.players["generator"] is net.tts.generator
    assert isinstance(net.players["discriminator"], nn.Module)
