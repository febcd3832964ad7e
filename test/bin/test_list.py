"""The listings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Run = Callable[..., Any]


def test_models_stand_with_their_tasks(malsori: Run) -> None:
    lines = malsori("list", "models").out.splitlines()
    rows = {line.split()[0]: line.split()[1] for line in lines[1:]}
    assert rows["jets"] == "gan_tts" and rows["aligner"] == "align"
    assert any("arXiv:2010.05646" in line for line in lines)


def test_one_model_is_shown_with_its_parts(malsori: Run) -> None:
    out = malsori("list", "models", "aligner").out
    assert "aligner: the alignment network" in out and "arXiv:2108.10447" in out
    rows = [line.split() for line in out.splitlines()]
    assert ["task", "align"] in rows
    assert ["embedding", "20,480"] in rows and ["all", "607,488"] in rows


def test_an_entry_of_any_kind_is_shown(malsori: Run) -> None:
    out = malsori("list", "generators", "hifigan_v2").out
    assert out.startswith("hifigan_v2: HiFi-GAN V2") and "parameters" not in out
    assert "[espnet]" not in malsori("list", "models", "jets").out
    assert ["extra", "espnet"] in [
        line.split() for line in malsori("list", "models", "espnet.jets").out.splitlines()
    ]


def test_a_wrong_name_is_one_line(malsori: Run) -> None:
    answer = malsori("list", "models", "vitz")
    assert answer.code == 1 and "no model named 'vitz': did you mean 'vits'?" in answer.line
