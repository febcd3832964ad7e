"""Which files of an ESPnet pack are read, text front ends, and the command, without ESPnet."""

from __future__ import annotations

import io
import logging
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import yaml

from malsori.bin.main import main
from malsori.core.config import to_dict
from malsori.core.errors import MalsoriError
from malsori.espnet.pack_reader import read_espnet
from malsori.espnet.pack_writer import CONFIG, FOLDER, STATS, WEIGHTS, write_espnet
from malsori.espnet.section import Section
from malsori.espnet.text import espnet_tokenizer, fits, read_tokens, tokenizer_settings
from malsori.espnet.weights import Weights
from malsori.infer.pack import load_pack, write_voice
from malsori.infer.synthesizer import Synthesizer
from malsori.modules.discriminators import DiscriminatorConfig, Discriminators
from malsori.packs.format import read_meta, read_pack
from malsori.packs.run_folder import read_run
from malsori.text import jamo
from malsori.text.tokenizer import TokenizerConfig

Spoil = Callable[..., Path]
JAMO = ["<blank>", "<unk>", *jamo.INVENTORY, "<sos/eos>"]


def recipe(zoo: Path, folder: Path) -> Path:
    """Return ``exp/NAME`` of a recipe with the pack's files where training leaves them."""
    with zipfile.ZipFile(zoo) as archive:
        archive.extractall(folder)
    (folder / "meta.yaml").unlink()
    return folder / FOLDER


def load(path: Path) -> Weights:
    return torch.load(path, weights_only=True)  # type: ignore[no-any-return]


def test_the_same_voice_comes_back(zoo: Path, tiny_pack: Path, tmp_path: Path) -> None:
    out = tmp_path / "voice.malsori.zip"
    assert main(["import-espnet", str(zoo), "--out", str(out), "--licence", "CC0-1.0"]) == 0
    before, after = read_pack(tiny_pack), read_pack(out)
    assert set(before.weights) == set(after.weights)
    for name, tensor in before.weights.items():
        torch.testing.assert_close(after.weights[name], tensor, rtol=1e-6, atol=1e-8)
    assert before.files == after.files
    np.testing.assert_allclose(before.statistics.mel_std, after.statistics.mel_std, rtol=1e-9)
    assert after.statistics.pitch_mean == pytest.approx(before.statistics.pitch_mean)
    for key in ("audio", "speakers"):
        assert before.description[key] == after.description[key] or key == "speakers"
    meta = read_meta(out)
    assert meta["licences"]["weights"] == "CC0-1.0" and meta["language"] == "ko"
    origin = meta["training"]["imported_from"]
    assert origin["toolkit"] == "ESPnet" and origin["weights"] == WEIGHTS
    text = "나무가 있다."
    one, other = (Synthesizer(load_pack(path))(text) for path in (tiny_pack, out))
    np.testing.assert_array_equal(one.durations, other.durations)
    np.testing.assert_allclose(one.audio, other.audio, atol=1e-5)
    assert soundfile.read(tmp_path / "voice.wav")[0].any()


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        (["12epoch.pth", "train.total_count.ave_5best.pth", "valid.x.best.pth"], 1),
        (["train.total_count.ave_3best.pth", "train.total_count.ave_5best.pth"], 1),
        (["train.total_count.ave_10best.pth", "train.total_count.ave_9best.pth"], 0),
        (["12epoch.pth", "train.total_count.ave.pth"], 1),
        (["9epoch.pth", "12epoch.pth", "latest.pth"], 1),
        (["12epoch.pth", "train.total_count.best.pth"], 1),
        (["checkpoint.pth", "latest.pth"], 1),
        (["odd.pth"], 0),
    ],
)
def test_which_weights_of_a_folder(
    there: list[str], chosen: int, zoo: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = recipe(zoo, tmp_path)
    weights = (folder / "model.pth").read_bytes()
    (folder / "model.pth").unlink()
    for name in there:
        (folder / name).write_bytes(weights)
    with caplog.at_level(logging.INFO, "malsori"):
        found = read_espnet(folder)
    assert found.meta["imported_from"]["weights"] == there[chosen]
    assert f"weights {there[chosen]} of" in caplog.text
    asked = read_espnet(folder, weights=there[0])
    assert asked.meta["imported_from"]["weights"] == there[0]
    with pytest.raises(MalsoriError, match=rf"no weights '3epoch\.pth'; there: .*{there[0]}"):
        read_espnet(folder, weights="3epoch.pth")


def test_links_within_the_folder_are_followed(zoo: Path, tmp_path: Path) -> None:
    folder = recipe(zoo, tmp_path)
    (folder / "12epoch.pth").write_bytes((folder / "model.pth").read_bytes())
    (folder / "model.pth").unlink()
    (folder / "train.total_count.ave.pth").symlink_to("12epoch.pth")
    assert read_espnet(folder).meta["imported_from"]["weights"] == "train.total_count.ave.pth"


def test_a_trainers_checkpoint_gives_its_model(
    zoo: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = recipe(zoo, tmp_path)
    state = load(folder / "model.pth")
    optimizers = [{"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": []}]
    torch.save({"model": state, "optimizers": optimizers}, folder / "checkpoint.pth")
    (folder / "model.pth").unlink()
    with caplog.at_level(logging.INFO, "malsori"):
        read_espnet(folder)
    assert "left out beside the weights: optimizers" in caplog.text


def test_a_file_from_before_pytorch_16(zoo: Path, tmp_path: Path) -> None:
    folder = recipe(zoo, tmp_path)
    state = load(folder / "model.pth")
    torch.save(state, folder / "model.pth", _use_new_zipfile_serialization=False)
    read_espnet(folder)


def test_statistics_beside_the_run(zoo: Path, tmp_path: Path) -> None:
    folder = recipe(zoo, tmp_path)
    state = {n: t for n, t in load(folder / "model.pth").items() if "normalize" not in n}
    torch.save(state, folder / "model.pth")
    first = read_espnet(folder).statistics  # exp/tts_stats is two folders above
    assert first == read_espnet(zoo).statistics
    shutil.move(tmp_path / STATS, folder / "stats")
    assert read_espnet(folder).statistics == first  # copied into the folder


def test_statistics_in_the_weights(spoil: Spoil, caplog: pytest.LogCaptureFixture) -> None:
    name = f"{STATS}/pitch_stats.npz"
    with caplog.at_level(logging.INFO, "malsori"):
        one = read_espnet(spoil(lambda members: members.pop(name)))
        assert "pitch statistics are taken from the weights" in caplog.text
        other = read_espnet(
            spoil(state=lambda s: s.update({"pitch_normalize.mean": torch.tensor([7.5])}))
        )
    assert other.statistics.pitch_mean == 7.5 != one.statistics.pitch_mean
    assert "differs from the pitch statistics in the weights" in caplog.text


def test_a_token_list_in_a_file(spoil: Spoil, zoo: Path) -> None:
    symbols: list[str] = []

    def move(tree: dict[str, Any]) -> None:
        symbols.extend(tree["token_list"])
        tree["token_list"] = "data/token_list/phn/tokens.txt"

    path = spoil(config=move)
    with zipfile.ZipFile(path, "a") as archive:
        content = "".join(f"{symbol}\n" for symbol in symbols)
        archive.writestr("data/token_list/phn/tokens.txt", content)
    assert read_espnet(path).files == read_espnet(zoo).files


def test_speakers_by_name(spoil: Spoil, caplog: pytest.LogCaptureFixture) -> None:
    def several(tree: dict[str, Any]) -> None:
        tree["tts_conf"]["generator_params"]["spks"] = 3

    def embed(state: Weights) -> None:
        state["tts.generator.sid_emb.weight"] = torch.randn(3, 16)

    path = spoil(config=several, state=embed)
    with caplog.at_level(logging.INFO, "malsori"):
        assert read_espnet(path).description["speakers"] == ["0", "1", "2"]
    assert "no spk2sid" in caplog.text
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("dump/raw/org/train/spk2sid", "<unk> 0\nanna 1\nben 2\n")
    found = read_espnet(path)
    assert found.description["speakers"] == ["<unk>", "anna", "ben"]
    out = path.with_name("v.malsori.zip")
    write_voice(found, out)
    voice = load_pack(out)
    assert voice.index("speaker", None) == 1 and voice.index("speaker", "<unk>") == 0


def test_discriminators_come_on_request(
    lively_run: Path, tmp_path: Path, zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """ESPnet can take them where the last kernel of the period discriminators is even."""
    read = read_run(lively_run)
    chosen = DiscriminatorConfig(
        scale_channels=8, scale_max_channels=16, scale_max_groups=4, scale_strides=(2, 1),
        periods=(2, 3), period_channels=4, period_max_channels=4, period_score_kernel=2,
    )  # fmt: skip
    judges = {f"discriminator/{n}": t for n, t in Discriminators(chosen).state_dict().items()}
    read.description["task"] = {"name": "gan_tts", "discriminator": to_dict(chosen)}
    write_espnet(replace(read, training=judges), tmp_path / "judged.zip")
    out = tmp_path / "v.malsori.zip"
    asked = ["import-espnet", str(tmp_path / "judged.zip"), "--out", str(out)]
    assert main([*asked, "--with-training"]) == 0
    found = read_pack(out, training=True)
    assert found.description["task"] == to_dict(read.description["task"])
    assert set(found.training) == set(judges)
    for name, tensor in judges.items():
        torch.testing.assert_close(found.training[name], tensor, rtol=0, atol=0)
    assert main(asked) == 0
    assert not read_pack(out, training=True).training
    out.unlink()
    capsys.readouterr()
    assert main(["import-espnet", str(zoo), "--out", str(out), "--with-training"]) == 1
    assert "holds no discriminators" in capsys.readouterr().err and not out.exists()


def test_a_front_end_that_is_missing(
    spoil: Spoil, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = spoil(config=lambda tree: tree.update(g2p="pyopenjtalk_prosody", cleaner="jaconv"))
    out, wav = tmp_path / "v.malsori.zip", tmp_path / "said.wav"
    assert main(["import-espnet", str(path), "--out", str(out)]) == 0
    assert "pyopenjtalk_prosody" in capsys.readouterr().out
    assert main(["synthesize", "--model", str(out), "--text", "나무.", "--out", str(wav)]) == 1
    captured = capsys.readouterr().err
    line = captured.strip().splitlines()[-1]
    assert "pyopenjtalk_prosody and cleaner jaconv" in line and "--tokens" in line
    assert not wav.exists()
    spoken = "ᄂ ᅡ ᄆ ᅮ ."
    assert main(["synthesize", "--model", str(out), "--tokens", spoken, "--out", str(wav)]) == 0
    said = Synthesizer.from_pretrained(out).speak_tokens(spoken.split())
    assert np.abs(soundfile.read(wav)[0] - said.audio).max() < 1e-3
    assert read_meta(out)["language"] == "und"
    assert main(["synthesize", "--model", str(out), "--tokens", "A B", "--out", str(wav)]) == 1
    assert "token 'A' is not among" in capsys.readouterr().err


def test_another_front_end_by_name(spoil: Spoil, zoo: Path) -> None:
    assert read_espnet(zoo).description["tokenizer"]["frontend"] == "ko"
    assert read_espnet(zoo, frontend="jamo").description["tokenizer"]["frontend"] == "jamo"
    with pytest.raises(MalsoriError, match=r"--frontend en: it does not make the tokens"):
        read_espnet(zoo, frontend="en")
    given = spoil(config=lambda tree: tree.update(g2p=None))
    tokenizer = read_espnet(given).description["tokenizer"]
    assert tokenizer["missing"] == "ESPnet's g2p null (texts are tokens)"
    assert read_espnet(given, frontend="ko").description["tokenizer"]["missing"] is None


@pytest.mark.parametrize(
    ("kind", "g2p", "symbols", "found"),
    [
        ("phn", "g2pk_no_space", JAMO, TokenizerConfig(frontend="ko")),
        ("phn", "g2pk", [*JAMO, "<space>"], TokenizerConfig(frontend="ko", spaces=True)),
        ("phn", "g2pk_explicit_space", [*JAMO, "<space>"],
         TokenizerConfig(frontend="ko", spaces=True)),
        ("phn", "korean_jaso", [*JAMO, "<space>"], TokenizerConfig(frontend="jamo", spaces=True)),
        ("phn", "korean_jaso_no_space", JAMO, TokenizerConfig(frontend="jamo")),
        ("phn", "korean_jaso", JAMO, None),
        ("phn", "g2pk_no_space", JAMO[:30], None),
        ("phn", "g2p_en", ["<blank>", "<unk>", "AH0", "T"], None),
        ("char", None, ["<blank>", "<unk>", "<space>", "가", "나"],
         TokenizerConfig(type="char", frontend="ko")),
        ("char", None, ["<blank>", "<unk>", "<space>", *map(chr, range(65, 91))], None),
        ("char", None, ["<blank>", "<unk>", "<space>", *map(chr, range(65, 123))],
         TokenizerConfig(type="char", frontend="en")),
        ("char", None, ["<blank>", "<unk>", "가"], None),
        ("word", None, ["<blank>", "<unk>", "나무"], None),
        ("bpe", None, ["<blank>", "<unk>", "▁나무"], None),
    ],
)  # fmt: skip
def test_front_ends(
    kind: str, g2p: str | None, symbols: list[str], found: TokenizerConfig | None
) -> None:
    top = Section({"token_type": kind, "g2p": g2p, "use_preprocessor": True}, {}, "")
    tokenizer = tokenizer_settings(top, symbols, pieces=False)
    if found is None:
        assert tokenizer.missing is not None and (g2p or kind) in tokenizer.missing
        return
    assert tokenizer == found and fits(found, symbols)
    back = espnet_tokenizer(tokenizer)
    again = tokenizer_settings(Section({**back, "use_preprocessor": True}, {}, ""), symbols, False)
    assert again == tokenizer


def test_pieces_need_their_model() -> None:
    top = Section({"token_type": "bpe", "use_preprocessor": True}, {}, "")
    symbols = ["<blank>", "<unk>", "▁나무"]
    found = tokenizer_settings(top, symbols, pieces=True)
    assert (found.type, found.bpe_model, found.frontend) == ("bpe", "bpe.model", "ko")


def test_white_space_among_the_tokens() -> None:
    assert read_tokens(["<blank>", "<unk>", " ", "\u3000", "a"]) == [
        "<blank>", "<unk>", "<space>", "<U+3000>", "a",
    ]  # fmt: skip
    with pytest.raises(MalsoriError, match="twice"):
        read_tokens(["<blank>", "<unk>", " ", "<space>"])


def test_a_voice_with_speaker_vectors(
    spoil: Spoil, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(tree: dict[str, Any]) -> None:
        tree["tts_conf"]["generator_params"]["spk_embed_dim"] = 4

    def project(state: Weights) -> None:
        state["tts.generator.projection.weight"] = torch.randn(16, 4)
        state["tts.generator.projection.bias"] = torch.zeros(16)

    path, out, wav = spoil(config=told, state=project), tmp_path / "v.zip", tmp_path / "v.wav"
    assert main(["import-espnet", str(path), "--out", str(out)]) == 0
    asked = ["synthesize", "--model", str(out), "--text", "나무.", "--out", str(wav)]
    capsys.readouterr()
    assert main(asked) == 1 and "needs 4 numbers" in capsys.readouterr().err
    vectors = {"right": np.ones(4), "wrong": np.ones(3), "bad": np.full(4, np.nan)}
    for name, vector in vectors.items():
        np.save(tmp_path / f"{name}.npy", vector)
        code = main([*asked, "--speaker-embedding", str(tmp_path / f"{name}.npy")])
        assert code == (0 if name == "right" else 1)
    np.save(tmp_path / "object.npy", np.array([print], dtype=object), allow_pickle=True)
    assert main([*asked, "--speaker-embedding", str(tmp_path / "object.npy")]) == 1
    speaker = Synthesizer.from_pretrained(out)
    one, other = (speaker("나무.", embedding=v) for v in (np.ones(4), np.array([9.0, -3, 2, 0])))
    assert len(one.audio) != len(other.audio) or np.abs(one.audio - other.audio).max() > 1e-4


def test_a_speaker_vector_for_a_voice_without(tiny_pack: Path) -> None:
    with pytest.raises(MalsoriError, match="was trained without"):
        Synthesizer.from_pretrained(tiny_pack)("나무.", embedding=np.ones(4))


def test_the_config_is_what_espnet_reads(zoo: Path) -> None:
    with zipfile.ZipFile(zoo) as archive:
        meta = yaml.safe_load(archive.read("meta.yaml"))
        assert meta["yaml_files"] == {"train_config": CONFIG}
        assert meta["files"] == {"model_file": WEIGHTS}
        config = yaml.safe_load(archive.read(CONFIG))
        for name in ("normalize", "pitch_normalize", "energy_normalize"):
            sums = np.load(io.BytesIO(archive.read(config[f"{name}_conf"]["stats_file"])))
            assert {"count", "sum", "sum_square"} == set(sums)
    assert config["g2p"] == "g2pk_no_space" and config["token_list"][:2] == ["<blank>", "<unk>"]
