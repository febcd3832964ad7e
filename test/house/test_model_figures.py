"""The figures of doc/models.md are fresh and true, and a figure that cannot be read is refused."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from malsori.models import MODELS

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools" / "figures"))
import draw_models  # noqa: E402
from drawing import Drawing, DrawingError, Line  # noqa: E402
from model_figures import FIGURES  # noqa: E402

PAGE = (ROOT / "doc" / "models.md").read_text(encoding="utf-8")
OWN = [name for name in MODELS.names() if not MODELS.entry(name).extra]


def test_figures_and_sizes_are_fresh() -> None:
    command = [sys.executable, "tools/figures/draw_models.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", OWN)
def test_every_model_has_a_row_a_section_and_a_figure(name: str) -> None:
    row = re.search(rf"^\| \[`{name}`\]\(#([a-z0-9-]+)\) \| `(\w+)`", PAGE, re.MULTILINE)
    assert row, f"doc/models.md: no row for {name}"
    headings = re.findall(r"^## (.*)$", PAGE, re.MULTILINE)
    assert row[1] in {heading.lower().replace(" ", "-") for heading in headings}
    assert f"](figures/model-{name}.svg)" in PAGE


@pytest.mark.parametrize("name", OWN)
def test_a_figure_is_small_text_for_light_and_dark(name: str) -> None:
    content = (ROOT / "doc" / "figures" / f"model-{name}.svg").read_text(encoding="utf-8")
    assert len(content) < 20_000 and "prefers-color-scheme: dark" in content
    tree = ElementTree.fromstring(content)
    texts = {"".join(text.itertext()) for text in tree.iter("{http://www.w3.org/2000/svg}text")}
    assert {"has weights", "in training only", "B utterances"} <= texts
    styled = {word for part in tree.iter() for word in part.get("class", "").split()}
    assert styled <= set(re.findall(r"\.([a-z]+)", content))


def drawing() -> Drawing:
    figure = Drawing("test")
    figure.part(200, 50, "one")
    figure.part(500, 50, "other")
    return figure


def test_what_overlaps_crosses_or_lies_outside_is_refused() -> None:
    figure = drawing()
    figure.legend(())
    figure.svg()
    wrong = {
        "'one' and 'third' overlap": lambda: figure.part(250, 60, "third"),
        "'one' and 'word' overlap": lambda: figure.note(200, 60, "word"),
        "lies outside": lambda: figure.data(930, 100, "third"),
        "runs through 'one'": lambda: figure.arrow((200, 20), (200, 120)),
        "meet": lambda: (figure.arrow((340, 20), (340, 99)), figure.arrow((320, 60), (360, 60))),
    }
    for said, draw in wrong.items():
        figure = drawing()
        draw()
        figure.legend(())
        with pytest.raises(DrawingError, match=said):
            figure.svg()


def test_what_does_not_fit_or_runs_askew_is_refused() -> None:
    for draw in (
        lambda: drawing().part(800, 50, "a title that is much too long for its box"),
        lambda: drawing().part(
            800, 50, "x", [Line(name="a_name_of_26_letters_here_", count="9 M")]
        ),
        lambda: drawing().data(800, 50, "tokens, and whatever else there is to go in"),
        lambda: drawing().arrow((10, 10), (20, 20)),
    ):
        with pytest.raises(DrawingError):
            draw()


def test_a_figure_that_does_not_show_the_model_is_refused() -> None:
    sizes = draw_models.Sizes("aligner")
    sizes.compare(FIGURES["aligner"](sizes))
    with pytest.raises(SystemExit, match="no module 'decoder'"):
        sizes["decoder"]
    figure = Drawing("test")
    figure.part(200, 50, "part", [Line(name="aligner")], losses=("forward_sum", "binarisation"))
    with pytest.raises(SystemExit, match="forgets the part 'embedding'"):
        sizes.compare(figure)
    figure.losses.append("kl")
    with pytest.raises(SystemExit, match="differ: kl"):
        sizes.compare(figure)


def test_sizes_as_people_write_them() -> None:
    sizes = (0, 512, 20480, 587008, 7353857)
    assert [*map(draw_models.written, sizes)] == ["", "512", "20 k", "0.59 M", "7.35 M"]
