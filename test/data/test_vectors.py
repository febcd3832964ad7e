"""Speaker vectors: read as written, and whatever else stands there is refused."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable
from pathlib import Path

import kaldiio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.core.errors import MalsoriError
from malsori.data.check import check
from malsori.data.datadir import DataDir
from malsori.data.vectors import VectorError, read_vector

Make = Callable[..., Path]


def write(folder: Path, name: str, vectors: dict[str, np.ndarray]) -> Path:
    """Write vectors as ESPnet's scripts do; return the table."""
    scp = folder / f"{name}.scp"
    kaldiio.save_ark(str(folder / f"{name}.ark"), vectors, scp=str(scp))
    return scp


def random_vectors(keys: list[str], size: int = 5) -> dict[str, np.ndarray]:
    random = np.random.default_rng(len(keys))
    return {key: random.normal(size=size).astype(np.float32) for key in keys}


UTTERANCES = ["utt_0", "utt_1", "utt_2"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_vector_comes_back_as_written(tmp_path: Path, dtype: type) -> None:
    vectors = {key: v.astype(dtype) for key, v in random_vectors(["a", "b"], 192).items()}
    lines = write(tmp_path, "xvector", vectors).read_text().splitlines()
    for line, expected in zip(lines, vectors.values(), strict=True):
        found = read_vector(line.split()[1])
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected.astype(np.float32))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\0BFM \4\1\0\0\0\4\1\0\0\0\0\0\0\0", "damaged or no vector"),
        (b"\0BFV \4\3\0\0\0\0\0\0\0", "damaged or no vector"),  # cut off
        (b"\0BFV \4\0\0\0\0", "not a vector with numbers"),
        (b"\0BFV \4\1\0\0\0\0\0\xc0\x7f", "1 of its numbers are not finite"),
        (pickle.dumps(np.ones(3)), "damaged or no vector"),
        (b" [ 1 2 3 ]\n", "damaged or no vector"),
        (b"", "damaged or no vector"),
    ],
)
def test_what_is_no_vector_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "x.ark").write_bytes(content)
    with pytest.raises(VectorError, match=told) as caught:
        read_vector(f"{tmp_path}/x.ark:0")
    assert str(caught.value).startswith(f"{tmp_path}/x.ark:0: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize("place", ["x.npy", "x.ark", ":3", "x.ark:-1", "x.ark:2[0:1]", "touch x |"])
def test_other_places_are_refused(place: str) -> None:
    with pytest.raises(VectorError, match=r"is not 'file\.ark:offset'"):
        read_vector(place)


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(VectorError, match=r"none\.ark:5: No such file"):
        read_vector(f"{tmp_path}/none.ark:5")


@given(st.binary(max_size=40), st.booleans(), st.integers(0, 60))
@settings(max_examples=200, deadline=None)
def test_no_content_breaks_the_reader(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, marked: bool, offset: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.ark"
    path.write_bytes((b"\0BFV \4" if marked else b"") + content)
    with contextlib.suppress(VectorError):
        assert np.isfinite(read_vector(f"{path}:{offset}")).all()


def test_a_data_dir_gives_the_vector_of_each_utterance(make_data_dir: Make) -> None:
    folder = make_data_dir(3)
    data = DataDir(folder)
    assert not data.has_embeddings and data.embedding_size == 0 and data.embedding(0) is None
    vectors = random_vectors(UTTERANCES)
    write(folder, "xvector", vectors)
    write(folder, "spk2xvector", random_vectors(["spk_a", "spk_b"], 7))  # the utterance's own win
    data = pickle.loads(pickle.dumps(DataDir(folder)))  # noqa: S301 (as a reading process has it)
    assert data.has_embeddings and data.embedding_size == 5
    for i, key in enumerate(UTTERANCES):
        np.testing.assert_array_equal(data.embedding(i), vectors[key])


def test_a_data_dir_gives_the_vector_of_each_speaker(make_data_dir: Make) -> None:
    folder = make_data_dir(3)
    vectors = random_vectors(["spk_a", "spk_b"])
    write(folder, "spk2xvector", vectors)
    data = DataDir(folder)
    assert data.embedding_size == 5
    for i, speaker in enumerate(["spk_a", "spk_b", "spk_b"]):
        np.testing.assert_array_equal(data.embedding(i), vectors[speaker])
    write(folder, "spk2xvector", {"spk_a": vectors["spk_a"]})
    with pytest.raises(MalsoriError, match=r"no vector of 'spk_b', who speaks 'utt_1'"):
        DataDir(folder).embedding(1)


def test_vectors_that_do_not_belong_are_refused(make_data_dir: Make) -> None:
    folder = make_data_dir(3)
    write(folder, "xvector", random_vectors(UTTERANCES[:2]))
    with pytest.raises(MalsoriError, match=r"xvector\.scp: 2 utterances where text has 3"):
        DataDir(folder)
    write(folder, "xvector", random_vectors(["utt_0", "utt_1", "utt_9"]))
    with pytest.raises(MalsoriError, match=r"xvector\.scp:3: 'utt_9' where text has 'utt_2'"):
        DataDir(folder)
    mixed = random_vectors(UTTERANCES)
    mixed["utt_1"] = mixed["utt_1"][:4]
    write(folder, "xvector", mixed)
    with pytest.raises(MalsoriError, match=r"xvector\.scp:2: 4 numbers, the first vector has 5"):
        DataDir(folder).embedding(1)
    mixed["utt_1"] = np.full(5, np.nan, np.float32)
    write(folder, "xvector", mixed)
    with pytest.raises(MalsoriError, match=r"xvector\.scp:2: .*\.ark:\d+: 5 of its numbers"):
        DataDir(folder).embedding(1)


def test_a_model_of_another_size_is_refused_before_it_reads(make_data_dir: Make) -> None:
    folder = make_data_dir(3)
    with pytest.raises(MalsoriError, match=r"set: no xvector\.scp .* takes 8 numbers \(model\.sp"):
        DataDir(folder).check_embeddings(8)
    write(folder, "xvector", random_vectors(UTTERANCES))
    DataDir(folder).check_embeddings(5)
    with pytest.raises(MalsoriError, match=r"xvector\.scp: vectors of 5, but the model takes 8"):
        DataDir(folder).check_embeddings(8)


def spoil(vectors: dict[str, np.ndarray], key: str, vector: np.ndarray | None) -> None:
    if vector is None:
        del vectors[key]
    else:
        vectors[key] = vector


@pytest.mark.parametrize(
    ("name", "key", "vector", "told"),
    [
        ("xvector", "utt_1", None, "text:2: 'utt_1' is not in xvector.scp: add it there"),
        ("xvector", "utt_9", np.ones(5, "f"), "xvector.scp:4: 'utt_9' is not in text"),
        ("xvector", "utt_1", np.ones(4, "f"), "xvector.scp:2: a vector of 4 numbers, that of 'utt"),
        (
            "xvector",
            "utt_2",
            np.array([1, np.inf], "f"),
            "1 of its numbers are not finite: extract",
        ),
        ("spk2xvector", "spk_b", None, "spk2utt:2: 'spk_b' is not in spk2xvector.scp: add it"),
        ("spk2xvector", "spk_b", np.ones(3, "f"), "spk2xvector.scp:2: a vector of 3 numbers"),
    ],
)
def test_check_finds_it_with_its_line(
    make_data_dir: Make, name: str, key: str, vector: np.ndarray | None, told: str
) -> None:
    folder = make_data_dir(3)
    vectors = random_vectors(UTTERANCES if name == "xvector" else ["spk_a", "spk_b"])
    write(folder, name, vectors)
    assert check(folder) == []
    spoil(vectors, key, vector)
    write(folder, name, vectors)
    problems = [str(problem) for problem in check(folder)]
    assert len(problems) == 1 and told in problems[0], problems
    assert problems[0].startswith(str(folder)) and "\n" not in problems[0]


def test_check_names_missing_archives_and_empty_rows(make_data_dir: Make) -> None:
    folder = make_data_dir(2)
    (folder / "xvector.scp").write_text(f"utt_0 {folder}/none.ark:6\nutt_1\n")
    assert [str(problem).removeprefix(f"{folder}/xvector.scp:") for problem in check(folder)] == [
        f"1: {folder}/none.ark:6: No such file or directory: extract it again",
        "2: nothing after the key: add it, or remove the utterance from all files",
    ]
