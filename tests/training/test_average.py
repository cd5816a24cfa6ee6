"""The running average of weights."""

from contextlib import suppress

import pytest
import torch
from torch import nn

from medcycle.training.average import WeightAverage


def module(*weights: float) -> nn.Linear:
    layer = nn.Linear(len(weights), 1, bias=False)
    put(layer, *weights)
    return layer


@torch.no_grad()
def put(layer: nn.Linear, *weights: float) -> None:
    layer.weight.copy_(torch.tensor([weights]))


def averaged(average: WeightAverage, layer: nn.Linear) -> list[float]:
    with average.applied():
        return layer.weight[0].tolist()


def test_the_average_follows_the_recurrence() -> None:
    layer = module(1.0, -4.0)
    average = WeightAverage(layer, decay=0.25)
    expected = torch.tensor([1.0, -4.0])
    for n, weights in enumerate([(2.0, 0.0), (5.0, 1.0), (3.0, -2.0), (0.0, 8.0)], start=1):
        put(layer, *weights)
        average.update()
        decay = min(0.25, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * torch.tensor(weights)
    assert averaged(average, layer) == pytest.approx(expected.tolist(), abs=1e-6)


def test_earlier_updates_slow_it_down() -> None:
    fresh, late = module(0.0), module(0.0)
    averages = WeightAverage(fresh, decay=0.999), WeightAverage(late, decay=0.999, updates=100_000)
    for layer, average in zip((fresh, late), averages, strict=True):
        put(layer, 1.0)
        average.update()
    assert averaged(averages[0], fresh) == pytest.approx([9 / 11])
    assert averaged(averages[1], late) == pytest.approx([0.001], rel=1e-3)


def test_the_module_gets_its_own_weights_back() -> None:
    layer = module(1.0)
    average = WeightAverage(layer, decay=0.5)
    put(layer, 7.0)
    with suppress(RuntimeError), average.applied():
        assert layer.weight.item() == 1.0
        raise RuntimeError
    assert layer.weight.item() == 7.0


def test_no_decay_is_the_module_itself() -> None:
    layer = module(1.0)
    average = WeightAverage(layer, decay=0)
    put(layer, 7.0)
    average.update()
    assert averaged(average, layer) == [7.0]
