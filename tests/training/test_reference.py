"""The project's steps against a CycleGAN written out by hand."""

import copy
from itertools import pairwise

import torch
from torch.nn.functional import l1_loss

from medcycle.batch import Batch
from medcycle.config import load_config
from medcycle.methods.build import build_method
from medcycle.training.optimizers import Optimizers
from medcycle.training.pool import ImagePool
from medcycle.training.runtime import make_fabric
from medcycle.training.step import Stepper
from medcycle.tuning import SETTING
from tests.sizes import TINY

PLAIN = [
    "method.adversaries=both",
    "method.simulated_pair_weight=0",
    "method.identity_weight=5",
    "training.warm_start=0",
]
FLOAT = ["training.precision=32-true", "training.accelerator=cpu"]
RATE, BETAS = 2e-4, (0.5, 0.999)


def by_hand(method: torch.nn.Module, batches: list[Batch]) -> None:
    """Zhu et al. 2017, eq. 1 to 3 and section 4, with least squares and the identity loss of 5.2."""
    g, f = method.generators["target"], method.generators["source"]
    d_y, d_x = method.discriminators["target"], method.discriminators["source"]
    generators = torch.optim.Adam([*g.parameters(), *f.parameters()], RATE, BETAS, fused=True)
    discriminators = torch.optim.Adam([*d_y.parameters(), *d_x.parameters()], RATE, BETAS, fused=True)
    for x, y, *_ in batches:
        fake_y, fake_x = g(x), f(y)
        loss = (d_y(fake_y) - 1).square().mean() + (d_x(fake_x) - 1).square().mean()
        loss = loss + 10 * (l1_loss(f(fake_y), x) + l1_loss(g(fake_x), y)) + 5 * (l1_loss(g(y), y) + l1_loss(f(x), x))
        generators.zero_grad()
        loss.backward()
        generators.step()
        loss = torch.zeros(())
        for judge, real, fake in ((d_y, y, fake_y), (d_x, x, fake_x)):
            judged_real, judged_fake = judge(real), judge(fake.detach())
            loss = loss + 0.5 * ((judged_real - 1).square().mean() + judged_fake.square().mean())
        discriminators.zero_grad()
        loss.backward()
        discriminators.step()


def _idle(method: torch.nn.Module) -> set[str]:
    """Biases that instance normalisation takes away again: their gradient is rounding, which Adam makes large."""
    parts = [(name, module) for name, module in method.named_modules() if not list(module.children())]
    return {f"{name}.bias" for (name, _), (_, after) in pairwise(parts) if isinstance(after, torch.nn.InstanceNorm2d)}


def test_ten_steps_give_the_weights_of_ten_by_hand(monkeypatch) -> None:
    # PyTorch's convolutions, of which those of one batch are to the last bit those of its images; that the project's
    # equal them is for the tests of networks
    monkeypatch.setenv(SETTING, "1")
    rates = [f"training.learning_rate={RATE}", f"training.betas={list(BETAS)}"]
    config = load_config("demo", [*TINY, *PLAIN, *FLOAT, *rates])
    torch.manual_seed(0)
    method = build_method(config)
    reference = copy.deepcopy(method)
    batches = [Batch(torch.rand(2, 1, 32, 40) * 2 - 1, torch.rand(2, 1, 32, 40) * 2 - 1) for _ in range(10)]
    fabric = make_fabric(config.training)
    before = copy.deepcopy(method.state_dict())
    adam = Optimizers.of(method, config.training).on_devices(fabric)
    pools = {name: ImagePool(0, 0) for name in method.discriminators}
    training_step = Stepper(fabric, method, adam, pools)
    for batch in batches:
        training_step([batch])
    by_hand(reference, batches)
    idle = _idle(method)
    for name, expected in reference.state_dict().items():
        found = method.state_dict()[name]
        if name not in idle:
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
        assert before[name].ndim < 4 or (found - before[name]).abs().max() > 1e-4  # they have moved
