"""new-recipe for corpora that are recognised: its files fit them, and its first stages run."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from malsori.bin import new_recipe as command
from malsori.core.config import load
from malsori.core.errors import UsageError
from malsori.data.check import check
from malsori.train.config import TrainConfig

TEXTS = {"ko": ["안녕하세요.", "고마워요.", "어디 가요?"], "en": ["Hello.", "Thank you.", "Where?"]}


def make_corpus(root: Path, layout: str, language: str, rate: int) -> Path:
    root.mkdir()
    names = [f"t{i:02d}" for i in range(12)]
    for i, name in enumerate(names):
        times = np.arange(round(rate * (0.8 + 0.05 * i))) / rate
        soundfile.write(root / f"{name}.wav", 0.3 * np.sin(1500 * times), rate)
        text = TEXTS[language][i % 3]
        if layout == "beside":
            (root / f"{name}.txt").write_text(text)
        with open(root / "wav.scp", "a") as scp, open(root / "text", "a") as texts:
            scp.write(f"{name} {root / name}.wav\n")
            texts.write(f"{name} {text}\n")
    if layout == "beside":
        (root / "wav.scp").unlink()
    return root


def make(*words: str) -> None:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    command.run(parser.parse_args(list(words)))


def test_its_files_fit_the_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = make_corpus(tmp_path / "corpus", "kaldi", "ko", 22050)
    make("mine", "--corpus", str(corpus), "--out", str(tmp_path / "mine"))
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("Kaldi or ESPnet data dir") and "wav.scp and text" in told[0]
    assert told[1] == "12 utterances of 1 speaker(s), 22050 Hz; Korean, by its letters"
    assert told[2] == "settings: those of kss, audio.sample_rate 22050 as the recordings have"
    assert told[-1] == f"next: {tmp_path / 'mine' / 'run.sh'} --stop-stage 1"
    run = (tmp_path / "mine" / "run.sh").read_text()
    assert f"corpus={corpus}  # where the corpus is" in run and "frontend=ko " in run
    assert "language=ko " in run and 'data_licence="unknown"' in run and "안녕하세요" in run
    assert "layouts import kaldi" in (tmp_path / "mine" / "local" / "prepare.py").read_text()
    settings = load(TrainConfig, tmp_path / "mine" / "conf" / "train_jets.yaml")
    assert settings.audio.sample_rate == 22050


def test_the_settings_of_another_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = make_corpus(tmp_path / "corpus", "beside", "en", 44100)
    out = tmp_path / "mine"
    make("mine", "--from", "mini_kss", "--corpus", str(corpus), "--out", str(out))
    assert "settings: those of mini_kss" in capsys.readouterr().out
    mini = Path(__file__).parents[2] / "egs" / "mini_kss" / "conf" / "train_jets.yaml"
    assert (out / "conf" / "train_jets.yaml").read_text() == mini.read_text()
    assert "frontend=en " in (out / "run.sh").read_text()


def test_a_layout_by_name(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus", "beside", "ko", 16000)
    with pytest.raises(UsageError, match="no layout named 'besides'"):
        make("mine", "--corpus", str(corpus), "--layout", "besides", "--out", str(tmp_path / "m"))
    with pytest.raises(UsageError, match="--layout: goes with"):
        make("mine", "--layout", "beside", "--out", str(tmp_path / "m"))


@pytest.mark.parametrize("layout", ["beside", "kaldi"])
def test_its_first_stages_run(layout: str, tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "my corpus", layout, "ko", 16000)
    make("mine", "--corpus", str(corpus), "--out", str(tmp_path / "mine"))
    binaries = str(Path(sys.executable).parent)
    done = subprocess.run(
        [str(tmp_path / "mine" / "run.sh"), "--stop-stage", "2"],
        env={**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name, count in (("train", 10), ("dev", 1), ("test", 1)):
        assert check(tmp_path / "mine" / "data" / name) == []
        rows = (tmp_path / "mine" / "data" / name / "utt2spk").read_text().splitlines()
        assert len(rows) == count and all(row.endswith(" mine") for row in rows)


def test_the_sets_of_the_corpus_or_others(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus", "kaldi", "ko", 16000)
    (corpus / "text").rename(corpus / "all")
    rows = (corpus / "all").read_text().splitlines(keepends=True)
    for name, part in (("train", rows[:7]), ("valid", rows[7:10]), ("test", rows[10:])):
        (corpus / name).mkdir()
        (corpus / name / "text").write_text("".join(part))
        (corpus / name / "wav.scp").write_text((corpus / "wav.scp").read_text())
    make("mine", "--corpus", str(corpus), "--out", str(tmp_path / "mine"))
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for words, sizes in (([], [7, 3, 2]), (["--split", "anew"], [10, 1, 1])):
        command = [str(tmp_path / "mine" / "run.sh"), "--stop-stage", "1", *words]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        texts = [tmp_path / "mine" / "data" / name / "text" for name in ("train", "dev", "test")]
        assert [len(path.read_text().splitlines()) for path in texts] == sizes
        assert ("sets as the corpus has them: train 7" in done.stdout) == (not words)
    assert "12 of them were heard in an earlier run" in done.stdout
