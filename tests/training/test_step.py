"""Steps that are taken, and those that are not."""

import pytest
import torch

from medcycle.batch import Batch, Pair
from medcycle.config import load_config
from medcycle.methods.base import Method
from medcycle.methods.build import build_method
from medcycle.training.muon import orthogonal
from medcycle.training.optimizers import Optimizers, learning_rate_factor
from medcycle.training.pool import ImagePool
from medcycle.training.runtime import make_fabric
from medcycle.training.step import Stepper
from tests.sizes import TINY, fitting

SETTINGS = ["network.name=unet", "network.filters=8", "network.levels=4", "training.accelerator=cpu"]


def weights_after(target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Those of the generator to the source, before and after a step of the warm start."""
    config = load_config("demo", SETTINGS)
    torch.manual_seed(0)
    fabric, method = make_fabric(config.training), build_method(config)
    source = torch.rand(target.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    batch = Batch(source, target, Pair(source, target, torch.ones_like(target)))
    before = weights_of(method)
    optimizers = Optimizers.of(method, config.training).on_devices(fabric)
    losses, taken = Stepper(fabric, method, optimizers, {}).warm_start([batch], reverse=True)
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


MUON = [*SETTINGS, "network.filters=16", "training.optimizer=muon", "training.learning_rate=1e-3"]


def test_muon_steps_the_wide_layers_of_generators_and_adam_the_rest() -> None:
    config = load_config("demo", MUON)
    method = build_method(config)
    optimizers = Optimizers.of(method, config.training)
    of_generators, of_discriminators = optimizers.generators, optimizers.discriminators
    assert isinstance(of_discriminators, torch.optim.Adam)
    by_adam, by_muon = ({weight.data_ptr() for weight in group["params"]} for group in of_generators.param_groups)
    kernels, others = {}, set()
    for name, weight in method.generators.named_parameters():
        if weight.ndim == 4:
            kernels[weight.data_ptr()] = name.split(".")[1]
        else:
            others.add(weight.data_ptr())
    assert by_muon == {place for place, name in kernels.items() if name not in ("entry", "exit")}
    assert by_adam == others | (kernels.keys() - by_muon)
    optimizers.set_learning_rate(0.01)
    assert [group["lr"] for group in of_generators.param_groups] == [0.01, pytest.approx(0.1)]


def test_a_step_of_muon_is_that_of_its_matrix() -> None:
    config = load_config("demo", [*MUON, "training.precision=32-true"])
    torch.manual_seed(0)
    method, fabric = build_method(config), make_fabric(config.training)
    optimizers = Optimizers.of(method, config.training)
    training_step = Stepper(fabric, method, optimizers.on_devices(fabric), {})
    kernel = method.generators["target"].down[0][0][0].weight
    matrix = torch.nn.Parameter(kernel.detach().clone().flatten(1))
    reference = torch.optim.Muon([matrix], 0.02, weight_decay=0, ns_steps=3, adjust_lr_fn="match_rms_adamw")
    for _ in range(2):
        before = matrix.detach().clone()
        pull = torch.randn_like(kernel)
        matrix.grad = pull.flatten(1)
        reference.step()
        optimizers.set_learning_rate(0.002)
        # of two batches, whose gradients are averaged
        losses = [{"loss": (kernel * pull).sum()}, {"loss": (kernel * pull).sum()}]
        assert training_step._descend(optimizers.generators, iter(losses), 2).taken
        # PyTorch's rounds to bf16
        size = (matrix - before).square().mean().sqrt()
        assert (kernel.flatten(1) - matrix).square().mean().sqrt() < 0.02 * size


@pytest.mark.parametrize("shape", [(6, 6), (5, 40), (40, 5)])
def test_a_matrix_is_made_orthogonal(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    left, values, right = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    for scale in (1e-6, 1.0, 1e6):
        made = left.T @ orthogonal(scale * left @ torch.diag(values) @ right, 5) @ right.T
        assert ((made.diagonal() > 0.6) & (made.diagonal() < 1.25)).all()
        assert (made - made.diagonal().diag()).abs().max() < 1e-3
    assert not orthogonal(torch.zeros(shape), 3).any()


@pytest.mark.parametrize(
    "network",
    [
        ["network.name=resnet", "network.blocks=1", "network.filters=12"],
        ["network.name=monai", "network.type=SwinUNETR", "network.arguments={feature_size: 12}"],
        ["network.name=monai", "network.type=SegResNet"],
    ],
)
def test_muon_steps_layers_of_any_shape(network: list[str]) -> None:
    """Some have more outputs than inputs, or are no convolutions."""
    of_unet = ("network.filters", "network.levels")
    general = [override for override in MUON if not override.startswith(of_unet)]
    config = load_config("demo", [*general, *network])

    method, fabric = build_method(config), make_fabric(config.training)
    training_step = Stepper(fabric, method, Optimizers.of(method, config.training).on_devices(fabric), {})
    kernels = [weight for weight in method.generators["target"].parameters() if weight.ndim > 1]
    before = [weight.detach().clone() for weight in kernels]
    loss = sum((weight * torch.randn_like(weight)).sum() for weight in kernels)
    assert training_step._descend(training_step.optimizers.generators, iter([{"loss": loss}]), 1).taken
    for weight, was in zip(kernels, before, strict=True):
        assert (weight != was).any()
        assert weight.isfinite().all()


def test_muon_along_exploded_gradients_changes_nothing() -> None:
    config = load_config("demo", MUON)
    method, fabric = build_method(config), make_fabric(config.training)
    training_step = Stepper(fabric, method, Optimizers.of(method, config.training).on_devices(fabric), {})
    before = weights_of(method)
    kernel = method.generators["source"].down[0][0][0].weight
    loss = 1e30 * kernel.sum() + weights_of(method, detached=False).sum()
    assert not training_step._descend(training_step.optimizers.generators, iter([{"loss": loss}]), 1).taken
    assert torch.equal(before, weights_of(method))


@pytest.mark.parametrize("more", [[], ["method.name=randomized"]])
def test_gradients_of_several_batches_are_those_of_one(more: list[str]) -> None:
    """With losses that are means over images, and layers that keep images apart."""
    config = load_config("demo", fitting([*TINY, *more, "training.accelerator=cpu", "training.precision=32-true"]))
    random = torch.Generator().manual_seed(0)
    source, target = (torch.rand(4, 1, 32, 40, generator=random) * 2 - 1 for _ in range(2))
    batches = [
        Batch(source[part], target[part], Pair(source[part], target[part], torch.ones_like(target[part])))
        for part in (slice(4), slice(2), slice(2, 4))
    ]
    ends, losses = [], []
    for taken in (batches[:1], batches[1:]):
        torch.manual_seed(0)
        fabric, method = make_fabric(config.training), build_method(config)
        pools = {name: ImagePool(0, 0) for name in method.discriminators}
        training_step = Stepper(fabric, method, Optimizers.of(method, config.training), pools)
        losses.append(training_step(taken).losses)
        ends.append(method)
    for one, other in zip(*(method.parameters() for method in ends), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-5)
    for name, loss in losses[0].items():
        torch.testing.assert_close(losses[1][name], loss, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("decay", "factors"),
    [
        ("linear", [1, 1, 1, 0.5, 0, 0]),
        ("cosine", [1, (1 + 0.5**0.5) / 2, 0.5, (1 - 0.5**0.5) / 2, 0, 0]),
        ("constant", [1] * 6),
    ],
)
def test_the_learning_rate_falls_as_asked(decay: str, factors: list[float]) -> None:
    found = [learning_rate_factor(progress, decay) for progress in (0, 0.25, 0.5, 0.75, 1, 1.2)]
    assert found == pytest.approx(factors)
