"""Each layout of a corpus is recognised and read: the same eight sentences in all of them."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from malsori.core.errors import MalsoriError, UsageError
from malsori.data.layouts import LAYOUTS, layout, recognise
from malsori.data.prepare import Split, Utterance, prepare
from malsori.data.recognition import language_of, look_at

RATE = 8000
SENTENCES = (
    "안녕하세요.", "고마워요, 정말.", "어디 가요?", "밥 먹었어요.",
    "꽃이 피었네!", "비가 와요.", "하늘이 높다.", "문을 열어.",
)  # fmt: skip
NAMES = [f"s{i}" for i in range(len(SENTENCES))]
SPEAKERS = ["mina", "june"] * 4
Rows = list[tuple[str, str, str]]


def write_audio(folder: Path, suffix: str = ".wav") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(NAMES):
        times = np.arange(round(RATE * (0.8 + 0.05 * i))) / RATE
        soundfile.write(folder / f"{name}{suffix}", 0.3 * np.sin(1500 * times), RATE)


def write_list(path: Path, separator: str, heading: str = "", speakers: bool = False) -> None:
    lines = [heading] if heading else []
    for name, speaker, text in zip(NAMES, SPEAKERS, SENTENCES, strict=True):
        quoted = f'"{text}"' if separator == "," else text
        lines.append(separator.join([name, speaker, quoted] if speakers else [name, quoted]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def kss(root: Path) -> None:
    write_audio(root / "1")
    lines = []
    for i, text in enumerate(SENTENCES):
        (root / "1" / f"s{i}.wav").rename(root / "1" / f"1_000{i}.wav")
        lines.append(f"1/1_000{i}.wav|{text}|{text}|{text}|0.8|\n")
    (root / "transcript.v.1.4.txt").write_text("".join(lines))


def ljspeech(root: Path) -> None:
    write_audio(root / "wavs")
    write_list(root / "metadata.csv", "|")


def piper(root: Path) -> None:
    write_audio(root / "wav")
    write_list(root / "metadata.csv", "|")


def piper_speakers(root: Path) -> None:
    write_audio(root / "wavs", ".flac")
    write_list(root / "metadata.csv", "|", speakers=True)


def commas(root: Path) -> None:
    write_audio(root / "wavs")
    write_list(root / "metadata.csv", ",")


def tabs_with_heading(root: Path) -> None:
    write_audio(root / "clips", ".mp3")
    rows = ["client_id\tpath\tsentence\tage"]
    rows += [f"{w}\t{n}.mp3\t{t}\t20" for n, w, t in zip(NAMES, SPEAKERS, SENTENCES, strict=True)]
    (root / "validated.tsv").write_text("\n".join(rows) + "\n")


def commas_with_heading(root: Path) -> None:
    write_audio(root / "data")
    rows = ["file_name,text,speaker_id"]
    rows += [f'{n}.wav,"{t}",{w}' for n, w, t in zip(NAMES, SPEAKERS, SENTENCES, strict=True)]
    (root / "metadata.csv").write_text("\ufeff" + "\r\n".join(rows) + "\r\n")


def kaldi(root: Path) -> None:
    write_audio(root / "audio")
    folder = root / "train"
    folder.mkdir()
    rows = list(zip(NAMES, SPEAKERS, SENTENCES, strict=True))
    (folder / "wav.scp").write_text("".join(f"{n} audio/{n}.wav\n" for n, _, _ in rows))
    (folder / "text").write_text("".join(f"{n} {t}\n" for n, _, t in rows))
    (folder / "utt2spk").write_text("".join(f"{n} {w}\n" for n, w, _ in rows))


def kaldi_segments(root: Path) -> None:
    """One long recording, a segment for each sentence."""
    rng = np.random.default_rng(0)
    wav = np.concatenate([rng.normal(0, 0.1, RATE) for _ in NAMES])
    soundfile.write(root / "long.wav", wav, RATE)
    rows = list(zip(NAMES, SPEAKERS, SENTENCES, strict=True))
    (root / "wav.scp").write_text(f"rec {root}/long.wav\n")
    (root / "segments").write_text("".join(f"{n} rec {i}.1 {i}.9\n" for i, n in enumerate(NAMES)))
    (root / "text").write_text("".join(f"{n} {t}\n" for n, _, t in rows))
    (root / "utt2spk").write_text("".join(f"{n} {w}\n" for n, w, _ in rows))


def _manifest(path: Path, rows: list[dict[str, object]]) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _recording(root: Path, name: str) -> dict[str, object]:
    path = root / "audio" / f"{name}.wav"
    about = soundfile.info(path)
    source = {"type": "file", "channels": [0], "source": f"audio/{name}.wav"}
    return {
        "id": f"rec-{name}", "sources": [source], "sampling_rate": RATE,
        "num_samples": about.frames, "duration": about.duration,
    }  # fmt: skip


def _supervision(root: Path, name: str, speaker: str, text: str) -> dict[str, object]:
    seconds = soundfile.info(root / "audio" / f"{name}.wav").duration
    return {
        "id": name, "recording_id": f"rec-{name}", "start": 0.0, "duration": seconds, "channel": 0,
        "text": text, "speaker": speaker, "language": "Korean",
    }  # fmt: skip


def lhotse(root: Path) -> None:
    write_audio(root / "audio")
    rows = list(zip(NAMES, SPEAKERS, SENTENCES, strict=True))
    _manifest(root / "kss_recordings_train.jsonl.gz", [_recording(root, n) for n, _, _ in rows])
    said = [_supervision(root, *row) for row in rows]
    _manifest(root / "kss_supervisions_train.jsonl.gz", said)


def lhotse_cuts(root: Path) -> None:
    write_audio(root / "audio")
    cuts = []
    for row in zip(NAMES, SPEAKERS, SENTENCES, strict=True):
        said = _supervision(root, *row) | {"duration": 0.5}
        recording = _recording(root, row[0])
        cuts.append({"start": 0.1, "recording": recording, "supervisions": [said]})
    _manifest(root / "cuts.jsonl.gz", cuts)


def beside(root: Path) -> None:
    write_audio(root)
    for name, text in zip(NAMES, SENTENCES, strict=True):
        (root / f"{name}.txt").write_text(text + "\n", encoding="utf-8")


def _table() -> dict[str, list[object]]:
    return {"text": list(SENTENCES), "speaker": list(SPEAKERS)}


def huggingface_parquet(root: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pip install 'malsori[huggingface]'")
    parquet = pytest.importorskip("pyarrow.parquet")
    write_audio(root / "aside", ".flac")
    audio = [
        {"bytes": (root / "aside" / f"{n}.flac").read_bytes(), "path": f"{n}.flac"} for n in NAMES
    ]
    shutil.rmtree(root / "aside")
    (root / "data").mkdir()
    table = pyarrow.table(_table() | {"audio": audio})
    parquet.write_table(table, root / "data" / "train-00000-of-00001.parquet")


def huggingface_arrow(root: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pip install 'malsori[huggingface]'")
    write_audio(root / "wavs")
    audio = [{"bytes": None, "path": f"wavs/{n}.wav"} for n in NAMES]
    (root / "train").mkdir()
    (root / "dataset_dict.json").write_text('{"splits": ["train"]}')
    table = pyarrow.table(_table() | {"audio": audio})
    path = str(root / "train" / "data-00000-of-00001.arrow")
    with pyarrow.OSFile(path, "wb") as file, pyarrow.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)


ALONE, BOTH = {"someone"}, {"mina", "june"}
CASES: dict[str, tuple[Callable[[Path], None], str, set[str]]] = {
    "kss": (kss, "kss", {"kss"}),
    "ljspeech": (ljspeech, "ljspeech", ALONE),
    "piper": (piper, "piper", ALONE),
    "piper, speakers": (piper_speakers, "piper", BOTH),
    "commas": (commas, "metadata", ALONE),
    "tabs, heading": (tabs_with_heading, "metadata", BOTH),
    "commas, heading, BOM, CR LF": (commas_with_heading, "metadata", BOTH),
    "kaldi": (kaldi, "kaldi", BOTH),
    "kaldi, segments": (kaldi_segments, "kaldi", BOTH),
    "lhotse": (lhotse, "lhotse", BOTH),
    "lhotse, cuts": (lhotse_cuts, "lhotse", BOTH),
    "beside": (beside, "beside", ALONE),
    "hugging face, parquet": (huggingface_parquet, "huggingface", BOTH),
    "hugging face, arrow": (huggingface_arrow, "huggingface", BOTH),
}


def read(corpus: Path, name: str, aside: Path) -> list[Utterance]:
    rows: list[Utterance] = layout(name).read_corpus(
        corpus, speaker="someone", language="ko", extract_to=aside
    )
    return rows


@pytest.mark.parametrize("case", CASES)
def test_it_is_recognised_and_read(case: str, tmp_path: Path) -> None:
    write, name, speakers = CASES[case]
    corpus = tmp_path / "my corpus"
    corpus.mkdir()
    write(corpus)
    found = recognise(corpus)
    assert found is not None and found[0] == name, found
    rows = read(corpus, name, tmp_path / "aside")
    assert [row.problem for row in rows] == [""] * 8
    assert sorted(row.text.strip() for row in rows) == sorted(SENTENCES)
    assert {row.speaker for row in rows} == speakers
    assert {row.language for row in rows} == {"ko"}
    assert len({row.id for row in rows}) == 8
    sizes = prepare(rows, tmp_path / "data", split=Split(dev=1, test=1), trim=False)
    assert sizes == {"train": 6, "dev": 1, "test": 1}


@pytest.mark.parametrize("case", CASES)
def test_what_is_seen_from_outside(case: str, tmp_path: Path) -> None:
    write, name, speakers = CASES[case]
    write(tmp_path)
    seen = look_at(tmp_path)
    assert seen.layout == name and seen.reason
    assert len(seen.told()) == 2 and seen.language == "ko"
    if name != "huggingface":
        assert (seen.utterances, seen.unusable, seen.speakers) == (8, 0, len(speakers))
        assert seen.sample_rate == RATE


def test_segments_of_a_long_recording_stay_where_they_are(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    kaldi_segments(corpus)
    prepare(read(corpus, "kaldi", tmp_path), tmp_path / "data", split=Split(dev=1, test=1))
    rows = (tmp_path / "data" / "train" / "segments").read_text().split("\n")[:-1]
    for row in rows:
        key, _, start, end = row.split()
        assert int(key[1:]) + 0.09 < float(start) < float(end) < int(key[1:]) + 0.91


def test_cuts_count_from_their_own_start(tmp_path: Path) -> None:
    lhotse_cuts(tmp_path)
    for row in read(tmp_path, "lhotse", tmp_path):
        assert (row.start, row.end) == pytest.approx((0.1, 0.6))


def test_faults_are_told_one_by_one(tmp_path: Path) -> None:
    kaldi(tmp_path)
    scp, text = tmp_path / "train" / "wav.scp", tmp_path / "train" / "text"
    scp.write_text(scp.read_text().replace("audio/s1.wav", "sox x |").replace("s2.wav", "no.wav"))
    text.write_text(text.read_text() + "s9 더.\n")
    seen = look_at(tmp_path)
    assert (seen.utterances, seen.unusable) == (9, 3)
    assert "3 of them cannot be used, the first: a shell pipe" in seen.told()[2]


def test_a_list_whose_lines_are_short(tmp_path: Path) -> None:
    tabs_with_heading(tmp_path)
    path = tmp_path / "validated.tsv"
    path.write_text(path.read_text().replace("mina\ts4.mp3", "s4.mp3"))
    problems = {row.id: row.problem for row in read(tmp_path, "metadata", tmp_path)}
    assert problems["line_6"] == "line 6 has 3 fields instead of 4"
    assert sum(map(bool, problems.values())) == 1


def test_a_text_with_commas_and_no_quotation_marks(tmp_path: Path) -> None:
    write_audio(tmp_path / "wavs")
    rows = [f"{name}.wav,{text}" for name, text in zip(NAMES, SENTENCES, strict=True)]
    (tmp_path / "metadata.csv").write_text("\n".join(rows))
    assert {row.text for row in read(tmp_path, "metadata", tmp_path)} == set(SENTENCES)


def test_a_source_that_is_no_file_is_not_followed(tmp_path: Path) -> None:
    lhotse(tmp_path)
    path = tmp_path / "kss_recordings_train.jsonl.gz"
    content = gzip.decompress(path.read_bytes()).replace(b'"file"', b'"command"')
    path.write_bytes(gzip.compress(content))
    told = {row.problem for row in read(tmp_path, "lhotse", tmp_path)}
    assert told == {"its recording is no single file but command: write it into a file"}


def test_not_utf_8(tmp_path: Path) -> None:
    piper(tmp_path)
    path = tmp_path / "metadata.csv"
    path.write_bytes(path.read_bytes() + "s9|안녕\n".encode("cp949"))
    with pytest.raises(MalsoriError, match=r"metadata.csv: not UTF-8 .byte \d+.: .*cp949"):
        read(tmp_path, "piper", tmp_path)


def test_without_pyarrow_the_line_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "train.parquet").write_bytes(b"PAR1")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MalsoriError, match=r"needs pyarrow: pip install 'malsori\[huggingface\]'"):
        read(tmp_path, "huggingface", tmp_path)


def test_what_nobody_knows(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("nothing to hear")
    assert recognise(tmp_path) is None
    with pytest.raises(MalsoriError, match=r"none of the layouts that are known .*kaldi: Kaldi"):
        look_at(tmp_path)
    with pytest.raises(MalsoriError, match="no such corpus"):
        look_at(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="no layout named 'festival'"):
        look_at(tmp_path, "festival")


@pytest.mark.parametrize("name", LAYOUTS)
def test_an_empty_folder_is_of_no_layout(name: str, tmp_path: Path) -> None:
    assert layout(name).recognise(tmp_path) is None
    assert layout(name).SUMMARY
    with pytest.raises(MalsoriError):
        read(tmp_path, name, tmp_path)


@pytest.mark.parametrize(
    ("texts", "language"),
    [
        (["안녕하세요 KBS"], "ko"),
        (["Hello, 안녕"], "en"),
        (["Привет"], None),
        (["12"], None),
        ([], None),
    ],
)
def test_the_language_by_the_letters(texts: list[str], language: str | None) -> None:
    assert language_of(texts) == language
