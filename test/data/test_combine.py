"""Several corpora as one: ids kept apart, files that fit each other, mistakes in one line."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import kaldiio
import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from malsori.bin.main import main
from malsori.core.errors import MalsoriError, UsageError
from malsori.data.check import check
from malsori.data.combine import Part, combine
from malsori.data.datadir import DataDir

RATE = 8000


def write_rows(path: Path, rows: dict[str, str]) -> None:
    keys = sorted(rows, key=str.encode)
    path.write_text("".join(f"{key} {rows[key]}\n" for key in keys), encoding="utf-8")


def rows_of(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split(" ", 1) for line in lines)


def corpus(
    folder: Path,
    ids: Sequence[str] = ("u1", "u2"),
    *,
    speaker: str = "spk",
    language: str | None = None,
    segments: bool = True,
    rate: int = RATE,
    vector: int = 0,
) -> Path:
    """Write a data dir of one speaker, half a second of noise an utterance."""
    folder.mkdir(parents=True)
    wavs = {key: folder / "wav" / f"{key}.wav" for key in ids}
    for path in wavs.values():
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, 0.1 * np.sin(np.arange(rate // 2)), rate)
    write_rows(folder / "wav.scp", {key: str(path) for key, path in wavs.items()})
    write_rows(folder / "text", {key: f"text of {key}" for key in ids})
    write_rows(folder / "utt2spk", dict.fromkeys(ids, speaker))
    write_rows(folder / "spk2utt", {speaker: " ".join(sorted(ids, key=str.encode))})
    write_rows(folder / "utt2dur", dict.fromkeys(ids, "0.3" if segments else "0.5"))
    if segments:
        write_rows(folder / "segments", {key: f"{key} 0.1 0.4" for key in ids})
    if language:
        write_rows(folder / "utt2lang", dict.fromkeys(ids, language))
    if vector:
        vectors = {key: np.full(vector, 2.0, dtype=np.float32) for key in ids}
        kaldiio.save_ark(f"{folder}/x.ark", vectors, scp=f"{folder}/xvector.scp")
    return folder


def test_ids_are_kept_apart_and_all_files_fit(tmp_path: Path) -> None:
    ours = corpus(tmp_path / "b", speaker="anna", language="ko", segments=False)
    theirs = corpus(tmp_path / "a", ["u2", "u9"], speaker="anna", language="en")
    (made,) = combine([Part(name="b", path=ours), Part(name="a", path=theirs)], tmp_path / "out")
    assert made == (tmp_path / "out", 4, 2, ("en", "ko"))
    assert check(tmp_path / "out") == []
    data = DataDir(tmp_path / "out")
    assert [data.key(i) for i in range(4)] == ["a-u2", "a-u9", "b-u1", "b-u2"]
    assert [data.speaker(i) for i in range(4)] == ["a-anna", "a-anna", "b-anna", "b-anna"]
    assert [data.language(i) for i in range(4)] == ["en", "en", "ko", "ko"]
    assert data.text(0) == "text of u2" and data.speakers() == ["a-anna", "b-anna"]
    np.testing.assert_array_equal(data.seconds, np.float32([0.3, 0.3, 0.5, 0.5]))
    assert [len(data.wav(i, RATE)) for i in range(4)] == [2400, 2400, 4000, 4000]


WORD = st.text("aZ0_9", min_size=1, max_size=3)
KEY = st.text("a0-_.~한", min_size=1, max_size=4)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(ids=st.dictionaries(WORD, st.sets(KEY, min_size=1, max_size=4), min_size=2, max_size=4))
def test_whatever_the_names_it_is_sorted_and_stable(tmp_path: Path, ids: dict[str, set]) -> None:
    root = tmp_path / "x"
    shutil.rmtree(root, ignore_errors=True)
    wav = tmp_path / "one.wav"
    soundfile.write(wav, np.zeros(80), RATE)
    parts = []
    for name, keys in ids.items():
        folder = root / name
        folder.mkdir(parents=True)
        for file, value in {
            "wav.scp": str(wav),
            "text": "t",
            "utt2spk": "s",
            "utt2dur": "1",
        }.items():
            write_rows(folder / file, dict.fromkeys(keys, value))
        write_rows(folder / "spk2utt", {"s": " ".join(sorted(keys, key=str.encode))})
        parts.append(Part(name=name, path=folder))
    combine(parts, root / "all out")
    combine(parts[1:], root / "fewer out")
    found, fewer = (
        (root / f"{name} out" / "text").read_bytes().splitlines() for name in ("all", "fewer")
    )
    keys = [line.split()[0] for line in found]
    assert keys == sorted(set(keys)) and len(keys) == sum(map(len, ids.values()))
    assert [line for line in found if not line.startswith(parts[0].name.encode() + b"-")] == fewer
    speakers = rows_of(root / "all out" / "spk2utt")
    assert speakers.keys() == {f"{name}-s" for name in ids}
    assert all(key.startswith(s[:-1]) for s, listed in speakers.items() for key in listed.split())


def test_paths_stay_valid_in_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = corpus(tmp_path / "a", vector=3)
    for name in ("wav.scp", "xvector.scp"):
        text = (folder / name).read_text().replace(f"{tmp_path}/", "")
        (folder / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    combine([Part(name="a", path=Path("a"))], Path("out"))
    monkeypatch.chdir("/")
    assert check(tmp_path / "out") == []
    assert DataDir(tmp_path / "out").embedding(1).tolist() == [2.0] * 3


@pytest.mark.parametrize("told", [False, True])
def test_a_language_that_is_missing_is_asked_for(tmp_path: Path, told: bool) -> None:
    parts = [
        Part(name="a", path=corpus(tmp_path / "a", language="en")),
        Part(name="b", path=corpus(tmp_path / "b"), language="ko" if told else None),
    ]
    if told:
        combine(parts, tmp_path / "out")
        assert rows_of(tmp_path / "out" / "utt2lang") == {
            "a-u1": "en", "a-u2": "en", "b-u1": "ko", "b-u2": "ko",
        }  # fmt: skip
        assert check(tmp_path / "out") == []
        return
    with pytest.raises(MalsoriError, match=r"b: has no utt2lang.* b=.*/b:ko$"):
        combine(parts, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_any_language_there_is_none(tmp_path: Path) -> None:
    (made,) = combine([Part(name="a", path=corpus(tmp_path / "a"))], tmp_path / "out")
    assert made.languages == () and not (tmp_path / "out" / "utt2lang").exists()


def test_speaker_vectors_are_kept_where_all_have_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sizes = {"a": 3, "b": 3, "c": 4, "d": 0}
    parts = {
        name: Part(name=name, path=corpus(tmp_path / name, vector=size))
        for name, size in sizes.items()
    }
    combine([parts["a"], parts["b"]], tmp_path / "ab")
    assert DataDir(tmp_path / "ab").embedding_size == 3 and check(tmp_path / "ab") == []
    with pytest.raises(
        MalsoriError, match=r"xvector\.scp: vectors of different sizes, 3 in .*4 in"
    ):
        combine([parts["a"], parts["c"]], tmp_path / "ac")
    with caplog.at_level(logging.WARNING, "malsori"):
        combine([parts["a"], parts["d"]], tmp_path / "ad")
    assert "speaker vectors are left out: none in" in caplog.text
    assert not DataDir(tmp_path / "ad").has_embeddings


def test_the_encoder_of_speaker_vectors_is_kept(tmp_path: Path) -> None:
    said = {"a": "resemblyzer", "b": "resemblyzer", "c": "other", "d": ""}
    parts = {}
    for name, encoder in said.items():
        parts[name] = Part(name=name, path=corpus(tmp_path / name, vector=3))
        if encoder:
            (tmp_path / name / "xvector.json").write_text(json.dumps({"encoder": encoder}))
    combine([parts["a"], parts["b"]], tmp_path / "ab")
    assert DataDir(tmp_path / "ab").speaker_encoder == "resemblyzer"
    combine([parts["a"], parts["d"]], tmp_path / "ad")
    assert DataDir(tmp_path / "ad").speaker_encoder is None
    with pytest.raises(MalsoriError, match="different encoders, other and resemblyzer: use one"):
        combine([parts["a"], parts["c"]], tmp_path / "ac")


@pytest.mark.parametrize(
    ("wanted", "warned"), [(None, "a: recorded at 8000 Hz: audio.sample_rate 16000"), (8000, "")]
)
def test_what_is_upsampled_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, wanted: int | None, warned: str
) -> None:
    parts = [
        Part(name=name, path=corpus(tmp_path / name, rate=rate))
        for name, rate in (("a", 8000), ("b", 16000))
    ]
    with caplog.at_level(logging.INFO, "malsori"):
        combine(parts, tmp_path / "out", wanted)
    assert "b: sample rate 16000 Hz (2 files)" in caplog.text
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == bool(warned) and all(line.startswith(warned) for line in warnings)


def test_of_folders_every_set_and_each_corpus_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = {"kss": ("train", "test", "extra"), "lj": ("test", "train", "dev")}
    for name, held in sets.items():
        for each in held:
            corpus(tmp_path / name / each, [f"{each}1"], language="ko")
    (tmp_path / "kss" / "tokens").mkdir()
    words = ["data", "combine", f"{tmp_path}/kss", f"{tmp_path}/lj", "--out", f"{tmp_path}/out"]
    for _ in range(2):  # a second run replaces what the first one wrote
        assert main(words) == 0
        written = sorted(path.name for path in (tmp_path / "out").iterdir())
        assert written == ["dev_lj", "extra_kss", "test", "test_kss", "test_lj", "train"]
        told = capsys.readouterr().out
        assert f"{tmp_path}/out/train: 2 utterances, 2 speakers, ko" in told
    assert list(rows_of(tmp_path / "out" / "test" / "text")) == ["kss-test1", "lj-test1"]
    assert list(rows_of(tmp_path / "out" / "test_lj" / "text")) == ["lj-test1"]


@pytest.mark.parametrize(
    ("word", "name", "path", "language"),
    [
        ("kss=x/y", "kss", "x/y", None),
        ("x/kss", "kss", "x/kss", None),
        ("x/kss:ko", "kss", "x/kss", "ko"),
        ("k=/x/kss:en-GB", "k", "/x/kss", "en-GB"),
        ("k=a=b", "k", "a=b", None),
        ("k=x:/y", "k", "x:/y", None),
    ],
)
def test_how_a_corpus_is_named(word: str, name: str, path: str, language: str | None) -> None:
    assert Part.read(word) == Part(name=name, path=Path(path), language=language)


def test_a_folder_with_signs_in_its_name_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a:ko", "b=c"):
        (tmp_path / name).mkdir()
    assert Part.read("x=a:ko").path == Path("a:ko")
    with pytest.raises(UsageError, match=r"'b=c' is no name of a corpus .*NAME=b=c"):
        Part.read("b=c")


def swap(folder: Path) -> None:
    lines = (folder / "text").read_text().splitlines(keepends=True)
    (folder / "text").write_text("".join(reversed(lines)))


def change(name: str, old: str, new: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        content = (folder / name).read_text()
        assert old in content
        (folder / name).write_text(content.replace(old, new))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (swap, r"utt2spk:1: 'u1' where text has 'u2'"),
        (change("utt2spk", "u2", "u3"), r"utt2spk:2: 'u3' where text has 'u2'"),
        (change("text", "u2 text", "u1 text"), r"utt2spk:2: 'u2' where text has 'u1'"),
        (change("spk2utt", "u1 u2", "u1"), r"spk2utt: 1 utterances, not 2: 'malsori data check"),
        (change("wav.scp", "u2.wav", "u2.wav |"), r"'u2' is a shell pipe, which is never run"),
        (change("wav.scp", "u2.wav", "no.wav"), r"no\.wav: no such audio file"),
        (change("utt2dur", "u2 0.3", "u2"), r"utt2dur:2: not 'key value' in UTF-8"),
        (lambda folder: (folder / "utt2dur").unlink(), r"utt2dur: no such file"),
        (lambda folder: (folder / "text").write_bytes(b"u1 \xff\nu2 x\n"), r"text:1: not 'key val"),
        (lambda folder: shutil.rmtree(folder), r"bad: no such folder: run stage 1"),
        (lambda folder: (folder / "text").unlink(), r"bad: no data dir: run stage 1"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[Path], None], told: str
) -> None:
    good, bad = corpus(tmp_path / "good"), corpus(tmp_path / "bad")
    spoil(bad)
    out = tmp_path / "out"
    assert main(["data", "combine", str(good), str(bad), "--out", str(out)]) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("malsori data: error: ")
    with pytest.raises(MalsoriError, match=told):
        combine([Part(name="good", path=good), Part(name="bad", path=bad)], out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("u2 u1", "text:2: 'u1' is not where LC_ALL=C sort"),
        ("u1 u1", "text:2: 'u1' is there twice"),
    ],
)
def test_files_that_are_all_unsorted_are_found(tmp_path: Path, keys: str, told: str) -> None:
    folder = corpus(tmp_path / "a")
    for name in ("text", "utt2spk", "utt2dur", "segments"):
        rows = rows_of(folder / name)
        (folder / name).write_text("".join(f"{key} {rows[key]}\n" for key in keys.split()))
    with pytest.raises(MalsoriError, match=told):
        combine([Part(name="a", path=folder)], tmp_path / "out")


def test_other_keys_in_the_middle_of_a_long_file_are_found(tmp_path: Path) -> None:
    """Opening a data dir compares a hundred rows; joining it compares all."""
    folder = corpus(tmp_path / "a", [f"u{i:03}" for i in range(300)])
    change("utt2spk", "u152 ", "u151x ")(folder)
    DataDir(folder)
    with pytest.raises(
        MalsoriError, match=r"utt2spk: other utterances than in text: 'malsori data"
    ):
        combine([Part(name="a", path=folder)], tmp_path / "out")


def test_a_set_or_language_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    a, b = corpus(tmp_path / "a", language="ko"), corpus(tmp_path / "b" / "train")
    two = Part(name="two", path=a)
    cases: list[tuple[list[Part], Path, str]] = [
        ([two, two], tmp_path / "out", "are both called 'two': give them names"),
        ([], tmp_path / "out", "no data dirs"),
        ([two, Part(name="b", path=b.parent)], tmp_path / "out", "a: a data dir, but others"),
        ([two], a, "is one of the corpora"),
        ([two], b.parent, "is there already and is no data dir"),
        ([Part(name="a", path=a, language="en")], tmp_path / "out", "says ko already: leave ':en'"),
    ]
    corpus(tmp_path / "c" / "test")
    folders = [Part(name=name, path=tmp_path / name) for name in ("b", "c")]
    cases.append(
        (folders, tmp_path / "out", "no set is in all of the folders: .*b: train; .*c: test")
    )
    for parts, out, told in cases:
        with pytest.raises(MalsoriError, match=told):
            combine(parts, out)
    assert (a / "text").exists() and not (tmp_path / "out").exists()
