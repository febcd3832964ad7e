"""A voice with speaker vectors: trained, decoded and asked with those of the data dir or a file."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import kaldiio
import numpy as np
import pytest
import torch

from malsori.core.errors import MalsoriError
from malsori.data.batch import collate
from malsori.data.datadir import DataDir
from malsori.data.dataset import Names, SpeechDataset
from malsori.infer.decode import decode
from malsori.infer.voice import load_run
from malsori.text.tokens import TokenList
from malsori.train.run import train

SIZE = 6


@pytest.fixture(scope="module")
def corpus(tiny_corpus: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the tiny corpus with a vector for each utterance of train and dev, none in test."""
    data = shutil.copytree(tiny_corpus.data, tmp_path_factory.mktemp("vectors") / "data")
    random = np.random.default_rng(0)
    for name in ("train", "dev"):
        source = DataDir(data / name)
        vectors = {
            source.key(i): random.normal(size=SIZE).astype(np.float32) for i in range(len(source))
        }
        kaldiio.save_ark(
            str(data / name / "xvector.ark"), vectors, scp=str(data / name / "xvector.scp")
        )
    return dataclasses.replace(tiny_corpus, data=data)


def settings(corpus: Any, *overrides: str) -> Any:
    return corpus.settings(
        f"data.train={corpus.data}/train", f"data.dev={corpus.data}/dev", *overrides
    )


def dataset(corpus: Any, name: str, size: int) -> SpeechDataset:
    config = settings(corpus)
    return SpeechDataset(
        str(corpus.data / name),
        config.data,
        config.audio,
        TokenList.load(corpus.tokens / "tokens.txt"),
        Names.of(DataDir(corpus.data / "train")),
        5.0,
        size,
    )


@pytest.fixture(scope="module")
def run(corpus: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exp") / "vectors"
    chosen = (f"model.speaker_embedding.size={SIZE}", "training.steps=2")
    train(settings(corpus, *chosen, "training.validate_every=2"), folder)
    return folder


def test_batches_carry_the_vectors_in_their_order(corpus: Any) -> None:
    data, source = dataset(corpus, "train", SIZE), DataDir(corpus.data / "train")
    batch = collate([data[i] for i in (3, 1, 2)])
    assert batch.embedding.shape == (3, SIZE) and batch.embedding.dtype == torch.float32
    for i, row in zip((3, 1, 2), batch.embedding, strict=True):
        np.testing.assert_array_equal(row, source.embedding(i))
    assert torch.equal(batch.to(torch.device("cpu")).embedding, batch.embedding)


def test_a_model_without_reads_none(corpus: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="malsori"):
        data = dataset(corpus, "train", 0)
    assert "speaker vectors are not used" in caplog.text
    batch = collate([data[0], data[1]])
    assert batch.embedding is None and batch.to(torch.device("cpu")).embedding is None


def test_another_size_is_one_line_before_training(corpus: Any, tmp_path: Path) -> None:
    with pytest.raises(MalsoriError) as caught:
        train(settings(corpus, "model.speaker_embedding.size=4"), tmp_path / "exp")
    assert str(caught.value) == (
        f"{corpus.data}/train/xvector.scp: vectors of 6, but the model takes 4 numbers "
        "(model.speaker_embedding.size)"
    )
    assert not (tmp_path / "exp" / "checkpoints").exists()


def test_data_without_vectors_is_refused(tiny_corpus: Any, tmp_path: Path) -> None:
    chosen = tiny_corpus.settings("model.speaker_embedding.size=4")
    with pytest.raises(MalsoriError, match=r"train: no xvector\.scp and no spk2xvector\.scp, but"):
        train(chosen, tmp_path / "exp")


def test_training_moves_the_layer_that_reads_vectors(run: Path, corpus: Any) -> None:
    from malsori.data.stats import Statistics
    from malsori.train.run import build_task

    voice = load_run(run, "last")
    trained = voice.model.conditioning.embedding.weight
    assert voice.embedding_size == SIZE and trained.shape == (16, SIZE)
    chosen = settings(corpus, f"model.speaker_embedding.size={SIZE}")
    torch.manual_seed(chosen.seed)
    statistics = Statistics.load(corpus.stats / "stats.json")
    names = Names.of(DataDir(corpus.data / "train"))
    fresh = build_task(chosen, TokenList.load(corpus.tokens / "tokens.txt"), statistics, names)
    start = fresh.players["generator"].conditioning.embedding.weight
    assert (trained - start).abs().max() > 1e-5


def test_decoding_takes_them_from_the_data_dir(run: Path, corpus: Any, tmp_path: Path) -> None:
    voice = load_run(run)
    given = []
    speak = voice.model.synthesize

    def record(tokens: Any, lengths: Any, conditions: Any, **rest: Any) -> Any:
        given.append(conditions.embedding)
        return speak(tokens, lengths, conditions, **rest)

    voice.model.synthesize = record
    source = DataDir(corpus.data / "dev")
    decode(voice, source, tmp_path / "dev", batch_seconds=0.1)  # one at a time
    expected = np.stack([source.embedding(i) for i in range(len(source))])
    found = torch.cat(given).numpy()
    np.testing.assert_array_equal(
        found[np.argsort(found[:, 0])], expected[np.argsort(expected[:, 0])]
    )
    decode(voice, source, tmp_path / "forced", forced=True)
    with pytest.raises(MalsoriError, match=r"test: no xvector\.scp"):
        decode(voice, DataDir(corpus.data / "test"), tmp_path / "test")
    assert not (tmp_path / "test").exists()


def test_synthesize_takes_one_from_a_file(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from malsori.bin.main import main

    def say(*words: object) -> tuple[int, str]:
        out = ("--out", tmp_path / "out.wav", "--text", "나무가 있다.")
        code = main([str(word) for word in ("synthesize", "--model", run, *out, *words)])
        return code, capsys.readouterr().err

    np.save(tmp_path / "right.npy", np.ones(SIZE))
    np.save(tmp_path / "wrong.npy", np.ones(SIZE + 1))
    np.save(tmp_path / "nan.npy", np.full(SIZE, np.nan))
    np.save(tmp_path / "pickled.npy", np.array([{}]), allow_pickle=True)
    assert say("--speaker-embedding", tmp_path / "right.npy")[0] == 0
    assert (tmp_path / "out.wav").exists()
    for name, told in (
        ("wrong.npy", f"wrong.npy: needs {SIZE} finite numbers"),
        ("nan.npy", f"nan.npy: needs {SIZE} finite numbers"),
        ("pickled.npy", "pickled.npy: cannot be read as a NumPy array"),
        ("none.npy", "none.npy: cannot be read as a NumPy array"),
    ):
        code, err = say("--speaker-embedding", tmp_path / name)
        assert code == 1 and told in err and "Traceback" not in err, err
    code, err = say()
    assert code == 1 and f"needs {SIZE} numbers" in err
