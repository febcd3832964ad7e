from __future__ import annotations

import pytest
import torch
from torch import nn

from malsori.train.averaging import MovingAverage


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.99])
def test_average_in_closed_form(decay: float) -> None:
    module = net()
    average = MovingAverage(module, decay)
    wanted = {name: t.double().clone() for name, t in module.state_dict().items()}
    for n in range(1, 40):
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(torch.randn_like(parameter))
        module(torch.randn(4, 3))  # moves the norm's buffers
        average.update()
        now = min(decay, (1 + n) / (10 + n))
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                wanted[name] = now * wanted[name] + (1 - now) * tensor.double()
            else:
                wanted[name] = tensor.double()  # counts are copied
    for name, tensor in average.state().items():
        torch.testing.assert_close(tensor.double(), wanted[name], rtol=1e-5, atol=1e-6)
    assert average.updates == 39


def test_applied_inside_the_block_only() -> None:
    module = net()
    average = MovingAverage(module, 0.5)
    with torch.no_grad():
        module[0].weight.add_(1.0)
    own = module[0].weight.clone()

    def stop_inside() -> None:
        with average.applied():
            assert torch.equal(module[0].weight, average.tensors["0.weight"])
            assert not torch.equal(module[0].weight, own)
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        stop_inside()
    assert torch.equal(module[0].weight, own)


def test_goes_on_from_what_was_saved() -> None:
    module = net()
    one = MovingAverage(module, 0.9)
    one.update()
    saved, updates = one.state(), one.updates
    two = MovingAverage(net(), 0.9)
    two.load(saved, updates)
    two.module.load_state_dict(module.state_dict())
    with torch.no_grad():
        for each in (module, two.module):
            each[0].weight.fill_(0.5)
    one.update()
    two.update()
    assert all(torch.equal(one.tensors[name], two.tensors[name]) for name in one.tensors)
    assert not torch.equal(saved["0.weight"], one.tensors["0.weight"])  # a copy, not a view
