"""A run that starts from an imported voice says at its first step what ESPnet says."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import espnet_voice
import numpy as np
import pytest
import torch

from malsori.core.config import from_dict
from malsori.core.errors import ConfigError
from malsori.data.dataset import Names
from malsori.espnet.pack_reader import read_espnet
from malsori.infer.pack import Licences, write_voice
from malsori.models.voice import Conditions
from malsori.text.tokens import TokenList
from malsori.train.config import TrainConfig
from malsori.train.initial import open_base, start_from
from malsori.train.run import build_task

IDS = [3, 7, 2, 9, 5, 5, 13, 4, 12, 6]
SPEAKERS = ("2", "new", "1")
"""Of the run; the imported voice has 0 to 3."""
CONFORMER = {
    "encoder_type": "conformer", "decoder_type": "conformer", "conformer_rel_pos_type": "latest",
    "spks": 4,
}  # fmt: skip


VITS = {"spks": 4, "global_channels": 6}


@pytest.mark.parametrize("params", [{}, CONFORMER, VITS], ids=["transformer", "conformer", "vits"])
def test_first_step_speaks_as_espnet_does(
    espnet: ModuleType, tmp_path: Path, params: dict[str, Any]
) -> None:
    make = espnet_voice.make_vits if params is VITS else espnet_voice.make
    voice = make(tmp_path / "voice", **params)
    pack = tmp_path / "imported.malsori.zip"
    read = read_espnet(voice.pack(tmp_path / "zoo.zip"), training=True)
    if params is VITS:
        read.description["model"] |= {"noise": 0.0, "duration_noise": 0.0}
    write_voice(read, pack, Licences(weights="CC-BY-4.0"))
    described = {key: read.description[key] for key in ("audio", "model", "task")}
    config = from_dict(TrainConfig, {**described, "init_from": str(pack)})
    base = open_base(config, tmp_path / "run")
    assert base is not None and base.record["licences"]["weights"] == "CC-BY-4.0"

    symbols = base.tokens.symbols
    tokens = TokenList((*symbols[:2], "ㅸ", *reversed(symbols[2:])))
    names = Names(speakers=SPEAKERS if params else ("me",), languages=("",))
    task: Any = build_task(config, tokens, base.files.statistics, names)
    record = start_from(base, task, tokens, names)
    assert record["tokens"]["new"] == ("ㅸ",)
    assert record["players"] == {"generator": "given", "discriminator": "given"}

    ids = torch.tensor([tokens.encode(symbols[i] for i in IDS)])
    speaker = torch.tensor([0]) if params else None
    with torch.no_grad():
        said = task.model.eval().synthesize(
            ids, torch.tensor([len(IDS)]), Conditions(speaker=speaker)
        )
    theirs = {"sids": torch.tensor([2])} if params else {}
    wav, durations = voice.say(IDS, **theirs)
    np.testing.assert_array_equal(said.prosody.durations[0].numpy(), durations)
    assert abs(wav).max() > 0.01
    np.testing.assert_allclose(said.wav[0].numpy(), wav, rtol=0, atol=1e-4)


def test_what_differs_from_an_imported_voice_is_named(espnet: ModuleType, tmp_path: Path) -> None:
    pack = tmp_path / "imported.malsori.zip"
    read = read_espnet(espnet_voice.make(tmp_path / "voice").pack(tmp_path / "zoo.zip"))
    write_voice(read, pack)
    described = {key: read.description[key] for key in ("audio", "model")}
    described["model"] = described["model"] | {"width": 32}
    config = from_dict(TrainConfig, {**described, "init_from": str(pack)})
    with pytest.raises(ConfigError, match=r"^model\.width: 32, .* set model\.width=16$"):
        open_base(config, tmp_path / "run")
