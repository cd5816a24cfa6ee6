"""Steps that are taken, and those that are not."""

import pytest
import torch

from medcycle.config import load_config
from medcycle.errors import UsageError
from medcycle.methods.base import Batch, Method, Pair
from medcycle.methods.build import build_method
from medcycle.training import step
from medcycle.training.runtime import make_fabric
from medcycle.training.step import Optimizers, warm_start_step

SETTINGS = ["network.name=unet", "network.filters=8", "network.levels=4", "training.accelerator=cpu"]


def weights_after(target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Those of the generator to the source, before and after a step of the warm start."""
    config = load_config("demo", SETTINGS)
    torch.manual_seed(0)
    fabric, method = make_fabric(config.training), build_method(config)
    wrapped = fabric.setup_module(method)
    wrapped.mark_forward_method("warm_start_losses")
    source = torch.rand(target.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    batch = Batch(source, target, Pair(source, target, torch.ones_like(target)))
    before = weights_of(method)
    optimizers = Optimizers.of(method, config.training).on_devices(fabric)
    losses, taken = warm_start_step(fabric, wrapped, batch, optimizers, reverse=True)
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert taken == (not torch.equal(before, weights_of(method)))
    return before, weights_of(method)


def weights_of(method: Method, name: str = "source", *, detached: bool = True) -> torch.Tensor:
    vector = torch.nn.utils.parameters_to_vector(method.generators[name].parameters())
    return vector.detach().clone() if detached else vector


def test_images_of_air_alone_do_no_harm() -> None:
    noise = torch.rand(1, 1, 64, 80, generator=torch.Generator().manual_seed(1)) * 2 - 1
    before, after = weights_after(noise)
    assert not torch.equal(before, after)
    before, after = weights_after(torch.cat([noise, torch.full_like(noise, -1.0)]))
    assert torch.equal(before, after)


def test_each_network_has_its_own_optimizer_if_asked() -> None:
    halves = {}
    for kind in ("joint", "separate"):
        config = load_config("demo", ["method.name=unit", "network.blocks=2", f"training.optimizers={kind}"])
        method = build_method(config)
        halves[kind] = Optimizers.of(method, config.training)
        for half, networks in zip(
            (halves[kind].generators, halves[kind].discriminators),
            (method.generators, method.discriminators),
            strict=True,
        ):
            held = [weight for optimizer in half for group in optimizer.param_groups for weight in group["params"]]
            # those that both autoencoders of UNIT share are stepped once
            assert sorted(map(id, held)) == sorted(map(id, networks.parameters()))
    assert [len(half) for half in (halves["joint"].generators, halves["separate"].generators)] == [1, 2]


def test_a_network_whose_gradients_explode_leaves_out_its_step_alone() -> None:
    config = load_config("demo", [*SETTINGS, "training.optimizers=separate"])
    method = build_method(config)
    fabric = make_fabric(config.training)
    optimizers = Optimizers.of(method, config.training).on_devices(fabric)
    before = {name: weights_of(method, name) for name in ("target", "source")}
    exploding = {"target": 1e30, "source": 1.0}
    losses = {name: size * weights_of(method, name, detached=False).sum() for name, size in exploding.items()}
    assert not step._descend(fabric, optimizers.generators, losses)
    assert torch.equal(before["target"], weights_of(method, "target"))
    assert not torch.equal(before["source"], weights_of(method, "source"))


def test_scaled_losses_have_one_optimizer_a_half() -> None:
    config = load_config("demo", ["training.optimizers=separate", "training.precision=16-mixed"])
    with pytest.raises(UsageError, match="leave it joint"):
        make_fabric(config.training)
