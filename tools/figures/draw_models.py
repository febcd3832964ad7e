"""Draw the figures of doc/models.md, and write how large the models are into its first table.

python tools/figures/draw_models.py [--check]

A figure is refused if it names a module or a loss that the model does not have, or forgets one of
its parts.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from drawing import Drawing
from model_figures import FIGURES

from malsori.models import MODELS
from malsori.tasks.reference import parameters, reference_task

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "doc" / "models.md"


def main() -> None:
    """Write figures and page, or with --check fail if they are out of date."""
    for path, text in made().items():
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path.relative_to(ROOT)} is out of date: run 'make doc'")


def made() -> dict[Path, str]:
    """Return all files with their content."""
    page = PAGE.read_text(encoding="utf-8")
    files = {}
    for name in (name for name in MODELS.names() if name in FIGURES):
        sizes = Sizes(name)
        figure = FIGURES[name](sizes)
        sizes.compare(figure)
        files[ROOT / "doc" / "figures" / f"model-{name}.svg"] = figure.svg()
        page = with_size(page, name, sizes.told(figure))
    return {**files, PAGE: page}


def with_size(page: str, name: str, size: str) -> str:
    """Return the page with the last but one cell of a model's row of the first table set."""
    row = re.compile(rf"^(\| \[`{re.escape(name)}`\].*\|)[^|]*(\|[^|]*\|)$", re.MULTILINE)
    page, found = row.subn(lambda match: f"{match[1]} {size} {match[2]}", page)
    if found != 1:
        sys.exit(f"{PAGE.name}: needs one row that begins with | [`{name}`], got {found}")
    return page


class Sizes(Mapping[str, str]):
    """Parameters of a model's modules by name, as written in its figure.

    Args:
        name: Of the model.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.task: Any = reference_task(name)
        self.model = self.task.players[self.task.averaged]

    def __getitem__(self, module: str) -> str:
        """Return what is written beside a module's name."""
        return written(self.count(module))

    def __iter__(self) -> Iterator[str]:
        """Yield the parts' names."""
        return (name for name, _ in self.model.named_children())

    def __len__(self) -> int:
        """Return the number of parts."""
        return len(list(iter(self)))

    def count(self, module: str) -> int:
        """Return the parameters of a module, or of several: ``residuals.0–2``."""
        if module in self.task.players and module != self.task.averaged:
            return parameters(self.task.players[module])
        several = re.fullmatch(r"(.*)\.(\d+)–(\d+)", module)
        if several:
            first, last = int(several[2]), int(several[3])
            return sum(self.count(f"{several[1]}.{i}") for i in range(first, last + 1))
        try:
            return parameters(self.model.get_submodule(module))
        except AttributeError:
            sys.exit(f"figure of {self.name}: no module {module!r}; parts: {', '.join(self)}")

    def compare(self, figure: Drawing) -> None:
        """Refuse a figure that does not show the model."""
        losses = set(self.task.weights[self.task.averaged])
        if set(figure.losses) != losses:
            wrong = ", ".join(sorted(losses ^ set(figure.losses)))
            sys.exit(f"figure of {self.name}: its losses and the task's differ: {wrong}")
        shown = {module.partition(".")[0] for module in figure.modules}
        for part in self:
            if self.count(part) and part not in shown:
                sys.exit(f"figure of {self.name}: forgets the part {part!r}")

    def told(self, figure: Drawing) -> str:
        """Return the size of what speaks, and in brackets of what only listens."""
        own = {name: learns for name, learns in figure.modules.items() if name != "discriminator"}
        learns = sum(self.count(name) for name, only in own.items() if only)
        speaks = sum(self.count(name) for name, only in own.items() if not only)
        return f"{written(speaks)} (+ {written(learns)})" if learns else written(speaks)


def written(size: int) -> str:
    """Return a count as people write it: 7.35 M, 0.59 M, 20 k, 512; nothing for 0."""
    if size >= 1e5:
        return f"{size / 1e6:.2f} M"
    return f"{size / 1e3:.0f} k" if size >= 1e3 else str(size or "")


if __name__ == "__main__":
    main()
