"""ESPnet packs from strangers: refused in one line, nothing executed, nothing written."""

from __future__ import annotations

import io
import os
import pickle
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.bin.main import main
from malsori.core.errors import MalsoriError
from malsori.espnet.pack_reader import load_state, read_espnet
from malsori.espnet.pack_writer import CONFIG, STATS, WEIGHTS

Spoil = Callable[..., Path]


@pytest.fixture(autouse=True)
def _nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Fail if a test leaves anything in the working and temporary folders."""
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr("tempfile.tempdir", str(place))
    yield
    assert not list(place.iterdir())


def refused(path: Path, *parts: str) -> None:
    """Check that reading stops with one line that names the file and has all the parts."""
    with pytest.raises(MalsoriError) as caught:
        read_espnet(path)
    line = str(caught.value)
    assert "\n" not in line and path.name in line and len(line) < 400, line
    for part in parts:
        assert part in line, line


def complaint(read: Callable[..., Any], *arguments: Any) -> str:
    """Return why something is refused; nothing if it is not. Other errors go through."""
    try:
        read(*arguments)
    except MalsoriError as error:
        return str(error)
    return ""


class Payload:
    """Unpickling it would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (os.system, (f"touch {self.path}",))


def test_the_unspoilt_pack_is_read(zoo: Path, spoil: Spoil) -> None:
    assert set(read_espnet(zoo).weights) == set(read_espnet(spoil()).weights)


def test_weights_with_code_in_them(spoil: Spoil, tmp_path: Path) -> None:
    mark = tmp_path / "executed"

    def with_code(state: dict[str, Any]) -> None:
        state["tts.generator.extra"] = Payload(mark)

    path = spoil(state=with_code)
    refused(path, "model.pth", "holds more than weights", "system")
    assert not mark.exists()
    with zipfile.ZipFile(path) as archive:  # the bait works
        torch.load(io.BytesIO(archive.read(WEIGHTS)), weights_only=False)
    assert mark.exists()


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_weights_that_are_a_bare_pickle(spoil: Spoil, tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "executed"
    content = pickle.dumps({"model": Payload(mark)}, protocol)
    refused(spoil(lambda members: members.update({WEIGHTS: content})), "model.pth")
    assert not mark.exists()


def test_statistics_with_code_in_them(spoil: Spoil, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    buffer = io.BytesIO()
    np.savez(buffer, count=1, sum=np.array([Payload(mark)], dtype=object), sum_square=1.0)
    name = f"{STATS}/feats_stats.npz"
    refused(spoil(lambda members: members.update({name: buffer.getvalue()})), "feats_stats.npz")
    assert not mark.exists()


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['touch {mark}']",
        "a: !!python/name:os.system ''",
        "a: !!python/object/new:os.system ['touch {mark}']",
    ],
)
@pytest.mark.parametrize("name", [CONFIG, "meta.yaml"])
def test_config_with_python_in_it(text: str, name: str, spoil: Spoil, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    content = text.format(mark=mark).encode()
    refused(spoil(lambda members: members.update({name: content})), Path(name).name, "not YAML")
    assert not mark.exists()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_cut_off(share: float, zoo: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.zip"
    content = zoo.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refused(path)


@pytest.mark.parametrize("name", ["../evil", "exp/../../evil", "/tmp/evil", "C:/evil", "a\\..\\b"])
def test_members_that_leave_their_folder(name: str, spoil: Spoil) -> None:
    refused(spoil(lambda members: members.update({name: b"x"})), "outside")
    assert not Path("/tmp/evil").exists()


def test_links(spoil: Spoil) -> None:
    def link(members: dict[Any, bytes]) -> None:
        info = zipfile.ZipInfo("exp/link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        members[info] = b"/etc/passwd"

    refused(spoil(link), "exp/link", "link")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_given_twice(spoil: Spoil) -> None:
    refused(spoil(lambda members: members.update({zipfile.ZipInfo(CONFIG): b"a: 1"})), "twice")


def test_a_bomb_by_ratio(spoil: Spoil) -> None:
    refused(spoil(lambda members: members.update({WEIGHTS: bytes(40 << 20)})), "times as large")


def test_a_bomb_by_size(spoil: Spoil) -> None:
    noise = np.random.default_rng(0).bytes(9 << 20)
    refused(spoil(lambda members: members.update({CONFIG: noise})), "more than 8 MB")


def test_a_bomb_within_the_statistics(spoil: Spoil) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, count=1, sum=np.zeros(4 << 20), sum_square=np.zeros(4 << 20))
    name = f"{STATS}/feats_stats.npz"
    refused(spoil(lambda members: members.update({name: buffer.getvalue()})), "too large")


def test_compressed_records_within_the_weights(spoil: Spoil) -> None:
    def squeeze(members: dict[Any, bytes]) -> None:
        out = io.BytesIO()
        with (
            zipfile.ZipFile(io.BytesIO(members[WEIGHTS])) as before,
            zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as after,
        ):
            for name in before.namelist():
                after.writestr(name, before.read(name))
        members[WEIGHTS] = out.getvalue()

    refused(spoil(squeeze), "model.pth", "compressed")


def test_tensors_larger_than_what_is_stored(spoil: Spoil) -> None:
    def expand(state: dict[str, torch.Tensor]) -> None:
        state["tts.generator.encoder.embed.0.weight"] = torch.zeros(1).expand(1 << 20, 1 << 20)

    refused(spoil(state=expand), "encoder.embed.0.weight", "larger than what is stored")


@pytest.mark.parametrize("key", ["adim", "eunits", "generator_channels"])
def test_settings_larger_than_their_weights(
    key: str, spoil: Spoil, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A gigantic model is refused by its shapes, before it takes memory."""
    path = spoil(config=lambda tree: tree["tts_conf"]["generator_params"].update({key: 65536}))
    out = tmp_path / "voice.malsori.zip"
    assert main(["import-espnet", str(path), "--out", str(out)]) == 1
    assert "shape" in capsys.readouterr().err and not out.exists()


def test_weights_that_are_no_tensors(spoil: Spoil) -> None:
    refused(spoil(state=lambda state: state.update({"tts.x": 3})), "'tts.x' is no tensor")
    refused(spoil(state=lambda state: [1, 2]), "holds no weights")


@settings(max_examples=150, deadline=None)
@given(
    legacy=st.booleans(),
    changes=st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 255)), min_size=1, max_size=4),
    kept=st.floats(0, 1) | st.just(1.0),
)
def test_damaged_weights_never_end_in_anything_else(
    legacy: bool, changes: list[tuple[int, int]], kept: float
) -> None:
    buffer = io.BytesIO()
    state = {f"encoder.{i}.weight": torch.ones(2, 3) for i in range(3)}
    torch.save(state, buffer, _use_new_zipfile_serialization=not legacy)
    content = bytearray(buffer.getvalue())
    for place, value in changes:
        content[place % len(content)] = value
    assert "\n" not in complaint(load_state, bytes(content[: int(kept * len(content))]))


def test_an_unknown_weight_is_named(spoil: Spoil) -> None:
    def add(state: dict[str, torch.Tensor]) -> None:
        state["tts.generator.encoder.surprise.weight"] = torch.zeros(3)

    refused(spoil(state=add), "unknown weights: encoder.surprise.weight")
    refused(spoil(state=lambda s: s.update({"asr.encoder": torch.zeros(3)})), "'asr.encoder'")


def test_a_missing_weight_is_named(spoil: Spoil) -> None:
    def drop(state: dict[str, torch.Tensor]) -> None:
        for part in ("weight", "bias"):
            del state[f"tts.generator.duration_predictor.linear.{part}"]

    refused(spoil(state=drop), "missing weights: duration_predictor.linear")


def test_another_models_weights(spoil: Spoil) -> None:
    refused(spoil(state=lambda state: {"encoder.weight": torch.zeros(3)}), "no weights of one JETS")


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"tts": "vits"}, ["generator_type: 'jets_generator'", "'vits_generator'"]),
        ({"tts": "fastspeech2"}, ["'fastspeech2' is no model", "only 'jets' and 'vits'"]),
        ({"tts": "my_module:Evil"}, ["'my_module:Evil' is no model"]),
        ({"tts": None}, ["None is no model"]),
        ({"feats_extract": "os.system"}, ["feats_extract: 'os.system'", "only 'fbank'"]),
        ({"normalize": "utterance_mvn"}, ["normalize: 'utterance_mvn'", "'global_mvn'"]),
        ({"pitch_extract": "yin"}, ["pitch_extract: 'yin'"]),
        ({"odim": 80}, ["odim: 80"]),
        ({"token_list": "../../etc/passwd"}, ["token_list", "is missing"]),
        ({"token_list": ["a", "b"]}, ["token_list", "<blank>"]),
        ({"token_list": ["<blank>", "<unk>", "a", "a"]}, ["token_list", "twice"]),
        ({"token_list": 3}, ["token_list is no list"]),
    ],
)
def test_configs_with_unknown_classes_and_lists(
    change: dict[str, Any], parts: list[str], spoil: Spoil
) -> None:
    refused(spoil(config=lambda tree: tree.update(change)), "config.yaml", *parts)


def test_missing_files_are_named(spoil: Spoil) -> None:
    def forget(state: dict[str, torch.Tensor]) -> None:
        for name in [n for n in state if "normalize" in n]:
            del state[name]

    def drop(name: str) -> Callable[[dict[Any, bytes]], Any]:
        return lambda members: members.pop(name)

    for kind in ("feats", "pitch", "energy"):
        name = f"{STATS}/{kind}_stats.npz"
        refused(spoil(drop(name), state=forget), name, "is missing")
    refused(spoil(drop(WEIGHTS)), WEIGHTS, "is missing")
    refused(spoil(drop(CONFIG)), CONFIG, "is missing")


def test_no_pack_at_all(tmp_path: Path) -> None:
    refused(tmp_path / "none.zip", "no such file")
    (tmp_path / "text.zip").write_text("hello")
    refused(tmp_path / "text.zip")
    (tmp_path / "folder").mkdir()
    refused(tmp_path / "folder", "no config.yaml")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    refused(tmp_path / "empty.zip", "no config.yaml")


def test_a_folders_links_to_elsewhere_are_not_followed(zoo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "exp"
    folder.mkdir()
    with zipfile.ZipFile(zoo) as archive:
        (tmp_path / "outside.pth").write_bytes(archive.read(WEIGHTS))
        (folder / "config.yaml").write_bytes(archive.read(CONFIG))
    (folder / "latest.pth").symlink_to(tmp_path / "outside.pth")
    refused(folder, "no *.pth")


def test_the_command_says_one_line_and_leaves_nothing(spoil: Spoil, tmp_path: Path) -> None:
    path = spoil(config=lambda tree: tree.update(tts="vits"))
    out = tmp_path / "out" / "voice.malsori.zip"
    done = subprocess.run(
        [sys.executable, "-m", "malsori", "import-espnet", str(path), "--out", str(out)],
        capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    assert not out.exists() and not out.parent.exists()
