"""What a step takes."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from medcycle.batch import Batch, Pair
from medcycle.config import Config, load_config
from medcycle.errors import UsageError
from medcycle.methods.build import build_method
from medcycle.planning.cost import require_memory, step_cost
from medcycle.tuning import SETTING
from tests.sizes import fitting

METHODS = ["cyclegan", "randomized", "pix2pix", "hybrid", "cut", "unit", "munit", "regcyclegan"]

SLOW = {"cut", "unit", "munit"}
"""Methods with much to count."""


def config(name: str, *more: str) -> Config:
    small = ["network.filters=8", "network.blocks=2", "network.discriminator_filters=4", "data.patch_size=[32, 32]"]
    return load_config("demo", fitting([f"method.name={name}", *small, *more]))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else []) for name in METHODS]
)
def test_operations_are_those_of_a_step_in_earnest(name: str, monkeypatch) -> None:
    monkeypatch.setenv(SETTING, "1")  # on a processor, it takes another hundredth for speed
    chosen = config(name, "method.adversarial_weight=1")
    cost, method = step_cost(chosen), build_method(chosen)
    images = [torch.rand(1, 1, 32, 32) for _ in range(8)]
    batch = Batch(images[0], images[1], Pair(*images[2:5]), Pair(*images[5:]))
    with FlopCounterMode(display=False) as counter:
        method.discriminators.requires_grad_(False)
        outputs = method(batch)
        sum(method.generator_losses(batch, outputs).values()).backward()
        method.discriminators.requires_grad_(True)
        fakes = {name: fake.detach() for name, fake in method.fakes(outputs).items()}
        sum(method.discriminator_losses(batch, fakes).values()).backward()
    assert cost.flop == counter.get_total_flops()
    assert cost.generators == sum(weight.numel() for weight in method.generators.parameters())
    assert cost.discriminators == sum(weight.numel() for weight in method.discriminators.parameters())
    assert cost.memory > 20 * (cost.generators + cost.discriminators)


def test_a_convolution_is_counted_by_hand() -> None:
    """A generator's step of one image: the forward pass once, and twice of it back, but for the first layer's input."""
    one = config("randomized", "method.adversarial_weight=0", "network.blocks=1")
    two = config("randomized", "method.adversarial_weight=0", "network.blocks=2")
    block = 2 * (2 * 9 * 32 * 32 * 8 * 8)  # two convolutions, 32 channels, 8 by 8 voxels; a product and a sum each
    assert step_cost(two).flop - step_cost(one).flop == 3 * block


def test_a_step_that_fits_no_machine_is_refused_before_it_is_tried() -> None:
    require_memory(config("cyclegan"), 2**30)
    wide = load_config("demo", fitting(["method.name=cyclegan", "network.name=resnet", "network.filters=2048"]))
    with pytest.raises(UsageError, match=r"needs about \d+ GiB, and the device has 16; lower network\.filters"):
        require_memory(wide, 2**34)
