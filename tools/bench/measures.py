"""What a bench has measured, as every bench writes it and ``make bench`` reads it."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from malsori.core.record import versions


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One figure with the runs that it comes from, and a peer's from the same minutes."""

    what: str
    """What was measured, the same words in every run."""
    unit: str
    """Of the runs: s, MB, RTF, sentences/s."""
    runs: list[float]
    """Every run; their median is the figure."""
    larger_is_better: bool = False
    """As for a speed."""
    target: str = ""
    """What was aimed at: ``<= 2``, ``ratio <= 0.75``, ``>= 2000``; empty for none."""
    peer: str = ""
    """Who did the same beside it."""
    peer_runs: list[float] = field(default_factory=list)
    """The peer's runs; empty if it was not there."""
    ratio: float | None = None
    """Ours divided by the peer's; of the medians unless given."""
    axis: str = ""
    """Of a curve: what grows."""
    sizes: list[float] = field(default_factory=list)
    """Of a curve: the sizes, one for each run."""
    note: str = ""
    """What a reader has to know; of a curve: why it grows as it does, and what bounds it."""

    def __post_init__(self) -> None:
        if self.ratio is None and self.peer_runs:
            ratio = statistics.median(self.runs) / statistics.median(self.peer_runs)
            object.__setattr__(self, "ratio", ratio)

    @classmethod
    def curve(
        cls, what: str, axis: str, sizes: list[float], unit: str, runs: list[float], why: str
    ) -> Measure:
        """Return how ``runs`` grow with ``sizes``.

        Args:
            what: What was measured.
            axis: What grows.
            sizes: How much of it, one for each run.
            unit: Of the runs.
            runs: What was measured at each size.
            why: A sentence: what makes it grow so, and of what is worse than linear what bounds it.
        """
        if not why.strip().endswith("."):
            raise ValueError(f"{what}: a curve needs a sentence that explains it, got {why!r}")
        return cls(what=what, unit=unit, runs=runs, axis=axis, sizes=list(sizes), note=why)


def write(measures: list[Measure], path: Path | None) -> None:
    """Write what was measured, with the machine it was measured on, to a file or to stdout."""
    tree = {
        "machine": machine(),
        "versions": versions(),
        "measures": [dataclasses.asdict(measure) for measure in measures],
    }
    text = json.dumps(tree, indent=1, ensure_ascii=False)
    if path is None:
        print(text)
        return
    path.write_text(text + "\n", encoding="utf-8")
    for measure in measures:
        print(
            f"{measure.what}: {statistics.median(measure.runs):g} {measure.unit}", file=sys.stderr
        )


def machine() -> dict[str, Any]:
    """Return what the figures depend on: processor, cores, how busy it was."""
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    return {
        "processor": name,
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "load_at_end": round(os.getloadavg()[0], 2),
    }
