"""Fine-tuning: the first weights are a voice's own, and what does not fit is refused."""

from __future__ import annotations

import json
import logging
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load, load_file, save

from malsori.core.config import load as load_config
from malsori.core.errors import MalsoriError
from malsori.core.files import read_json, sha256, write_json
from malsori.data.dataset import Names
from malsori.dsp.statistics import Statistics
from malsori.infer.pack import Licences, load_pack, write_pack
from malsori.infer.voice import load_run
from malsori.models.voice import Conditions
from malsori.packs.format import read_meta
from malsori.packs.run_folder import checkpoint_weights
from malsori.text.tokens import TokenList
from malsori.train.config import TrainConfig
from malsori.train.initial import open_base, start_from
from malsori.train.run import build_task, train

Change = Callable[[dict[str, bytes]], Any]
NEW = ("new1", "new2", "new3")


@pytest.fixture(autouse=True)
def _no_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    dot = np.zeros((1, 1, 3), np.uint8)
    monkeypatch.setattr("malsori.train.journal.curves_picture", lambda *_: dot)


@pytest.fixture(scope="module")
def training_pack(lively_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a pack with the discriminator in it."""
    path = tmp_path_factory.mktemp("base") / "base.malsori.zip"
    write_pack(lively_run, path, licences=Licences(weights="CC-BY-4.0"), with_training=True)
    return path


def begin(
    corpus: Any,
    base: Path,
    symbols: tuple[str, ...] = (),
    speakers: tuple[str, ...] = ("tone",),
    *overrides: str,
) -> tuple[Any, dict[str, Any], TokenList]:
    """Return a fresh task with the weights of ``base``, its record and its token list."""
    config = corpus.settings(f"init_from={base}", *overrides)
    found = open_base(config, Path("nowhere"))
    assert found is not None
    tokens = TokenList(symbols or TokenList.load(corpus.tokens / "tokens.txt").symbols)
    names = Names(speakers=speakers, languages=("",))
    torch.manual_seed(7)
    task = build_task(config, tokens, found.files.statistics, names)
    return task, start_from(found, task, tokens, names), tokens


def says(model: Any, tokens: TokenList, symbols: list[str], speaker: int | None = None) -> Any:
    """Return samples for symbols, from a model in training or from a voice."""
    ids = torch.tensor([tokens.encode(symbols)])
    who = None if speaker is None else torch.tensor([speaker])
    model.eval()
    with torch.no_grad():
        return model.synthesize(ids, torch.tensor([ids.shape[1]]), Conditions(speaker=who)).wav


def with_speakers(names: list[str], told: bool = True) -> Change:
    """Give a pack a voice for each name; ``told``: the waveform generator knows it too."""

    def change(members: dict[str, bytes]) -> None:
        tree = yaml.safe_load(members["config.yaml"])
        tree["model"]["condition_generator"] = told
        members["config.yaml"] = yaml.safe_dump(tree | {"speakers": names}).encode()
        weights = load(members["model.safetensors"])
        torch.manual_seed(5)
        weights["conditioning.speaker.weight"] = torch.randn(len(names), 16)
        if told:
            weights["generator.condition.weight"] = 0.1 * torch.randn(16, 16, 1)
            weights["generator.condition.bias"] = 0.1 * torch.randn(16)
        members["model.safetensors"] = save(weights)

    return change


def in_weights(change: Callable[[dict[str, torch.Tensor]], Any]) -> Change:
    def apply(members: dict[str, bytes]) -> None:
        weights = load(members["model.safetensors"])
        change(weights)
        members["model.safetensors"] = save(weights)

    return apply


@pytest.mark.parametrize("order", ["same", "reversed", "three more", "fewer"])
def test_first_step_speaks_as_the_pack_does(
    tiny_corpus: Any, training_pack: Path, order: str
) -> None:
    voice = load_pack(training_pack)
    base = voice.tokens.symbols
    spoken = list(base[5:25])
    symbols = {
        "same": base,
        "reversed": (*base[:2], *reversed(base[2:])),
        "three more": (*base[:2], NEW[0], *base[2:40], *NEW[1:], *base[40:]),
        "fewer": base[:30],
    }[order]
    task, record, tokens = begin(tiny_corpus, training_pack, symbols)
    wanted = says(voice.model, voice.tokens, spoken)
    assert wanted.abs().max() > 0.01
    assert torch.equal(says(task.model, tokens, spoken), wanted)
    assert record["tokens"]["new"] == (NEW if order == "three more" else ())
    assert record["tokens"]["gone"] == (base[30:] if order == "fewer" else ())


def test_new_tokens_keep_their_fresh_rows(tiny_corpus: Any, training_pack: Path) -> None:
    base = TokenList.load(tiny_corpus.tokens / "tokens.txt").symbols
    symbols = (*base, *NEW)
    task, _, tokens = begin(tiny_corpus, training_pack, symbols)
    config = tiny_corpus.settings()
    torch.manual_seed(7)  # as begin does
    statistics = Statistics.load(tiny_corpus.stats / "stats.json")
    fresh = build_task(config, tokens, statistics, Names(speakers=("tone",), languages=("",)))
    rows, own = (t.players["generator"].embedding.weight for t in (task, fresh))  # type: ignore[attr-defined]
    assert torch.equal(rows[-3:], own[-3:]) and not torch.equal(rows[2:-3], own[2:-3])


def test_discriminator_comes_with_the_pack_or_by_chance(
    tiny_corpus: Any, training_pack: Path, tiny_pack: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = open_base(tiny_corpus.settings(f"init_from={training_pack}"), Path("nowhere"))
    assert found is not None
    task, record, _ = begin(tiny_corpus, training_pack)
    assert record["players"] == {"generator": "given", "discriminator": "given"}
    for name, tensor in task.players["discriminator"].state_dict().items():
        assert torch.equal(tensor, found.files.training[f"discriminator/{name}"])
    with caplog.at_level(logging.WARNING, "malsori"):
        other, record, _ = begin(tiny_corpus, tiny_pack)
    assert record["players"] == {"generator": "given", "discriminator": "fresh"}
    assert "has no discriminator; it starts by chance" in caplog.text
    theirs = other.players["discriminator"].state_dict()
    assert any(
        not torch.equal(tensor, theirs[name])
        for name, tensor in task.players["discriminator"].state_dict().items()
    )


def test_speakers_by_name(tiny_corpus: Any, repack: Any) -> None:
    base = repack(with_speakers(["ann", "bob", "eve"]))
    voice = load_pack(base)
    task, record, tokens = begin(tiny_corpus, base, (), ("eve", "new", "ann"))
    spoken = list(tokens.symbols[5:20])
    for name, place in (("eve", 0), ("ann", 2)):
        wanted = says(voice.model, tokens, spoken, voice.index("speaker", name))
        assert torch.equal(says(task.model, tokens, spoken, place), wanted)
    assert (record["speakers"]["new"], record["speakers"]["gone"]) == (("new",), ("bob",))
    assert task.model.conditioning.speaker.weight[1].abs().max() > 0


def test_one_speaker_to_several(tiny_corpus: Any, tiny_pack: Path) -> None:
    voice = load_pack(tiny_pack)
    task, record, tokens = begin(tiny_corpus, tiny_pack, (), ("tone", "other"))
    spoken = list(tokens.symbols[5:20])
    wanted = says(voice.model, tokens, spoken)
    for place in (0, 1):
        assert torch.equal(says(task.model, tokens, spoken, place), wanted)
    assert "each begins as the one voice" in record["speakers"]["note"]


def test_the_generator_is_told_from_now_on(tiny_corpus: Any, repack: Any) -> None:
    """A voice whose waveform generator did not know the speaker, such as an imported one."""
    base = repack(with_speakers(["ann", "bob"], told=False))
    voice = load_pack(base)
    task, _, tokens = begin(tiny_corpus, base, (), ("bob", "new"))
    spoken = list(tokens.symbols[5:20])
    wanted = says(voice.model, tokens, spoken, 1)
    assert torch.equal(says(task.model, tokens, spoken, 0), wanted)
    layer = task.model.generator.condition
    gains = layer.parametrizations.weight.original0
    assert (gains == 0).all()
    (layer(torch.randn(2, 16, 1)) * torch.randn(2, 16, 1)).sum().backward()
    assert (gains.grad != 0).all()  # it can learn


def test_a_generator_that_was_told_and_shall_not_be_is_refused(
    tiny_corpus: Any, repack: Any
) -> None:
    base = repack(with_speakers(["ann", "bob"]))
    with pytest.raises(MalsoriError) as caught:
        begin(tiny_corpus, base, (), ("ann", "bob"), "model.condition_generator=false")
    assert str(caught.value) == (
        f"{base}: its waveform generator is told speaker, language and style; to start from it set "
        "model.condition_generator=true"
    )


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("name", ["bob", "stranger"])
def test_several_speakers_to_one(tiny_corpus: Any, repack: Any, name: str, told: bool) -> None:
    base = repack(with_speakers(["ann", "bob"], told))
    voice = load_pack(base)
    task, record, tokens = begin(tiny_corpus, base, (), (name,))
    spoken = list(tokens.symbols[5:20])
    if name == "bob":
        wanted = says(voice.model, tokens, spoken, 1)
    else:
        model: Any = voice.model
        with torch.no_grad():
            table = model.conditioning.speaker.weight
            table.copy_(table.mean(0, keepdim=True).expand_as(table).clone())
        wanted = says(model, tokens, spoken, 0)
    assert task.model.conditioning.speaker is None
    torch.testing.assert_close(says(task.model, tokens, spoken), wanted, rtol=1e-4, atol=1e-5)
    assert ("'bob'" if name == "bob" else "mean") in record["speakers"]["note"]


@pytest.mark.parametrize(
    "override",
    [
        "model.segment=6", "model.prior=published", "model.padding=seen", "compat=espnet",
        "model.condition_generator=false",
        "model.encoder.dropout=0.3",
        "model.pitch.dropout=0.0", "model.generator.initial_std=0.5", "audio.f0_low_hz=60",
        "task.weights.pitch=2", "optimizer.lr=0.1", "schedule=constant", "data.batch=2 s",
    ],
)  # fmt: skip
def test_settings_that_may_differ(tiny_corpus: Any, tiny_pack: Path, override: str) -> None:
    begin(tiny_corpus, tiny_pack, (), ("tone",), override)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["audio.sample_rate=16000"],
            r"^audio\.sample_rate: 16000, but init_from: .*base\.malsori\.zip speaks with 8000",
        ),
        (["audio.n_fft=1024"], r"^audio\.n_fft: 1024, .* speaks with 512"),
        (["audio.window=400"], r"^audio\.window: 400, .* speaks with 512"),
        (
            ["audio.hop=128", "model.generator.upsampling=[8,4,4]"],
            r"^audio\.hop: 128, .* speaks with 256",
        ),
        (["audio.mel_bands=40"], r"^audio\.mel_bands: 40, .* with 20; set it to that"),
        (["audio.mel_high_hz=3900"], r"^audio\.mel_high_hz: 3900\.0, .* 4000\.0"),
        (
            ["model.width=32", "model.encoder.hidden=8"],
            r"^model\.width: 32, but init_from: .* has 16; to start from it set "
            r"model\.width=16 model\.encoder\.hidden=16$",
        ),
        (["model.decoder.layers=2"], r"^model\.decoder\.layers: 2, .* has 1; to start"),
        (
            ["model.generator.residual_kernels=[3,3,3]"],
            r"set model\.generator\.residual_kernels=\[3,5,7\]$",
        ),
        (["model.generator=hifigan_v1"], r"^model\.generator\.name: hifigan_v1, .*hifigan_v3"),
        (["model.style.tokens=4"], r"^model\.style\.tokens: 4, .* has 0"),
    ],
)
def test_settings_that_may_not_differ(
    tiny_corpus: Any, training_pack: Path, tmp_path: Path, overrides: list[str], message: str
) -> None:
    """Told before any data is read: there is none."""
    nothing = [f"data.{key}={tmp_path / 'none'}" for key in ("train", "dev", "tokens", "stats")]
    config = tiny_corpus.settings(f"init_from={training_pack}", *nothing, *overrides)
    with pytest.raises(MalsoriError, match=message) as caught:
        train(config, tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert {path.name for path in (tmp_path / "run").iterdir()} == {".lock"}


def refusal(corpus: Any, base: Path, *overrides: str) -> str:
    """Return the one line that refuses a base."""
    with pytest.raises(MalsoriError) as caught:
        begin(corpus, base, (), ("tone",), *overrides)
    line = str(caught.value)
    assert "\n" not in line and str(base) in line
    return line


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (in_weights(lambda w: w.pop("pitch_embedding.conv.bias")), "is not in the weights"),
        (in_weights(lambda w: w.update(extra=torch.ones(1))), "'extra' is not in the model"),
        (in_weights(lambda w: w["embedding.weight"].fill_(torch.nan)), "is not finite"),
        (
            in_weights(lambda w: w.update({"embedding.weight": torch.ones(79, 16)})),
            "embedding.weight has shape [79, 16] in the weights, for 80 names",
        ),
        (
            in_weights(lambda w: w.update({"generator.input.weight": torch.ones(16, 16, 5)})),
            "generator.input.weight",
        ),
        (lambda m: m.update({"model.safetensors": b"\x80\x04pickle"}), "is damaged"),
        (lambda m: m.update({"training.safetensors": b"\x80\x04pickle"}), "is damaged"),
        (lambda m: m.update({"tokens.txt": b"a\nb\n"}), "tokens.txt: a token list starts with"),
        (lambda m: m.update({"tokens.txt": b"\xff"}), "tokens.txt: not a UTF-8 file"),
        (
            lambda m: m.update(
                {"config.yaml": m["config.yaml"].replace(b"name: jets", b"name: evil.x:ENTRY")}
            ),
            "names code outside of malsori",
        ),
        (
            lambda m: m.update(
                {"config.yaml": m["config.yaml"].replace(b"width: 16", b"width: wide")}
            ),
            "model.width: expected int",
        ),
        (
            lambda m: m.update({"stats.json": few_bands(m["stats.json"])}),
            "stats.json has 1 mel bands",
        ),
    ],
)
def test_bad_packs(tiny_corpus: Any, repack: Any, change: Change, told: str) -> None:
    assert told in refusal(tiny_corpus, repack(change))


def few_bands(content: bytes) -> bytes:
    tree = json.loads(content)
    return json.dumps(tree | {name: tree[name][:1] for name in ("mel_mean", "mel_std")}).encode()


def test_no_such_pack_and_half_of_one(tiny_corpus: Any, tiny_pack: Path, tmp_path: Path) -> None:
    assert "no such pack or run folder" in refusal(tiny_corpus, tmp_path / "none.zip")
    half = tmp_path / "half.zip"
    half.write_bytes(tiny_pack.read_bytes()[:9000])
    assert "not a readable pack" in refusal(tiny_corpus, half)
    assert "not a run folder" in refusal(tiny_corpus, tmp_path)


def test_discriminator_of_other_settings(
    tiny_corpus: Any, training_pack: Path, tiny_run: Path
) -> None:
    words = ("task.discriminator.period_channels=8", "task.discriminator.periods=[2]")
    for base in (training_pack, tiny_run):
        line = refusal(tiny_corpus, base, *words)
        assert line.startswith("task.discriminator.periods: [2], but init_from: ")
        assert line.endswith(
            "has [2, 3]; to start from it set task.discriminator.periods=[2,3] "
            "task.discriminator.period_channels=4, or start from a pack without its discriminator"
        )


def test_discriminator_of_other_shapes(tiny_corpus: Any, training_pack: Path, repack: Any) -> None:
    """A pack that does not tell its settings."""
    with zipfile.ZipFile(training_pack) as archive:
        judges = archive.read("training.safetensors")
    base = repack(lambda members: members.update({"training.safetensors": judges}))
    begin(tiny_corpus, base)
    line = refusal(tiny_corpus, base, "task.discriminator.period_channels=8")
    assert "discriminator: " in line and "has shape" in line
    assert "set task.discriminator as it was trained, or start from a pack made without" in line


def few_steps(corpus: Any, base: Path, *overrides: str) -> Any:
    return corpus.settings(
        f"init_from={base}", "training.steps=1", "optimizer.lr=1e-12", *overrides
    )


def test_run_of_a_fine_tuned_voice(
    copy_corpus: Callable[[], Any], training_pack: Path, tmp_path: Path
) -> None:
    """From the pack to a run with three more tokens, and from it to a pack that tells of it."""
    corpus = copy_corpus()
    path = corpus.tokens / "tokens.txt"
    path.write_text(path.read_text() + "".join(f"{name}\n" for name in NEW))
    own = corpus.stats / "stats.json"
    write_json(own, read_json(own) | {"pitch_mean": 4.0})
    folder = tmp_path / "tuned"
    train(few_steps(corpus, training_pack), folder)

    voice, base = load_run(folder), load_pack(training_pack)
    assert voice.statistics == base.statistics != Statistics.load(own)
    found = voice.model.state_dict()  # type: ignore[attr-defined]
    for name, tensor in base.model.state_dict().items():  # type: ignore[attr-defined]
        rows = found[name][:-3] if name == "embedding.weight" else found[name]
        torch.testing.assert_close(rows, tensor, rtol=1e-5, atol=1e-6)

    config = load_config(TrainConfig, folder / "config.yaml")
    assert config.init_from == str(training_pack)
    record = read_json(folder / "run.json")["initial"]
    assert record["sha256"] == sha256(training_pack) and record["name"] == "base.malsori.zip"
    assert record["licences"]["weights"] == "CC-BY-4.0"
    assert record["tokens"]["new"] == list(NEW) and len(record["tokens"]["kept"]) == 80

    out = tmp_path / "tuned.malsori.zip"
    write_pack(folder, out)
    told = read_meta(out)["training"]["fine_tuned_from"]
    assert told == [{key: record[key] for key in ("name", "sha256", "licences")}]
    assert load_pack(out).statistics == base.statistics
    again = tmp_path / "again"
    train(few_steps(corpus, out), again)
    write_pack(again, tmp_path / "third.zip")
    family = read_meta(tmp_path / "third.zip")["training"]["fine_tuned_from"]
    assert [each["name"] for each in family] == ["tuned.malsori.zip", "base.malsori.zip"]
    assert family[1] == told[0]


def test_run_folder_as_base(tiny_corpus: Any, tiny_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tuned"
    train(few_steps(tiny_corpus, tiny_run, "training.average_decay=0"), folder)
    saved = load_file(folder / "checkpoints" / "step-1" / "players.safetensors")
    best = (tiny_run / "checkpoints" / "best").read_text().strip()
    for name, tensor in checkpoint_weights(tiny_run, "best").items():
        torch.testing.assert_close(saved[f"generator/{name}"], tensor, rtol=1e-5, atol=1e-6)
    theirs = load_file(tiny_run / "checkpoints" / best / "players.safetensors")
    for name in (name for name in theirs if name.startswith("discriminator/")):
        torch.testing.assert_close(saved[name], theirs[name], rtol=1e-5, atol=1e-6)
    record = read_json(folder / "run.json")["initial"]
    assert (record["name"], record["checkpoint"]) == ("tiny", best)
    average = tiny_run / "checkpoints" / best / "average.safetensors"
    assert record["sha256"] == sha256(average)


def test_run_with_checkpoints_goes_on(
    tiny_corpus: Any, training_pack: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Even where the pack is gone, or another one is named; its origin stays on record."""
    folder, pack = tmp_path / "tuned", tmp_path / "p.zip"
    shutil.copyfile(training_pack, pack)
    train(few_steps(tiny_corpus, pack), folder)
    before = read_json(folder / "run.json")["initial"]
    pack.unlink()
    with caplog.at_level(logging.INFO, "malsori"):
        train(few_steps(tiny_corpus, tmp_path / "other.zip", "training.steps=2"), folder)
    assert f"init_from is not read (it began from {pack})" in caplog.text
    assert read_json(folder / "run.json")["initial"] == before
    assert load_config(TrainConfig, folder / "config.yaml").init_from == str(pack)
    assert (folder / "checkpoints" / "last").read_text() == "step-2\n"
    train(tiny_corpus.settings("training.steps=3", "optimizer.lr=1e-12"), folder)
    assert load_config(TrainConfig, folder / "config.yaml").init_from == str(pack)


def test_run_that_began_by_chance_stays_so(
    tiny_corpus: Any, tiny_run: Path, training_pack: Path, tmp_path: Path, caplog: Any
) -> None:
    own = shutil.copytree(tiny_run, tmp_path / "own")
    with caplog.at_level(logging.INFO, "malsori"):
        train(tiny_corpus.settings(f"init_from={training_pack}", "training.steps=7"), own)
    assert "init_from is not read (it began without one)" in caplog.text
    assert load_config(TrainConfig, own / "config.yaml").init_from is None
    assert "initial" not in read_json(own / "run.json")


def test_first_losses_are_the_pack_s(tiny_corpus: Any, tmp_path: Path, tiny_run: Path) -> None:
    """A trained voice starts below a fresh one; otherwise nothing was gained."""
    from malsori.train.journal import read_metrics

    trained = tmp_path / "trained"
    long = ("training.steps=40", "training.validate_every=40", "optimizer.lr=0.005")
    train(tiny_corpus.settings(*long), trained)
    train(few_steps(tiny_corpus, trained), tmp_path / "tuned")
    first, begun = (
        read_metrics(folder / "metrics.jsonl")[0]["generator/reconstruction"]
        for folder in (trained, tmp_path / "tuned")
    )
    assert begun < 0.8 * first
