"""Voices of the tiny run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml


@pytest.fixture(scope="session")
def speak(lively_run: Path) -> Any:
    """Return a synthesizer with the tiny run's voice."""
    from malsori.infer.synthesizer import Synthesizer

    return Synthesizer.from_pretrained(lively_run)


@pytest.fixture(scope="session")
def styled_run(lively_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run with style tokens in it, their weights drawn, not trained."""
    import torch
    from safetensors.torch import load_file, save_file

    from malsori.core.config import build, from_dict, read_choice
    from malsori.dsp.audio_config import AudioConfig
    from malsori.models import MODELS
    from malsori.models.voice import VoiceContext
    from malsori.text.tokens import TokenList

    folder = shutil.copytree(lively_run, tmp_path_factory.mktemp("styled") / "run")
    tree = yaml.safe_load((folder / "config.yaml").read_text())
    tree["model"]["style"] = {"tokens": 3, "heads": 2, "channels": [4], "gru_units": 4}
    (folder / "config.yaml").write_text(yaml.safe_dump(tree))
    audio = from_dict(AudioConfig, tree["audio"])
    context = VoiceContext(audio=audio, tokens=len(TokenList.load(folder / "tokens.txt")))
    torch.manual_seed(3)
    drawn = build(MODELS, read_choice(MODELS, tree["model"], "model"), context=context).state_dict()
    for name, tensor in drawn.items():
        if name.startswith("conditioning."):
            tensor.mul_(3)
    for path in folder.glob("checkpoints/step-*/average.safetensors"):
        save_file(drawn | load_file(path), path)
    return folder
