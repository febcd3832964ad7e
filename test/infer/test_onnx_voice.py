"""Voices for ONNX Runtime: what they say, without PyTorch, and what they refuse."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from malsori.bin.main import main
from malsori.core.errors import MalsoriError
from malsori.infer.onnx_export import write_onnx
from malsori.infer.onnx_synthesizer import OnnxSynthesizer
from malsori.infer.onnx_voice import Named, OnnxVoice, open_onnx
from malsori.infer.synthesizer import Synthesizer
from malsori.packs.format import is_onnx, read_onnx, read_pack
from malsori.text.frontend import TextError

pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

TEXT = "나무가 있다. 비가 와요, 밥을 먹자!"


@pytest.fixture(scope="module")
def exported(tiny_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("onnx") / "voice.onnx.zip"
    assert main(["export", "--to", "onnx", "--model", str(tiny_pack), "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def voice(exported: Path) -> Synthesizer:
    return Synthesizer.from_pretrained(exported)


@pytest.fixture
def again(exported: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes the file again, its members changed, its hashes right."""

    def write(change: Callable[[dict[str, bytes]], Any], *, hashes: bool = True) -> Path:
        with zipfile.ZipFile(exported) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        change(members)
        if hashes:
            meta = yaml.safe_load(members["meta.yaml"])
            meta["sha256"] = {
                name: hashlib.sha256(content).hexdigest()
                for name, content in members.items()
                if name != "meta.yaml"
            }
            members["meta.yaml"] = yaml.safe_dump(meta).encode()
        path = tmp_path / "again.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return path

    return write


def test_it_says_what_the_pack_says(voice: Synthesizer, tiny_pack: Path) -> None:
    pack = Synthesizer.from_pretrained(tiny_pack)
    assert isinstance(voice, OnnxSynthesizer)
    for how in ({}, {"speed": 1.3, "pitch": 2.0, "energy": -3.0}, {"ssml": True}):
        text = "<speak>나무 <prosody rate='slow'>있다.</prosody></speak>" if "ssml" in how else TEXT
        ours, theirs = voice(text, **how), pack(text, **how)
        np.testing.assert_array_equal(ours.durations, theirs.durations)
        np.testing.assert_allclose(ours.audio, theirs.audio, atol=1e-4)
        assert ours.timestamps() == theirs.timestamps()
        assert abs(theirs.audio).max() > 1e-3


def test_chunks_are_the_whole(voice: Synthesizer) -> None:
    chunks = list(voice.stream(TEXT, first=0.1))
    assert len(chunks) > 3
    np.testing.assert_allclose(
        np.concatenate([chunk.audio for chunk in chunks]), voice(TEXT).audio, atol=1e-5
    )


def test_threads_make_parts_of_a_whole(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, four = open_onnx(exported, 1), open_onnx(exported, 4)
    made: list[tuple[int, int]] = []
    samples = OnnxVoice._samples

    def counted(voice: OnnxVoice, plan: Named, start: int, end: int) -> Any:
        made.append((start, end))
        return samples(voice, plan, start, end)

    monkeypatch.setattr(OnnxVoice, "_samples", counted)
    drawn, count = np.random.default_rng(0), 17 * one.context + 3
    plan: Named = {"valid": np.ones((1, count), dtype=bool)}
    for each in one.graphs["generator"].session.get_inputs():
        if each.name != "valid":
            size = [{"B": 1}.get(n, count) if isinstance(n, str) else n for n in each.shape]
            plan[each.name] = drawn.normal(size=size).astype(np.float32)
    for start, end, parts in ((0, count, 4), (3, 5 * one.context, 2), (1, 5, 1)):
        whole = one.sound(plan, start, end)
        made.clear()
        np.testing.assert_allclose(four.sound(plan, start, end), whole, atol=1e-6)
        assert len(made) == parts and len(whole) == (end - start) * one.audio.hop
        assert abs(whole).max() > 1e-4


def test_it_speaks_without_pytorch(exported: Path, tmp_path: Path, voice: Synthesizer) -> None:
    out = tmp_path / "said.wav"
    words = ["synthesize", "--model", str(exported), "--text", TEXT, "--out", str(out)]
    code = (
        "import sys\n"
        "sys.modules['torch'] = None  # importing it fails\n"
        "from malsori.bin.main import main\n"
        f"sys.exit(main({words!r}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    from malsori.dsp import audio

    np.testing.assert_allclose(audio.read(out)[0], voice(TEXT).audio, atol=1e-4)


def test_it_is_written_the_same_twice(exported: Path, tiny_pack: Path, tmp_path: Path) -> None:
    write_onnx(read_pack(tiny_pack), tmp_path / "v.zip")
    assert (tmp_path / "v.zip").read_bytes() == exported.read_bytes()


def test_rights_and_origin_go_along(exported: Path, tiny_pack: Path) -> None:
    ours, theirs = read_onnx(exported).meta, read_pack(tiny_pack).meta
    assert ours["format"] == "onnx" and ours["licences"] == theirs["licences"]
    assert ours["training"] == theirs["training"]


def test_inspect_shows_it(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(exported)]) == 0
    out = capsys.readouterr().out
    assert "format: onnx" in out and "generator.onnx:" in out and "tokens: <blank>" in out


def test_whole_numbers(tiny_pack: Path, tmp_path: Path, voice: Synthesizer) -> None:
    words = ["export", "--to", "onnx", "--int8", "--model", str(tiny_pack)]
    assert main([*words, "--out", str(tmp_path / "v.zip")]) == 0
    said = Synthesizer.from_pretrained(tmp_path / "v.zip")(TEXT)
    assert 0.8 < said.seconds / voice(TEXT).seconds < 1.25 and np.isfinite(said.audio).all()


def test_what_needs_a_pack_says_so(exported: Path) -> None:
    assert is_onnx(exported)
    with pytest.raises(MalsoriError, match=r"voice for ONNX Runtime.*the pack that it was"):
        read_pack(exported)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"style_wav": np.zeros(100)}, "style_wav: .*neutral"),
        ({"speaker": "nobody"}, "no speaker 'nobody'"),
        ({"embedding": np.ones(3)}, "embedding: .*was trained without"),
        ({"speed": 9.0}, "speed: 9 is not between"),
    ],
)
def test_what_it_cannot_do(voice: Synthesizer, how: dict[str, Any], told: str) -> None:
    with pytest.raises(MalsoriError, match=told):
        voice(TEXT, **how)


def test_texts_without_words(voice: Synthesizer) -> None:
    with pytest.raises(TextError, match="nothing to speak"):
        voice("…")


def test_devices_and_vocoders_are_refused(exported: Path) -> None:
    with pytest.raises(MalsoriError, match=r"device: .*on the CPU"):
        Synthesizer.from_pretrained(exported, device="cuda")
    with pytest.raises(MalsoriError, match=r"makes waveforms itself"):
        Synthesizer.from_pretrained(exported, vocoder="v.zip")


def test_models_that_do_not_speak(
    aligner_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "v.zip"
    words = ["export", "--to", "onnx", "--exp", str(aligner_run), "--out", str(out)]
    assert main(words) == 1
    assert "does not speak" in capsys.readouterr().err
    assert main([*words, "--if-possible"]) == 0
    assert "nothing is exported: " in capsys.readouterr().out
    assert not out.exists()


def test_without_onnx_runtime(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MalsoriError, match=r"not installed: pip install 'malsori\[onnx\]'"):
        Synthesizer.from_pretrained(exported)


def damage(name: str) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        members[name] = members[name][:-1] + bytes([members[name][-1] ^ 1])

    return change


@pytest.mark.parametrize("name", ["acoustic.onnx", "generator.onnx", "tokens.txt", "config.yaml"])
def test_damaged_members(again: Callable[..., Path], name: str) -> None:
    with pytest.raises(MalsoriError, match=f"{name} does not have the hash"):
        Synthesizer.from_pretrained(again(damage(name), hashes=False))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda members: members.update({"run.py": b"print()"}), "'run.py'.*no part of"),
        (lambda members: members.update({"../acoustic.onnx": b""}), "no part of an ONNX voice"),
        (lambda members: members.pop("generator.onnx"), "generator.onnx is missing"),
        (lambda members: members.update({"generator.onnx": b"no graph"}), "not a graph"),
        (
            lambda members: members.update({"generator.onnx": members["acoustic.onnx"]}),
            "generator.onnx: makes no 'wav'",
        ),
    ],
)
def test_strange_members(
    again: Callable[..., Path], change: Callable[[dict[str, bytes]], Any], told: str
) -> None:
    with pytest.raises(MalsoriError, match=told):
        Synthesizer.from_pretrained(again(change))


def test_foreign_code_is_refused(again: Callable[..., Path]) -> None:
    def change(members: dict[str, bytes]) -> None:
        tree = yaml.safe_load(members["config.yaml"])
        tree["tokenizer"]["frontend"] = "os.path:join"
        members["config.yaml"] = yaml.safe_dump(tree).encode()

    with pytest.raises(MalsoriError, match="names code outside"):
        Synthesizer.from_pretrained(again(change))


def test_weights_in_other_files_are_not_read(
    again: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def change(members: dict[str, bytes]) -> None:
        graph = onnx.load_from_string(members["generator.onnx"])
        weight = max(graph.graph.initializer, key=lambda each: len(each.raw_data))
        (tmp_path / "secret").write_bytes(weight.raw_data)
        weight.ClearField("raw_data")
        weight.data_location = onnx.TensorProto.EXTERNAL
        entry = weight.external_data.add()
        entry.key, entry.value = "location", "secret"
        members["generator.onnx"] = graph.SerializeToString()

    with pytest.raises(MalsoriError, match="not a graph"):
        Synthesizer.from_pretrained(again(change))
