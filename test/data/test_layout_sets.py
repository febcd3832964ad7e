"""Sets and speakers that a corpus comes with, in every layout that can have them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from malsori.data.layouts import layout, recognise
from malsori.data.prepare import Limits, Split, Utterance, prepare
from malsori.data.recognition import look_at

RATE = 8000
SETS = {"train": ["a", "b", "c", "d", "e"], "dev": ["f", "g"], "test": ["h"]}
NAMES = [name for names in SETS.values() for name in names]
TEXTS = dict(
    zip(NAMES, ["하나.", "둘.", "셋.", "넷.", "다섯.", "여섯.", "일곱.", "여덟."], strict=True)
)
SPEAKERS = {name: "mina" if i % 2 else "june" for i, name in enumerate(NAMES)}


def audio(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.3 * np.sin(0.2 * np.arange(RATE)), RATE)


def kaldi(root: Path) -> None:
    for folder, one in (("tr_no_dev", "train"), ("dev", "dev"), ("eval1", "test")):
        for name in SETS[one]:
            audio(root / "wavs" / f"{name}.wav")
        (root / folder).mkdir()
        rows = SETS[one]
        (root / folder / "wav.scp").write_text("".join(f"{n} wavs/{n}.wav\n" for n in rows))
        (root / folder / "text").write_text("".join(f"{n} {TEXTS[n]}\n" for n in rows))


def kaldi_with_others(root: Path) -> None:
    """A folder of all utterances, and a sample of the training set."""
    kaldi(root)
    for folder, rows in (("all", NAMES), ("train_sample", SETS["train"][:2])):
        (root / folder).mkdir()
        (root / folder / "wav.scp").write_text("".join(f"{n} wavs/{n}.wav\n" for n in rows))
        (root / folder / "text").write_text("".join(f"{n} {TEXTS[n]}\n" for n in rows))


def lhotse(root: Path, cuts: bool = False) -> None:
    for one, names in SETS.items():
        recordings, supervisions = [], []
        for name in names:
            audio(root / "wavs" / f"{name}.wav")
            source = {"type": "file", "channels": [0], "source": f"wavs/{name}.wav"}
            recordings.append({"id": name, "sources": [source], "duration": 1.0})
            supervisions.append(
                {"id": name, "recording_id": name, "duration": 1.0, "text": TEXTS[name]}
            )
        files: dict[str, list[dict[str, object]]] = {
            f"x_recordings_{one}": recordings,
            f"x_supervisions_{one}": supervisions,
        }
        if cuts:
            rows = [
                {"start": 0.0, "recording": r, "supervisions": [s]}
                for r, s in zip(recordings, supervisions, strict=True)
            ]
            files = {f"x_cuts_{one}": rows}
        for stem, listed in files.items():
            with gzip.open(root / f"{stem}.jsonl.gz", "wt", encoding="utf-8") as file:
                file.writelines(json.dumps(row) + "\n" for row in listed)


def lhotse_cuts(root: Path) -> None:
    lhotse(root, cuts=True)


def huggingface(root: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pip install 'malsori[huggingface]'")
    for one, folder in (("train", "train"), ("dev", "validation"), ("test", "test")):
        for name in SETS[one]:
            audio(root / "wavs" / f"{name}.wav")
        paths = [{"bytes": None, "path": f"wavs/{name}.wav"} for name in SETS[one]]
        table = pyarrow.table({"text": [TEXTS[name] for name in SETS[one]], "audio": paths})
        (root / folder).mkdir()
        path = str(root / folder / "data-00000-of-00001.arrow")
        with pyarrow.OSFile(path, "wb") as file, pyarrow.ipc.new_stream(file, table.schema) as out:
            out.write_table(table)
    (root / "dataset_dict.json").write_text('{"splits": ["train", "validation", "test"]}')


def vits(root: Path) -> None:
    """Lists whose paths begin in a folder that is not there, with speakers."""
    (root / "filelists").mkdir()
    for one, word in (("train", "train"), ("dev", "val"), ("test", "test")):
        for name in SETS[one]:
            audio(root / "wavs" / f"{name}.wav")
        rows = [f"DUMMY1/{name}.wav|{SPEAKERS[name]}|{TEXTS[name]}\n" for name in SETS[one]]
        (root / "filelists" / f"x_text_{word}_filelist.txt").write_text("".join(rows))


def folders_of_metadata(root: Path) -> None:
    """As Hugging Face's audio folders are."""
    for one, names in SETS.items():
        for name in names:
            audio(root / one / f"{name}.wav")
        rows = [f'{name}.wav,"{TEXTS[name]}"\n' for name in names]
        (root / one / "metadata.csv").write_text("file_name,text\n" + "".join(rows))


def ljspeech(root: Path) -> None:
    """Lists of names beside metadata.csv."""
    for name in NAMES:
        audio(root / "wavs" / f"{name}.wav")
    (root / "metadata.csv").write_text("".join(f"{name}|{TEXTS[name]}\n" for name in NAMES))
    for one, word in (("train", "train"), ("dev", "val"), ("test", "test")):
        (root / f"{word}.txt").write_text("".join(f"{name}\n" for name in SETS[one]))


def common_voice(root: Path) -> None:
    for name in NAMES:
        audio(root / "clips" / f"{name}.mp3")
    for file, names in (("validated", NAMES), *SETS.items()):
        rows = [f"x\t{name}.mp3\t{TEXTS[name]}\n" for name in names]
        (root / f"{file}.tsv").write_text("client_id\tpath\tsentence\n" + "".join(rows))


def column(root: Path) -> None:
    rows = []
    for one, names in SETS.items():
        for name in names:
            audio(root / f"{name}.wav")
            rows.append(f"{name}.wav\t{TEXTS[name]}\t{one}\n")
    (root / "data.tsv").write_text("path\ttext\tsplit\n" + "".join(rows))


def libritts(root: Path) -> None:
    for one, folder in (("train", "train-clean-100"), ("dev", "dev-clean"), ("test", "test-clean")):
        for i, name in enumerate(SETS[one]):
            path = root / folder / str(84 + i % 2) / "121" / f"{name}.wav"
            audio(path)
            path.with_suffix(".normalized.txt").write_text(TEXTS[name])


def read(corpus: Path) -> list[Utterance]:
    found = recognise(corpus)
    assert found is not None
    rows: list[Utterance] = layout(found[0]).read_corpus(
        corpus, speaker="someone", language="ko", extract_to=corpus / "aside"
    )
    return rows


CASES: dict[str, tuple[Callable[[Path], None], str]] = {
    "kaldi": (kaldi, "kaldi"),
    "kaldi, others": (kaldi_with_others, "kaldi"),
    "lhotse": (lhotse, "lhotse"),
    "lhotse, cuts": (lhotse_cuts, "lhotse"),
    "hugging face": (huggingface, "huggingface"),
    "vits": (vits, "filelists"),
    "folders of metadata": (folders_of_metadata, "filelists"),
    "ljspeech": (ljspeech, "ljspeech"),
    "common voice": (common_voice, "metadata"),
    "a column": (column, "metadata"),
    "libritts": (libritts, "beside"),
}


@pytest.mark.parametrize("case", CASES)
def test_sets_are_kept_or_split_anew(case: str, tmp_path: Path) -> None:
    write, name = CASES[case]
    corpus = tmp_path / "a corpus for tests"  # whose own name is none of a set
    corpus.mkdir()
    write(corpus)
    seen = look_at(corpus)
    assert seen.layout == name
    if name == "huggingface":  # which is not read for a look
        assert "with sets train, dev, test, which are kept" in seen.reason
    else:
        assert "its own sets are kept: train" in seen.told()[2] and seen.unusable == 0
    rows = read(corpus)
    assert [row.problem for row in rows if row.problem] == []
    prepare(rows, tmp_path / "data", split=Split(dev=1, test=1))
    for one, names in SETS.items():
        texts = (tmp_path / "data" / one / "text").read_text().splitlines()
        assert sorted(line.split()[1] for line in texts) == sorted(TEXTS[n] for n in names), one
    split = Split(dev=1, test=1, keep=False)
    assert prepare(rows, tmp_path / "anew", split=split) == {"train": 6, "dev": 1, "test": 1}
    assert (tmp_path / "anew" / "rejected.tsv").read_text() == ""


def test_what_the_lists_leave_out_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ljspeech(tmp_path)
    (tmp_path / "train.txt").write_text("a.wav|x\nwavs/b.wav|y\nc\n")
    rows = read(tmp_path)
    assert {row.id for row in rows if row.set == "none"} == {"d", "e"}
    told = "its own sets are kept: train 3, dev 2, test 1; 2 in none of them are left out (not with"
    assert look_at(tmp_path).told()[2].startswith(told)
    assert prepare(rows, tmp_path / "data") == {"train": 3, "dev": 2, "test": 1}
    assert "2 utterances are in none of the corpus's sets: left out" in caplog.text


def test_lists_of_something_else_are_no_sets(tmp_path: Path) -> None:
    ljspeech(tmp_path)
    for word in ("train", "val", "test"):
        (tmp_path / f"{word}.txt").write_text("".join(f"other_{i}\n" for i in range(20)))
    assert {row.set for row in read(tmp_path)} == {""}


def test_names_that_are_twice_are_not_matched(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for who in ("x", "y"):
        for name in NAMES:
            audio(tmp_path / "wavs" / who / f"{name}.wav")
    rows = [f"{who}/{name}.wav|{who}|{TEXTS[name]}\n" for who in ("x", "y") for name in NAMES]
    (tmp_path / "metadata.csv").write_text("".join(rows))
    for word in ("train", "val"):
        (tmp_path / f"{word}.txt").write_text("x/a\ny/b\n")
    assert {row.set for row in read(tmp_path)} == {""}
    assert "audio files of one name are in several" in caplog.text


def test_what_is_held_out_is_not_trained_on(tmp_path: Path) -> None:
    kaldi(tmp_path)
    rows = read(tmp_path)
    rows += [replace(row, set="train") for row in rows if row.set == "test"]
    prepare(rows, tmp_path / "data")
    assert (tmp_path / "data" / "test" / "text").read_text() == "h 여덟.\n"
    assert "h " not in (tmp_path / "data" / "train" / "text").read_text()
    assert (tmp_path / "data" / "rejected.tsv").read_text() == ""


def test_an_audio_that_is_not_there_is_not_taken_from_elsewhere(tmp_path: Path) -> None:
    vits(tmp_path)
    (tmp_path / "wavs" / "c.wav").rename(tmp_path / "filelists" / "c.wav")
    missing = [row.id for row in read(tmp_path) if not row.wav.is_file()]
    assert missing == ["DUMMY1_c"]


def vctk(root: Path) -> None:
    for i, name in enumerate(NAMES):
        who = f"p{225 + i % 2}"
        for microphone in (1, 2):
            place = root / "wav48_silence_trimmed" / who
            audio(place / f"{who}_{name}_mic{microphone}.flac")
        (root / "txt" / who).mkdir(parents=True, exist_ok=True)
        (root / "txt" / who / f"{who}_{name}.txt").write_text(TEXTS[name] + "\n")
    (root / "speaker-info.txt").write_text("ID  AGE  GENDER\np225  23  F\n")


def test_vctk(tmp_path: Path) -> None:
    vctk(tmp_path / "VCTK")
    folder = tmp_path / "VCTK" / "wav48_silence_trimmed" / "p226"
    (folder / "p226_b_mic1.flac").unlink()
    (tmp_path / "VCTK" / "txt" / "p225" / "p225_a.txt").unlink()
    seen = look_at(tmp_path)
    assert (seen.layout, seen.utterances, seen.unusable, seen.speakers) == ("vctk", 8, 1, 2)
    assert seen.reason == "wav48_silence_trimmed/ and txt/, each with 2 folder(s) of speakers"
    rows = {row.id: row for row in read(tmp_path)}
    assert {row.speaker for row in rows.values()} == {"p225", "p226"}
    assert rows["p225_c"].wav.name == "p225_c_mic1.flac" and rows["p225_c"].text == "셋.\n"
    assert rows["p226_b"].wav.name == "p226_b_mic2.flac"
    assert rows["p225_a"].problem == "no text p225/p225_a.txt"
    assert (
        sum(prepare(rows.values(), tmp_path / "d", limits=Limits(max_rejected=0.2)).values()) == 7
    )


def test_parallel_trees_of_other_names(tmp_path: Path) -> None:
    for i, name in enumerate(NAMES):
        who = "mina" if i % 2 else "june"
        audio(tmp_path / "wavs" / who / f"{name}.wav")
        (tmp_path / "text" / who).mkdir(parents=True, exist_ok=True)
        (tmp_path / "text" / who / f"{name}.txt").write_text(TEXTS[name])
    rows = read(tmp_path)
    assert {row.id: row.speaker for row in rows} == {
        f"{who}_{name}": who for name in NAMES for who in [SPEAKERS[name]]
    }


@pytest.mark.parametrize(
    ("folders", "speakers"),
    [
        (("mina", "june"), {"mina", "june"}),
        (("kim min a", "01"), {"kim_min_a", "01"}),
        (("train/mina", "dev/june"), {"mina", "june"}),
        (("part1", "part2"), {"someone"}),
        (("Session 1", "mina"), {"someone"}),
        (("wavs", "wavs"), {"someone"}),
        (("", "mina"), {"someone"}),
        (("train", "dev"), {"someone"}),
    ],
)
def test_speakers_by_folder(folders: tuple[str, str], speakers: set[str], tmp_path: Path) -> None:
    for i, name in enumerate(NAMES):
        path = tmp_path / folders[i % 2] / f"{name}.wav"
        audio(path)
        path.with_suffix(".txt").write_text(TEXTS[name])
    rows = read(tmp_path)
    assert {row.speaker for row in rows} == speakers and len(rows) == len(NAMES)
    told = look_at(tmp_path).reason
    assert ("in folders of 2 speakers" in told) == (len(speakers) > 1)
