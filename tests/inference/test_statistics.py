"""Statistics of windows: gathered, mixed and applied."""

import pytest
import torch
from torch import Tensor, nn

from medcycle.inference.statistics import Statistics


class Twice(nn.Module):
    """A layer that is used twice, as in MUNIT's decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.convolve, self.even = nn.Conv3d(1, 4, 3, padding=1), nn.InstanceNorm3d(4)
        self.back = nn.Conv3d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.even(self.back(self.even(self.convolve(x)).relu()))


def plain(norm: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), norm, nn.ReLU(), nn.Conv3d(4, 2, 3))


NETWORKS = {
    "instance": lambda: plain(nn.InstanceNorm3d(4)),
    "affine": lambda: plain(nn.InstanceNorm3d(4, affine=True)),
    "group": lambda: plain(nn.GroupNorm(2, 4)),
    "layer": lambda: plain(nn.GroupNorm(1, 4)),
    "twice": Twice,
}


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    made = NETWORKS[request.param]()
    for parameter in made.parameters():
        nn.init.normal_(parameter, 0.5, 0.5)
    return made


def mixed(network: nn.Module, images: Tensor, weights: Tensor, together: int) -> Tensor:
    before = weights.tril()
    statistics, made = Statistics(network, before / before.sum(1, keepdim=True)), []
    for first in range(0, len(images), together):
        some = slice(first, first + together)
        with statistics.mixed(some):
            made.append(network(images[some]))
    return torch.cat(made)


@pytest.mark.parametrize("together", [1, 2, 5])
def test_own_statistics_change_nothing(network: nn.Module, together: int) -> None:
    images = torch.randn(5, 1, 8, 8, 8)
    made = mixed(network, images, torch.eye(5), together)
    torch.testing.assert_close(made, network(images), rtol=1e-4, atol=1e-4)


def test_it_makes_no_difference_how_many_go_together(network: nn.Module) -> None:
    images, weights = torch.randn(5, 1, 8, 8, 8), torch.rand(5, 5)
    alone = mixed(network, images, weights, 1)
    for together in (2, 5):
        torch.testing.assert_close(mixed(network, images, weights, together), alone, rtol=1e-4, atol=1e-4)


def test_in_half_precision_statistics_stay_whole(network: nn.Module) -> None:
    """Autocast would round them, and a scale of single precision can't be applied then."""
    images, weights = torch.randn(5, 1, 8, 8, 8), torch.rand(5, 5)
    whole = mixed(network, images, weights, 2)
    with torch.autocast("cpu", torch.bfloat16):
        half, own = mixed(network, images, weights, 2), network(images)
    assert half.dtype == own.dtype
    assert (half.float() - whole).abs().mean() < 0.02 * whole.abs().mean()


def test_an_image_is_normalised_by_its_own_and_those_before() -> None:
    images, weights = torch.randn(3, 2, 4, 4, 4) * torch.tensor([1.0, 2, 4]).reshape(3, 1, 1, 1, 1), torch.rand(3, 3)
    made = mixed(nn.Sequential(nn.InstanceNorm3d(2)), images, weights, 1)
    for image in range(3):
        shares = weights[image, : image + 1] / weights[image, : image + 1].sum()
        for channel in range(2):
            before = images[: image + 1, channel].flatten(1)
            mean, variance = (shares * before.mean(1)).sum(), (shares * before.var(1, correction=0)).sum()
            expected = (images[image, channel] - mean) / (variance + 1e-5).sqrt()
            torch.testing.assert_close(made[image, channel], expected, rtol=1e-4, atol=1e-4)


def test_by_the_same_statistics_a_part_is_as_in_the_other_window(network: nn.Module) -> None:
    """The same voxels give the same in both windows, which they don't with each window's own statistics."""
    torch.manual_seed(1)
    volume = torch.randn(1, 1, 8, 8, 24).cumsum(-1)
    windows = torch.cat([volume[..., :16], volume[..., 8:]])
    inner = 3  # away from the borders, which are padded

    def apart(both: Tensor) -> float:
        cut = (windows.shape[-1] - both.shape[-1]) // 2  # of convolutions without padding
        first, second = both[0, ..., 8 + inner - cut : 16 - inner - cut], both[1, ..., inner - cut : 8 - inner - cut]
        return float((first - second).detach().abs().max())

    assert apart(network(windows)) > 0.05
    assert apart(mixed(network, windows, torch.tensor([[1.0, 0], [1, 0]]), 2)) < 1e-4


def test_a_compiled_network_is_normalised_alike(network: nn.Module) -> None:
    images = torch.randn(2, 1, 8, 8, 8)
    wanted = mixed(network, images, torch.ones(2, 2), 2)
    network.compile(backend="eager")
    network(images)
    torch.testing.assert_close(mixed(network, images, torch.ones(2, 2), 2), wanted)


def test_the_network_is_left_as_it_was(network: nn.Module) -> None:
    images = torch.randn(2, 1, 8, 8, 8)
    before = network(images)
    with pytest.raises(RuntimeError), Statistics(network, torch.eye(2)).mixed(slice(0, 2)):
        network(torch.randn(2, 3, 8, 8, 8))
    torch.testing.assert_close(network(images), before, rtol=0, atol=0)
