"""How long malsori takes to start: imports and help, cold and warm, beside ESPnet's import.

    python tools/bench/startup.py [--runs 5] [--out FILE.json]

Each run is a process of its own, and all take turns. Cold is a first start: compiled modules and
libraries of both environments and of the interpreter are dropped from the system's cache before.
The time is that of the whole process, the interpreter's own start (10 to 20 ms) included.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

from measures import Measure, write
from processes import ESPNET, options

PYTHON = [sys.executable, "-W", "ignore"]
COMMAND = [str(Path(sys.executable).parent / "malsori")]
STARTS = {
    "import malsori": ([*PYTHON, "-c", "import malsori"], "<= 0.3"),
    "malsori --help": ([*COMMAND, "--help"], "<= 0.3"),
    "malsori synthesize --help": ([*COMMAND, "synthesize", "--help"], "<= 0.3"),
    "from malsori import Synthesizer": ([*PYTHON, "-c", "from malsori import Synthesizer"], ""),
    "import torch": ([*PYTHON, "-c", "import torch"], ""),
}
"""What is started, and its bound in seconds."""
TEXT2SPEECH = "from espnet2.bin.tts_inference import Text2Speech"
PEERS = {"import malsori", "from malsori import Synthesizer"}
"""Beside which ESPnet's import is put."""


def main() -> None:
    """Measure and write."""
    parser = options(__doc__)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    if args.quick:
        args.runs = 2
    starts = {name: command for name, (command, _) in STARTS.items()}
    if ESPNET.exists():
        starts[TEXT2SPEECH] = [str(ESPNET), "-W", "ignore", "-c", TEXT2SPEECH]
    measures = []
    measure(starts, 1)  # so that it is warm
    for state, before in (("warm", None), ("cold", forget_files)):
        runs = measure(starts, args.runs, before)
        peer = runs.get(TEXT2SPEECH, [])
        for name, (_, target) in STARTS.items():
            beside = {"peer": f"ESPnet, {TEXT2SPEECH}", "peer_runs": peer}
            measures.append(
                Measure(
                    **{"what": f"{name}, {state}", "unit": "s", "runs": runs[name]},
                    **{"target": target, **(beside if peer and name in PEERS else {})},
                )
            )
    write(measures, args.out)


def measure(
    starts: dict[str, list[str]], count: int, before: Callable[[], None] | None = None
) -> dict[str, list[float]]:
    """Return the seconds of each run of each command.

    Args:
        starts: The commands.
        count: Runs of each.
        before: What is done before every run; it does not count.
    """
    runs: dict[str, list[float]] = {name: [] for name in starts}
    for name, command in [*starts.items()] * count:
        if before is not None:
            before()
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        runs[name].append(time.perf_counter() - started)
    return runs


def forget_files() -> None:
    """Drop what is imported from the system's cache of files."""
    for path in imported_files():
        file = os.open(path, os.O_RDONLY)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)


@functools.cache
def imported_files() -> list[Path]:
    """Return what may be imported: our environment, ESPnet's, the package, the interpreter's."""
    folders = {Path(sysconfig.get_path(name)) for name in ("purelib", "stdlib")}
    folders.add(Path(__file__).parents[2] / "toolkit")
    if ESPNET.exists():
        folders |= set(ESPNET.parents[1].glob("lib/python*/site-packages"))
    files = (path for folder in folders for path in folder.rglob("*"))
    return [path for path in files if path.suffix in (".pyc", ".so") and path.is_file()]


if __name__ == "__main__":
    main()
