"""Stage 6 as a whole: files, what is in them, and that text cannot break the page."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
import soundfile

from malsori.core.config import read_choice
from malsori.data.datadir import DataDir
from malsori.score import SCORERS
from malsori.score.command import score_set

EVIL = "<script>alert(1)</script> & \"quoted\" 'text'"


class Page(HTMLParser):
    """Collects what a page refers to and checks that tags are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.links += [value for key in ("src", "href") if (value := found.get(key))]
        self.ids |= {found["id"]} if found.get("id") else set()
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def score(spoken, out, **options) -> str:
    return score_set(
        data=DataDir(spoken.data),
        decoded_folder=spoken.decoded,
        out=out,
        scorers=[read_choice(SCORERS, "acoustic", "test")],
        title="run <1>: test",
        **options,
    )


def test_every_link_of_the_page_leads_to_a_file(four_vowels, tmp_path) -> None:
    score(four_vowels, tmp_path / "out")
    page = Page((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    files = [link for link in page.links if not link.startswith("#")]
    assert len(files) == 4 * 4
    for link in files:
        assert (tmp_path / "out" / link).stat().st_size > 0
    assert {link[1:] for link in page.links if link.startswith("#")} <= page.ids
    assert not re.search(r"https?://", (tmp_path / "out" / "report.html").read_text("utf-8"))


def test_text_and_tokens_are_escaped(make_set, tmp_path) -> None:
    spoken = make_set({"a&b": {"vowel": 0, "text": EVIL}, "u1": {"vowel": 1}})
    (spoken.decoded / "tokens").write_text('a&b <b> &amp; "\nu1 ᄀ ᅡ ᆨ\n', encoding="utf-8")
    (spoken.decoded / "durations").write_text("a&b 3 3 3\nu1 3 3 3\n", encoding="utf-8")
    score(spoken, tmp_path / "out")
    html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in html
    page = Page(html)
    assert EVIL in page.text
    assert '<b> &amp; "' in page.text
    assert "ㄱㅏㄱ" in page.text


def test_json_and_markdown_say_the_same(four_vowels, tmp_path) -> None:
    summary = score(four_vowels, tmp_path / "out", examples=0)
    assert (tmp_path / "out" / "scores.md").read_text(encoding="utf-8") == summary
    scores = json.loads((tmp_path / "out" / "scores.json").read_text(encoding="utf-8"))
    decoded = scores["summary"]["decoded"]["mcd_db"]
    row = f"| decoded | {decoded['mean']:.2f} [{decoded['low']:.2f}, {decoded['high']:.2f}] |"
    assert row in summary
    values = [row["decoded"]["mcd_db"] for row in scores["utterances"]]
    assert sum(values) / 4 == pytest.approx(decoded["mean"], abs=1e-5)
    assert scores["utterances"][0]["silence"]["log_f0_rmse"] is None
    assert "| silence |" in summary
    assert " – |" in summary
    assert {"malsori", "numpy", "pyworld"} <= scores["versions"].keys()
    assert scores["scorers"][0]["order"] == 24
    assert scores["n"] == 4


def test_large_sets_show_some_and_say_so(four_vowels, tmp_path) -> None:
    score(four_vowels, tmp_path / "out", examples=3)
    html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert html.count("<article") == 3
    assert "3 of the 4 utterances" in html
    assert len(list((tmp_path / "out" / "report").iterdir())) == 3 * 4


def test_scoring_again_replaces_the_report_and_leaves_other_files(four_vowels, tmp_path) -> None:
    out = tmp_path / "out"
    score(four_vowels, out, examples=4)
    (out / "my_notes.txt").write_text("keep")
    score(four_vowels, out, examples=1)
    assert len(list((out / "report").iterdir())) == 4
    assert (out / "my_notes.txt").read_text() == "keep"


def test_audio_of_the_page_is_what_was_scored(four_vowels, tmp_path) -> None:
    score(four_vowels, tmp_path / "out", examples=1)
    wav = next((tmp_path / "out" / "report").glob("*.decoded.wav"))
    assert soundfile.info(wav).samplerate == 16000
    assert soundfile.info(wav).duration == pytest.approx(0.5)
