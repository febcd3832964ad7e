"""JETS with each encoder and decoder block: it trains, speaks, and a batch changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from recorded import asked
from test_jets import batch, make, total

from malsori.infer.pack import Licences, write_pack
from malsori.infer.synthesizer import Synthesizer
from malsori.modules import STACKS
from malsori.train.run import train

SMALL: dict[str, dict[str, Any]] = {
    "transformer": {},
    "conformer": {"convolution": 3},
    "fastformer": {},
    "long_short": {"window": 4, "rank": 2},
    "reformer": {"chunk": 4, "buckets": 4},
    "relative_transformer": {"window": 2},
}


def test_every_stack_is_looked_at() -> None:
    assert SMALL.keys() == set(STACKS.names())


def settings(name: str) -> dict[str, Any]:
    return {"name": name, "layers": 1, "hidden": 12, "dropout": 0, **SMALL[name]}


@pytest.mark.parametrize("side", ["encoder", "decoder"])
@pytest.mark.parametrize("name", SMALL)
def test_jets_trains_and_speaks(name: str, side: str) -> None:
    net, parts = make(**{side: settings(name)}), batch(loud=True)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    torch.manual_seed(0)
    total(net(**asked(parts))).backward()
    for key, parameter in net.named_parameters():
        if key.endswith(("key.bias", "depthwise.bias")):  # softmax, batch norm take them away
            continue
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all() and parameter.grad.abs().max() > 0, key
    optimizer.step()
    after = net.state_dict()
    assert any(not torch.equal(before[k], after[k]) for k in before if k.startswith(side))

    net.eval()
    tokens, lengths = parts["tokens"], parts["token_lengths"]
    with torch.no_grad():
        together = net.synthesize(tokens, lengths)
        alone = net.synthesize(tokens[:1, :4], lengths[:1])
    samples = int(alone.wav_lengths[0])
    assert int(together.wav_lengths[0]) == samples and together.wav.std() > 0.01
    torch.testing.assert_close(together.wav[0, :samples], alone.wav[0], atol=1e-5, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fastformer", "long_short", "reformer"])
def test_a_run_with_it_on_both_sides_becomes_a_pack_that_speaks(
    name: str, tiny_corpus: Any, tmp_path: Path
) -> None:
    tree = yaml.safe_dump(settings(name), default_flow_style=True).strip()
    overrides = [f"model.encoder={tree}", f"model.decoder={tree}"]
    train(tiny_corpus.settings("training.steps=2", *overrides), tmp_path / "run")
    pack = tmp_path / "voice.malsori.zip"
    write_pack(tmp_path / "run", pack, licences=Licences(weights="CC0-1.0", data="CC0-1.0"))
    said = [Synthesizer.from_pretrained(pack)("나무가 있다.").audio for _ in range(2)]
    assert len(said[0]) > 0 and np.array_equal(*said)
