"""The commands at the top of doc/data.md, run as they stand there, on a corpus of one's own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile

PAGE = Path(__file__).parents[2] / "doc" / "data.md"
SENTENCES = ["안녕하세요.", "고마워요.", "어디 가요?", "밥 먹었어요.", "꽃이 피었네!"]


def test_the_commands_of_the_page(tmp_path: Path) -> None:
    recordings = tmp_path / "home" / "recordings"
    recordings.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(20):
        wav = 0.1 * rng.standard_normal(round(16000 * (0.8 + 0.03 * i)))
        soundfile.write(recordings / f"r{i:02d}.flac", wav, 16000)
        (recordings / f"r{i:02d}.txt").write_text(SENTENCES[i % 5] + "\n", encoding="utf-8")
    block = re.search(r"```\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.S)
    assert block is not None and block[1].count("malsori") == 3
    binaries = str(Path(sys.executable).parent)
    done = subprocess.run(
        ["bash", "-e", "-c", block[1]],
        cwd=tmp_path,
        env={
            **os.environ,
            "PATH": f"{binaries}:{os.environ['PATH']}",
            "HOME": str(tmp_path / "home"),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "20 of 20 audio files have a .txt beside them" in done.stdout
    report = tmp_path / "egs" / "my_voice" / "data" / "report"
    tree = json.loads((report / "report.json").read_text(encoding="utf-8"))
    assert tree["unit"] == "tokens" and tree["sets"][0]["utterances"] == 20
    assert (report / "report.html").is_file()
