"""What all methods that learn from unpaired images have in common."""

import pytest
import torch

from medcycle.losses.structure import mind_loss
from tests.methods.support import DIMENSIONS, images_for, small_method

METHODS = ["cyclegan", "unit", "munit", "cut"]
PLAIN = {
    "cyclegan": ["method.adversaries=both", "method.identity_weight=5"],
    "unit": ["network.name=resnet"],
    "munit": ["network.name=resnet"],
    "cut": ["network.name=resnet"],
}


@pytest.mark.parametrize("sizes", DIMENSIONS)
@pytest.mark.parametrize("name", METHODS)
def test_every_method_can_keep_structure(name: str, sizes: list[str]) -> None:
    method, batch = small_method(name, *PLAIN[name], *sizes, "method.mind_weight=2"), images_for(sizes)
    outputs = method(batch)
    losses = method.generator_losses(batch, outputs)
    expected = 2 * mind_loss(batch.source, outputs["synthetic_target"])
    torch.testing.assert_close(losses["structure_target"], expected)
    assert ("structure_source" in losses) == method.two_way
