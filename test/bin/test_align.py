"""``malsori align`` from the command line, and what else one asks of a model that only aligns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture
def packed(malsori: Run, aligner_run: Path, tmp_path: Path) -> Path:
    """Return a pack of the alignment network, made by the command."""
    out = tmp_path / "aligner.malsori.zip"
    done = malsori("pack", "--exp", aligner_run, "--out", out)
    assert done.code == 0, done.err
    assert "; it does not speak; it aligns recordings ('malsori align')" in done.out
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    return out


def files(out: Path) -> dict[str, bytes]:
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def test_run_and_pack_align_alike(
    malsori: Run, packed: Path, aligner_run: Path, tiny_corpus: Any, tmp_path: Path
) -> None:
    found = []
    for model in (aligner_run, packed):
        out = tmp_path / "out" / model.name
        done = malsori("align", "--model", model, "--data", tiny_corpus.data / "test", "--out", out)
        assert done.code == 0, done.err
        assert done.out.startswith(f"{out}: 2 utterances, 0.0 min aligned, 0 rejected, ")
        found.append(files(out))
    assert found[0] == found[1] and len(found[0]) == 4 + 2


def test_a_voice_that_speaks_aligns_too(
    malsori: Run, tiny_pack: Path, tiny_corpus: Any, tmp_path: Path
) -> None:
    words = ("--model", tiny_pack, "--data", tiny_corpus.data / "train", "--out", tmp_path / "x")
    done = malsori("align", *words, "--pause", "0", "--threads", "1")
    assert done.code == 0 and "16 utterances" in done.out
    suspicious = [
        row.split("\t")
        for row in (tmp_path / "x" / "alignment.tsv").read_text().splitlines()[1:]
        if not row.endswith("\t")
    ]
    told = [line.strip() for line in done.out.splitlines()[1:]]
    assert f", {len(suspicious)} suspicious; " in done.out
    assert told[:5] == [f"{row[0]}: {row[7]}" for row in suspicious[:5]]
    assert (len(told) == 6) == (len(suspicious) > 5)


@pytest.mark.parametrize("kind", ["run", "pack"])
def test_asked_to_speak_it_says_in_one_line_that_it_cannot(
    malsori: Run, packed: Path, aligner_run: Path, kind: str
) -> None:
    model = aligner_run if kind == "run" else packed
    out = packed.parent / "out"
    done = malsori("synthesize", "--model", model, "--text", "나무", "--out", out)
    assert done.code == 1 and not out.exists()
    assert f"{model}: does not speak; it aligns recordings ('malsori align')" in done.line


def test_stages_5_and_6_align_and_score_nothing(
    malsori: Run, aligner_run: Path, tiny_corpus: Any, tmp_path: Path
) -> None:
    data = tiny_corpus.data / "test"
    words = ("--data", data, "--out", tmp_path / "decoded")
    done = malsori("decode", "--exp", aligner_run, *words)
    assert done.code == 0 and "2 utterances, 0.0 min aligned" in done.out
    plain = malsori("align", "--model", aligner_run, "--data", data, "--out", tmp_path / "aligned")
    assert plain.code == 0 and files(tmp_path / "decoded") == files(tmp_path / "aligned")
    refused = malsori("decode", "--exp", aligner_run, *words, "--teacher-forcing")
    assert refused.code == 2 and "--teacher-forcing: an aligner predicts nothing" in refused.line
    scored = malsori(
        *("score", "--data", data, "--decoded", tmp_path / "decoded", "--out", tmp_path / "score")
    )
    assert scored.code == 0 and not (tmp_path / "score").exists()
    assert "alignment.tsv is what to think of alignments" in scored.err


def test_inspect_tells_what_it_is_for(malsori: Run, packed: Path) -> None:
    shown = malsori("inspect", packed)
    assert shown.code == 0
    for part in ("task: align", "model: aligner", "purpose: does not speak; it aligns"):
        assert part in shown.out


def test_a_sentence_for_what_does_not_speak(
    malsori: Run, aligner_run: Path, tmp_path: Path
) -> None:
    words = ("--exp", aligner_run, "--out", tmp_path / "x.zip", "--sentence", "나무")
    done = malsori("pack", *words)
    assert done.code == 1 and "--sentence: " in done.line and "does not speak" in done.line


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--pause", "short"), 2, "--pause: expected a time such as '0.1 s', got 'short'"),
        (("--pause", "-1"), 2, "--pause: expected a time such as '0.1 s', got '-1'"),
        (("--threads", "-1"), 2, "--threads: -1 is below 0"),
        (("--checkpoint", "step-9"), 1, "no checkpoint 'step-9'; there: step-2, step-4"),
        (("--device", "gpu"), 1, "device: 'gpu' cannot be used here"),
        (("--data", "nowhere"), 1, "nowhere: no such data dir"),
        (("--model", "nowhere.zip"), 1, "nowhere.zip: no such file"),
    ],
)
def test_a_mistake_is_one_line(
    malsori: Run,
    aligner_run: Path,
    tiny_corpus: Any,
    tmp_path: Path,
    words: tuple[str, ...],
    code: int,
    told: str,
) -> None:
    given = ("--model", aligner_run, "--data", tiny_corpus.data / "test", "--out", tmp_path / "x")
    done = malsori("align", *given, *words)
    assert done.code == code and told in done.line
    assert not (tmp_path / "x").exists()


def test_a_full_disk(
    malsori: Run, aligner_run: Path, tiny_corpus: Any, small_disk: Callable[[str], Path]
) -> None:
    disk = small_disk("8k")
    given = ("--model", aligner_run, "--data", tiny_corpus.data / "train", "--out", disk)
    done = malsori("align", *given)
    assert done.code == 1 and "cannot be written: No space left" in done.line
    assert not list(disk.rglob("*.part"))
