"""What benches that measure whole processes share: their options, ESPnet's interpreter, memory."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ESPNET = Path(__file__).parents[2] / ".espnet/bin/python"
"""The interpreter of the environment that ``make espnet`` makes."""


def options(text: str) -> argparse.ArgumentParser:
    """Return a parser with the options of every bench; its help is the first line of ``text``."""
    parser = argparse.ArgumentParser(description=text.splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON file to write; without it, it is printed")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    return parser


def child(script: str, *words: str, espnet: bool = False) -> dict[str, Any]:
    """Return the JSON that a process prints last.

    Args:
        script: The bench.
        words: Its options.
        espnet: Run it in ESPnet's environment.
    """
    done = subprocess.run(
        [str(ESPNET) if espnet else sys.executable, "-W", "ignore", script, *words],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    if done.returncode:
        sys.exit(f"{script} {' '.join(words)}: {done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def memory(process: int | str = "self") -> dict[str, float]:
    """Return the megabytes that a process has.

    ``resident`` is all, with the pages of libraries; ``peak`` the most of that there was;
    ``private`` is what no other process can use; ``share`` counts shared pages in parts.
    """
    names = {"VmRSS": "resident", "VmHWM": "peak", "Pss": "share"}
    found = {"private": 0.0}
    for file in ("status", "smaps_rollup"):
        for line in Path(f"/proc/{process}/{file}").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name in names:
                found[names[name]] = int(value.split()[0]) * 1024 / 1e6
            elif name.startswith("Private_"):
                found["private"] += int(value.split()[0]) * 1024 / 1e6
    return found
