"""What all methods that learn from unpaired images have in common."""

import pytest
import torch

from medcycle.batch import Batch, Bodies
from medcycle.losses.structure import StructureWeights, structure_loss
from tests.methods.support import DIMENSIONS, images_for, small_method

METHODS = ["cyclegan", "unit", "munit", "cut"]
PLAIN = {
    "cyclegan": ["method.adversaries=both", "method.identity_weight=5"],
    "unit": ["network.name=resnet"],
    "munit": ["network.name=resnet"],
    "cut": ["network.name=resnet"],
}


def with_bodies(batch: Batch) -> Batch:
    """The body in the first half along the first axis; beyond it images are −1."""
    half = torch.zeros_like(batch.source, dtype=torch.bool)
    half[:, :, : half.shape[2] // 2] = True
    images = {name: torch.where(half, getattr(batch, name), -1.0) for name in ("source", "target")}
    return batch._replace(bodies=Bodies(half, half), **images)


@pytest.mark.parametrize("sizes", DIMENSIONS)
@pytest.mark.parametrize("name", METHODS)
def test_every_method_can_keep_structure(name: str, sizes: list[str]) -> None:
    weights = ["method.mind_weight=2", "method.shape_weight=3"]
    method, batch = small_method(name, *PLAIN[name], *sizes, *weights), with_bodies(images_for(sizes))
    outputs = method(batch)
    losses = method.generator_losses(batch, outputs)
    expected = structure_loss(
        batch.source, outputs["synthetic_target"], StructureWeights(mind=2, shape=3), batch.bodies.source
    )
    torch.testing.assert_close(losses["structure_target"], expected)
    assert ("structure_source" in losses) == method.two_way


@pytest.mark.parametrize("name", ["cyclegan", "unit", "munit"])
def test_what_lies_outside_the_body_can_count_less(name: str) -> None:
    method, batch = small_method(name, *PLAIN[name], "method.outside_weight=0"), with_bodies(images_for([]))
    outputs = dict(method(batch))
    compared = [key for key in outputs if key.startswith(("same_", "restored_"))]
    assert len(compared) == 4
    before = method.generator_losses(batch, outputs)
    for key in compared:
        outputs[key] = torch.where(batch.bodies.target, outputs[key], 0.123)
    for key, loss in method.generator_losses(batch, outputs).items():
        torch.testing.assert_close(loss, before[key])
    real, made = (images[batch.bodies.target] for images in (batch.target, outputs["restored_target"]))
    torch.testing.assert_close(before["cycle_target"], 10 * (real - made).abs().mean())


def test_bodies_have_to_be_known() -> None:
    method, batch = small_method("cyclegan", *PLAIN["cyclegan"], "method.outside_weight=0.5"), images_for([])
    with pytest.raises(ValueError, match="the batch has none"):
        method.generator_losses(batch, method(batch))
