"""Which utterance is in which set: split here, or as the corpus has it."""

from __future__ import annotations

import hashlib
import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.core.errors import MalsoriError
from malsori.data.splits import Split, has_sets, own_sets


@given(
    count=st.integers(3, 400),
    dev=st.integers(1, 60),
    test=st.integers(1, 60),
    rule=st.sampled_from(["even", "last"]),
)
@settings(max_examples=150, deadline=None)
def test_every_split_has_three_sets_that_share_nothing(
    count: int, dev: int, test: int, rule: str
) -> None:
    ids = [f"{i:04d}" for i in range(count)]
    sets = Split(dev=dev, test=test, rule=rule).sets(ids)  # type: ignore[arg-type]
    assert list(sets) == ids
    sizes = {name: list(sets.values()).count(name) for name in ("train", "dev", "test")}
    assert min(sizes.values()) >= 1
    assert sum(sizes.values()) == count
    assert sizes["dev"] <= dev and sizes["test"] <= test
    if dev + test <= count // 5:
        assert (sizes["dev"], sizes["test"]) == (dev, test)


def test_the_even_split_is_the_one_of_espnet() -> None:
    ids = [f"{i:05d}" for i in range(12854)]  # as many as KSS has
    sets = Split().sets(ids)
    held_out = [key for key in ids if sets[key] != "train"]
    assert {sets[key] for key in held_out[:250]} == {"dev"}
    assert {sets[key] for key in held_out[250:]} == {"test"}
    # the same numbers, given to the recursion of Kaldi's subset_scp.pl, run by perl
    told = "".join(f"{key}\n" for key in held_out).encode()
    assert hashlib.sha256(told).hexdigest().startswith("f23359b844e4b108")
    assert (*held_out[:3], *held_out[249:251], held_out[-1]) == (
        *("00049", "00074", "00099"),
        *("06426", "06476"),
        "12853",
    )


def test_the_last_split_is_the_end_of_the_corpus() -> None:
    ids = [f"{i:05d}" for i in range(13100)]
    sets = Split(rule="last").sets(ids)
    assert {sets[key] for key in ids[:-500]} == {"train"}
    assert {sets[key] for key in ids[-500:-250]} == {"dev"}
    assert {sets[key] for key in ids[-250:]} == {"test"}


def test_a_small_corpus_gives_a_tenth_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    sets = Split().sets([f"{i:03d}" for i in range(50)])
    assert list(sets.values()).count("dev") == 5 and list(sets.values()).count("test") == 5
    assert "dev gets 5 instead of 250, test 5 instead of 250" in caplog.text
    with pytest.raises(MalsoriError, match="2 utterances with audio"):
        Split().sets(["a", "b"])


@pytest.mark.parametrize(
    ("names", "sets"),
    [
        (["train", "dev", "test"], ["train", "dev", "test"]),
        (["tr_no_dev", "dev", "eval1"], ["train", "dev", "test"]),
        (["train_nodev", "train_dev", "test_eval92"], ["train", "dev", "test"]),
        (["train-clean-360", "dev-clean", "test-other"], ["train", "dev", "test"]),
        (["lists/lj_text_train_filelist.txt", "lists/lj_text_val_filelist.txt"], ["train", "dev"]),
        (["metadata_train.csv", "metadata_eval.csv"], ["train", "test"]),
        (["train.txt", "test.txt", "eval.txt"], ["train", "test", "dev"]),
        (["data/train-00000-of-00002", "data/validation-00000-of-00001"], ["train", "dev"]),
        (["train", "valid", "other"], ["train", "dev", "none"]),
        (["train"], [""]),
        (["dev", "test"], ["", ""]),
        (["mina", "june"], ["", ""]),
        (["contrast", "devil", "latest"], ["", "", ""]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)  # fmt: skip
def test_sets_by_their_names(names: list[str], sets: list[str]) -> None:
    assert list(own_sets(names).values()) == sets


@pytest.mark.parametrize(
    ("names", "kept"),
    [(("train", "dev"), True), (("train", ""), False), (("dev", "test"), False), ((), False)],
)
def test_what_is_a_split(names: tuple[str, ...], kept: bool) -> None:
    assert has_sets(names) is kept


def test_the_sets_of_a_corpus_are_kept(caplog: pytest.LogCaptureFixture) -> None:
    own = {"a": "dev", "b": "train", "c": "test", "d": "", "e": "train"}
    with caplog.at_level(logging.INFO, "malsori"):
        assert Split().complete(own) == {**own, "d": "train"}
    assert "sets as the corpus has them: train 3, dev 1, test 1 utterances" in caplog.text


@given(
    train=st.integers(2, 300),
    held_out=st.integers(1, 20),
    has=st.sampled_from(["dev", "test"]),
    rule=st.sampled_from(["even", "last"]),
)
@settings(max_examples=100, deadline=None)
def test_a_set_that_is_missing_comes_out_of_training(
    train: int, held_out: int, has: str, rule: str
) -> None:
    own = {f"{i:03d}": "train" if i < train else has for i in range(train + held_out)}
    sets = Split(dev=9, test=9, rule=rule).complete(own)  # type: ignore[arg-type]
    assert [id for id, name in sets.items() if name == has] == list(own)[train:]
    missing = {"dev": "test", "test": "dev"}[has]
    assert 1 <= list(sets.values()).count(missing) <= min(9, max(train // 10, 1))
    assert "train" in sets.values()


def test_too_few_for_training() -> None:
    with pytest.raises(MalsoriError, match="1 utterances for training: test needs some too"):
        Split().complete({"a": "train", "b": "dev"})
