"""What a run leaves behind to be looked at: tensorboard, metrics.jsonl, pictures, log lines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from malsori.core.files import atomic_write, write_text
from malsori.core.log import get_logger
from malsori.tasks.plots import curves_picture
from malsori.tasks.task import Demonstration

log = get_logger(__name__)


class Journal:
    """The journal of one run; entries behind the step that training goes on from are dropped.

    Args:
        folder: ``exp/NAME``.
        step: Steps done before.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.folder = folder
        self.path = folder / "metrics.jsonl"
        kept = [entry for entry in read_metrics(self.path) if entry["step"] <= step]
        write_text(self.path, "".join(json.dumps(entry) + "\n" for entry in kept))
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)
        self._kept: dict[str, bytes] = {}

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Keep numbers of one step."""
        for name, value in values.items():
            self._board.add_scalar(name, value, step)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")

    def demonstration(self, step: int, show: Demonstration, prefix: str) -> None:
        """Keep audio and pictures of one validation; pictures also as PNG under ``plots/``."""
        for name, wav in show.audio.items():
            if self._kept.get(f"{prefix}/{name}") == wav.tobytes():
                continue  # a recording: once is enough
            self._kept[f"{prefix}/{name}"] = wav.tobytes()
            self._board.add_audio(f"{prefix}/{name}", wav[None], step, show.sample_rate)
        for name, picture in show.images.items():
            self._board.add_image(f"{prefix}/{name}", picture, step, dataformats="HWC")
            file_name = f"{prefix}-{name.replace('/', '-')}-step-{step:07d}.png"
            self._picture(file_name, picture)

    def curves(self) -> None:
        """Draw all numbers so far into ``plots/curves.png``."""
        curves: dict[str, tuple[list[int], list[float]]] = {}
        for entry in read_metrics(self.path):
            for name, value in entry.items():
                if name != "step":
                    steps, values = curves.setdefault(name, ([], []))
                    steps.append(entry["step"])
                    values.append(value)
        self._picture("curves.png", curves_picture(curves, str(self.folder)))

    def close(self) -> None:
        """Flush everything."""
        self._board.close()

    def _picture(self, name: str, picture: Any) -> None:
        from PIL import Image

        with atomic_write(self.folder / "plots" / name, "wb") as file:
            Image.fromarray(picture).save(file, "PNG")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the entries of a metrics.jsonl; a line cut off by a kill is passed over."""
    if not path.exists():
        return []
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError:
            log.warning("%s: passed over a line that was cut off", path)
    return entries
