"""Packs from strangers: opening one executes nothing, writes nothing, and fails with one line."""

from __future__ import annotations

import io
import json
import random
import shutil
import sys
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import load, save

from malsori.core.errors import MalsoriError
from malsori.infer.pack import load_pack
from malsori.packs.format import read_meta

Repack = Callable[..., Path]


@pytest.fixture(autouse=True)
def _nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Fail if a test leaves more in the working and temporary folders than it made itself."""
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr("tempfile.tempdir", str(place))
    yield
    assert not list(place.iterdir())


def refused(path: Path, *parts: str) -> None:
    """Check that the pack is refused in one line that has all the parts."""
    with pytest.raises(MalsoriError) as caught:
        load_pack(path)
    line = str(caught.value)
    assert "\n" not in line.strip() and path.name in line
    for part in parts:
        assert part in line, line


def complaint(path: Path) -> str:
    """Return why a pack is refused; nothing if it is not."""
    try:
        read_meta(path)
    except MalsoriError as error:
        return str(error).strip()
    return ""


def with_members(path: Path, tiny_pack: Path, *more: tuple[Any, bytes]) -> Path:
    shutil.copyfile(tiny_pack, path)
    with zipfile.ZipFile(path, "a") as archive:
        for info, content in more:
            archive.writestr(info, content)
    return path


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_cut_off(tiny_pack: Path, tmp_path: Path, share: float) -> None:
    content = tiny_pack.read_bytes()
    path = tmp_path / "cut.zip"
    path.write_bytes(content[: int(len(content) * share)])
    refused(path, "not a readable pack")


def test_missing_file_and_folder_of_another_kind(tmp_path: Path) -> None:
    refused(tmp_path / "none.zip", "no such file")
    (tmp_path / "text.zip").write_text("no zip")
    refused(tmp_path / "text.zip", "not a readable pack")


@pytest.mark.parametrize(
    "name",
    ["../evil.py", "/tmp/evil.py", "a/../../evil", "code.py", "model.pkl", "x/config.yaml", "dir/"],
)
def test_foreign_member(tiny_pack: Path, tmp_path: Path, name: str) -> None:
    path = with_members(tmp_path / "more.zip", tiny_pack, (name, b"import os"))
    refused(path, repr(name), "no part of a pack")
    assert not (tmp_path.parent / "evil.py").exists() and not Path("/tmp/evil.py").exists()


def test_link(tiny_pack: Path, tmp_path: Path) -> None:
    info = zipfile.ZipInfo("lexicon.tsv")
    info.external_attr = 0o120777 << 16
    refused(with_members(tmp_path / "l.zip", tiny_pack, (info, b"/etc/passwd")), "is a link")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_member_given_twice(tiny_pack: Path, tmp_path: Path) -> None:
    path = with_members(tmp_path / "two.zip", tiny_pack, ("config.yaml", b"model: {}"))
    refused(path, "'config.yaml' twice")


def test_zip_bomb(tiny_pack: Path, tmp_path: Path) -> None:
    bomb = zipfile.ZipInfo("lexicon.tsv")
    bomb.compress_type = zipfile.ZIP_DEFLATED
    path = tmp_path / "bomb.zip"
    shutil.copyfile(tiny_pack, path)
    with zipfile.ZipFile(path, "a") as archive, archive.open(bomb, "w") as member:
        for _ in range(257):
            member.write(bytes(1 << 20))
    assert path.stat().st_size < 2 << 20
    started = time.monotonic()
    refused(path, "lexicon.tsv would be 257 MB, more than 256 MB")
    assert time.monotonic() - started < 1


def test_header_that_lies_about_the_size(repack: Repack) -> None:
    path = repack(lambda members: members.update({"lexicon.tsv": b"word\ta\n" * 100}))
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02", 0, content.rindex(b"lexicon.tsv"))
    content[at + 24 : at + 28] = (10).to_bytes(4, "little")
    path.write_bytes(content)
    refused(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression(tiny_pack: Path, tmp_path: Path, method: int) -> None:
    info = zipfile.ZipInfo("lexicon.tsv")
    info.compress_type = method
    refused(with_members(tmp_path / "c.zip", tiny_pack, (info, b"word")), "compressed in a way")


@pytest.mark.parametrize("name", ["config.yaml", "tokens.txt", "stats.json", "model.safetensors"])
def test_wrong_hash(repack: Repack, name: str) -> None:
    def change(members: dict[str, bytes]) -> None:
        members[name] = members[name][:-1] + b"?"

    refused(repack(change, hashes=False), name, "does not have the hash")


@pytest.mark.parametrize("name", ["meta.yaml", "config.yaml", "stats.json", "model.safetensors"])
def test_missing_member(repack: Repack, name: str) -> None:
    refused(repack(lambda members: members.pop(name), hashes=False), f"{name} is missing")


def test_listed_member_that_is_not_there(repack: Repack) -> None:
    def change(members: dict[str, bytes]) -> None:
        meta = yaml.safe_load(members["meta.yaml"])
        meta["sha256"]["lexicon.tsv"] = "0" * 64
        members["meta.yaml"] = yaml.safe_dump(meta).encode()

    refused(repack(change, hashes=False), "lexicon.tsv is missing")


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_other_format_version(repack: Repack, version: object) -> None:
    def change(members: dict[str, bytes]) -> None:
        meta = yaml.safe_load(members["meta.yaml"])
        members["meta.yaml"] = yaml.safe_dump(meta | {"format_version": version}).encode()

    refused(repack(change), f"format version {version!r}")


def in_config(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, bytes]], None]:
    def apply(members: dict[str, bytes]) -> None:
        tree = yaml.safe_load(members["config.yaml"])
        change(tree)
        members["config.yaml"] = yaml.safe_dump(tree, sort_keys=False).encode()

    return apply


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: tree["model"].update(name="evil.module:ENTRY"),
        lambda tree: tree.update(model="evil.module:ENTRY"),
        lambda tree: tree["model"]["generator"].update(name="evil.module:ENTRY"),
        lambda tree: tree["model"].update(generator="evil.module:ENTRY"),
        lambda tree: tree["tokenizer"].update(frontend="evil.module:ENTRY"),
    ],
)
def test_foreign_code_is_never_imported(
    repack: Repack, change: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "trap" / "evil"
    trap.mkdir(parents=True)
    (trap / "__init__.py").write_text("raise SystemExit('executed')")
    (trap / "module.py").write_text("")
    monkeypatch.syspath_prepend(str(trap.parent))
    refused(repack(in_config(change)), "names code outside of malsori")
    assert not any(name.startswith("evil") for name in sys.modules)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda tree: tree["model"].update(name="vitz"), "vitz"),
        (lambda tree: tree["model"].update(widht=3), "widht"),
        (lambda tree: tree["audio"].update(hop="wide"), "audio.hop"),
        (lambda tree: tree["audio"].update(hop=128), "128"),
        (lambda tree: tree.update(speakers=5), "speakers"),
        (lambda tree: tree.update(speakers=[]), "speakers"),
        (lambda tree: tree.update(languages=[1]), "languages"),
        (lambda tree: tree.pop("model"), "'model'"),
        (lambda tree: tree["tokenizer"].update(frontend="klingon"), "klingon"),
        (lambda tree: tree["tokenizer"].update(type="bpe"), "bpe"),
        (lambda tree: tree["model"].update(width=32), "shape"),
    ],
)
def test_config_that_is_wrong(repack: Repack, change: Any, part: str) -> None:
    with pytest.raises(MalsoriError) as caught:
        load_pack(repack(in_config(change)))
    assert part in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda model: model.update(width=10_000_000), "model.width: must be in"),
        (lambda model: model.update(width=65536), "shape"),
        (lambda model: model["encoder"].update(layers=10_000_000), "model.encoder.layers: must be"),
        (lambda model: model["encoder"].update(layers=256), "is not in the weights"),
        (lambda model: model["encoder"].update(heads=0), "model.encoder.heads: must be in"),
        (lambda model: model["generator"].update(residual_kernels=[3] * 17), "at most 16 entries"),
    ],
)
def test_settings_that_ask_for_too_much(repack: Repack, change: Any, part: str) -> None:
    path = repack(in_config(lambda tree: change(tree["model"])))
    started = time.monotonic()
    refused(path, part)
    assert time.monotonic() - started < 20


def test_hashes_are_verified_piece_by_piece(repack: Repack) -> None:
    path = repack(lambda members: members.update({"training.safetensors": bytes(40 << 20)}))
    tracemalloc.start()
    try:
        assert "training.safetensors" in read_meta(path)["sha256"]
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"- list",
        b"a: [",
        b"\xff\xfe\x00",
        b"a: !!python/object/apply:os.system [true]",
        b"a: &a [1]\nb: *a",
        b"a: &a [*a]",
        b"a: " + b"[" * 5000 + b"]" * 5000,
    ],
    ids=["empty", "list", "open", "binary", "python", "alias", "endless", "deep"],
)
@pytest.mark.parametrize("name", ["meta.yaml", "config.yaml"])
def test_hostile_yaml(repack: Repack, name: str, content: bytes) -> None:
    path = repack(lambda members: members.update({name: content}), hashes=name == "config.yaml")
    refused(path, name)


def test_billion_laughs_take_no_time(repack: Repack) -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60)]
    started = time.monotonic()
    refused(repack(lambda members: members.update({"config.yaml": "\n".join(lines).encode()})))
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"a": NaN}'])
def test_stats_that_are_none(repack: Repack, content: bytes) -> None:
    refused(repack(lambda members: members.update({"stats.json": content})), "stats.json")


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle", b"\xff" * 100, b"\x08" + b"\0" * 20])
def test_weights_that_are_none(repack: Repack, content: bytes) -> None:
    refused(repack(lambda m: m.update({"model.safetensors": content})), "model.safetensors")


def test_token_list_of_another_model(repack: Repack) -> None:
    path = repack(lambda m: m.update({"tokens.txt": m["tokens.txt"] + b"new\n"}))
    refused(path, "tokens.txt is of another model", "[80, 16]", "[81, 16]")
    path = repack(lambda m: m.update({"tokens.txt": "가\n나\n".encode()}))
    with pytest.raises(MalsoriError, match=r"tokens\.txt"):
        load_pack(path)


def test_weights_of_another_model(repack: Repack) -> None:
    def change(members: dict[str, bytes]) -> None:
        weights = load(members["model.safetensors"])
        weights.pop("pitch_embedding.conv.bias")
        members["model.safetensors"] = save(weights)

    refused(repack(change), "'pitch_embedding.conv.bias' is not in the weights")


def test_no_damage_ever_shows_a_traceback(tiny_pack: Path, tmp_path: Path) -> None:
    """Flip, drop or repeat bytes anywhere: the pack loads, or is refused with one line."""
    content = tiny_pack.read_bytes()
    chance = random.Random(1)
    path = tmp_path / "spoilt.zip"
    spoilt = 0
    edges = [i for i in range(len(content)) if content[i : i + 2] == b"PK"]
    for _ in range(300):
        data = bytearray(content)
        at = min(len(data) - 1, chance.choice(edges) + chance.randrange(64))
        if chance.random() < 0.3:
            at = chance.randrange(len(data))
        kind = chance.randrange(3)
        if kind == 0:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del data[at : at + chance.randrange(1, 9)]
        else:
            data[at:at] = data[at : at + chance.randrange(1, 9)]
        path.write_bytes(data)
        told = complaint(path)
        spoilt += bool(told)
        assert "\n" not in told
    assert spoilt > 200


def test_random_zips_never_show_a_traceback(tmp_path: Path) -> None:
    chance = random.Random(2)
    names = ["meta.yaml", "config.yaml", "tokens.txt", "stats.json", "model.safetensors"]
    for number in range(60):
        memory = io.BytesIO()
        with zipfile.ZipFile(memory, "w") as archive:
            for name in names:
                archive.writestr(name, json.dumps(chance.choice([1, "a", [], {}, {"a": 1}, None])))
        path = tmp_path / f"{number}.zip"
        path.write_bytes(memory.getvalue())
        refused(path)
