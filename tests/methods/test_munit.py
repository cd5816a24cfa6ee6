"""MUNIT, by the equations of its paper."""

import pytest
import torch
from torch.nn.functional import l1_loss

from medcycle.batch import Batch
from medcycle.networks.layers import Layers
from medcycle.networks.style import StyledBlock
from tests.methods.support import DIMENSIONS, error_of, images_for, small_method, with_pair

BLOCKS = "network.blocks=2"


@pytest.fixture
def batch() -> Batch:
    return images_for([])


def test_a_style_sets_mean_and_spread_of_the_layers() -> None:
    block, x = StyledBlock(Layers(2), 3), torch.randn(2, 3, 8, 9)
    style = torch.randn(2, 12)
    seen = []
    block.second.register_forward_hook(lambda module, given, out: seen.append((given[0], out)))
    made = block(x, style)
    spread, mean = style[:, 6:9], style[:, 9:]
    (_, second), added = seen[0], made - x
    even = (second - second.mean((2, 3), keepdim=True)) / (second.var((2, 3), keepdim=True, correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(
        added, even * (1 + spread[:, :, None, None]) + mean[:, :, None, None], atol=1e-4, rtol=1e-4
    )
    torch.testing.assert_close(added.mean((2, 3)), mean, atol=1e-4, rtol=1e-4)


def test_losses_follow_the_paper(batch: Batch) -> None:
    method = small_method("munit", BLOCKS, "method.cycle_weight=2", "method.mind_weight=1")
    torch.manual_seed(4)
    outputs = method(batch)
    losses = method.generator_losses(batch, outputs)
    torch.manual_seed(4)
    drawn = torch.randn(2, 8)
    target, source = method.generators["target"], method.generators["source"]
    content, style = source.encode(batch.source)
    made = target.decode(content, drawn)
    torch.testing.assert_close(outputs["synthetic_target"], made)
    torch.testing.assert_close(method.translate(batch.source, style=drawn), made)
    found_content, found_style = target.encode(made)
    same = source.decode(content, style)
    torch.testing.assert_close(losses["reconstruction_source"], 10 * l1_loss(same, batch.source))
    torch.testing.assert_close(losses["content_source"], l1_loss(found_content, content))
    torch.testing.assert_close(losses["style_target"], l1_loss(found_style, drawn))
    back = source.decode(found_content, style)
    torch.testing.assert_close(losses["cycle_source"], 2 * l1_loss(back, batch.source))
    judged = method.discriminators["target"](made)
    torch.testing.assert_close(losses["adversarial_target"], (judged - 1).square().mean())
    kinds = {"adversarial", "reconstruction", "content", "style", "cycle", "structure"}
    assert {name.split("_")[0] for name in losses} == kinds


def test_images_have_styles_of_their_own_before_any_training() -> None:
    """Which the weights of CycleGAN, in layers without normalisation, would shrink to nothing."""
    method, grey = small_method("munit", BLOCKS), torch.linspace(-1, 1, 4).reshape(4, 1, 1, 1).expand(4, 1, 32, 32)
    styles = method.style_of(grey)
    assert styles.std(0).mean() > 0.1


def test_without_a_cycle(batch: Batch) -> None:
    method = small_method("munit", BLOCKS, "method.cycle_weight=0")
    outputs = method(batch)
    assert not any(name.startswith("restored") for name in outputs)
    assert not any(name.startswith("cycle") for name in method.generator_losses(batch, outputs))


@pytest.mark.parametrize("sizes", DIMENSIONS)
def test_every_weight_learns(sizes: list[str]) -> None:
    method = small_method("munit", BLOCKS, *sizes)
    batch = images_for(sizes)
    outputs = method(batch)
    sum(method.generator_losses(batch, outputs).values()).backward()
    assert all(weight.grad is not None for weight in method.generators.parameters())
    fakes = {name: fake.detach() for name, fake in method.fakes(outputs).items()}
    sum(method.discriminator_losses(batch, fakes).values()).backward()
    assert all(weight.grad is not None for weight in method.discriminators.parameters())


@pytest.mark.parametrize("reverse", [False, True])
def test_styles_make_several_outputs_of_one_input(batch: Batch, reverse: bool) -> None:
    method = small_method("munit", BLOCKS).eval()
    middle = method.translate(batch.source, reverse=reverse)
    torch.testing.assert_close(middle, method.translate(batch.source, reverse=reverse, style=torch.zeros(2, 8)))
    other = method.translate(batch.source, reverse=reverse, style=torch.ones(2, 8))
    assert (middle - other).abs().mean() > 1e-3
    style = method.style_of(batch.target, reverse=reverse)
    assert style.shape == (2, 8)
    assert not torch.allclose(style[0], style[1])


def test_simulated_pairs_teach_it(batch: Batch) -> None:
    method = small_method("munit", BLOCKS, "method.simulated_pair_weight=3")
    given = with_pair(batch)
    error = error_of(method, given.pair)
    torch.testing.assert_close(method.generator_losses(given, method(given))["simulated_pair_target"], 3 * error)
    assert set(method.warm_start_losses(given, reverse=True)) == {"simulated_pair_target", "simulated_pair_source"}
    assert list(method.views(batch))[2] == "styled_target"
