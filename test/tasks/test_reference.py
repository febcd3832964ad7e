"""Models in their tasks, as the reference recipes have them."""

from __future__ import annotations

import pytest

from malsori.core.errors import ConfigError
from malsori.models import MODELS
from malsori.tasks import TASKS, TRAINED_BY
from malsori.tasks.reference import TOKENS, reference_task, sizes


def test_every_model_is_trained_by_a_task() -> None:
    assert TRAINED_BY.keys() == set(MODELS.names()), "say in tasks/__init__.py which task trains it"
    assert set(TRAINED_BY.values()) == set(TASKS.names())


def test_sizes_of_the_aligner_are_those_of_its_layers() -> None:
    width, bands = 256, 80
    convolutions = [(width, 3), (width, 1), (bands, 3), (width, 3), (width, 1)]
    aligner = sum(width * inputs * kernel + width for inputs, kernel in convolutions)
    assert sizes("aligner") == ({"embedding": TOKENS * width, "aligner": aligner}, {})


def test_what_is_thrown_away_after_training_stands_beside() -> None:
    found = sizes("hifigan")
    assert found.parts.keys() == {"generator"} and found.beside.keys() == {"discriminator"}
    assert found.beside["discriminator"] > found.parts["generator"] > 13e6


def test_a_model_without_a_task_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(TRAINED_BY, "aligner")
    with pytest.raises(ConfigError, match="model 'aligner': no task"):
        reference_task("aligner")
    with pytest.raises(ConfigError, match="did you mean 'aligner'"):
        reference_task("alinger")
