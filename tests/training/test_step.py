"""Steps that are taken, and those that are not."""

import torch

from medcycle.config import load_config
from medcycle.methods.base import Batch, Method, Pair
from medcycle.methods.build import build_method
from medcycle.training.runtime import make_fabric
from medcycle.training.step import Optimizers, warm_start_step

SETTINGS = ["network.name=unet", "network.filters=8", "network.levels=4", "training.accelerator=cpu"]


def weights_after(target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Those of the generator to the source, before and after a step of the warm start."""
    config = load_config("demo", SETTINGS)
    torch.manual_seed(0)
    fabric, method = make_fabric(config.training), build_method(config)
    halves = (method.generators, method.discriminators)
    optimizers = [torch.optim.Adam(part.parameters(), 1e-3) for part in halves]
    wrapped = fabric.setup_module(method)
    wrapped.mark_forward_method("warm_start_losses")
    source = torch.rand(target.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    batch = Batch(source, target, Pair(source, target, torch.ones_like(target)))
    before = weights_of(method)
    made = Optimizers(*(fabric.setup_optimizers(optimizer) for optimizer in optimizers))
    losses, taken = warm_start_step(fabric, wrapped, batch, made, reverse=True)
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert taken == (not torch.equal(before, weights_of(method)))
    return before, weights_of(method)


def weights_of(method: Method) -> torch.Tensor:
    return torch.nn.utils.parameters_to_vector(method.generators["source"].parameters()).clone()


def test_images_of_air_alone_do_no_harm() -> None:
    noise = torch.rand(1, 1, 64, 80, generator=torch.Generator().manual_seed(1)) * 2 - 1
    before, after = weights_after(noise)
    assert not torch.equal(before, after)
    before, after = weights_after(torch.cat([noise, torch.full_like(noise, -1.0)]))
    assert torch.equal(before, after)
