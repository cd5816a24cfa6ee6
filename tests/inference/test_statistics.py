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


def gathered(network: nn.Module, images: Tensor, together: int) -> Statistics:
    statistics = Statistics(network)
    for some in images.split(together):
        with statistics.gathered():
            network(some)
    return statistics


@pytest.mark.parametrize("together", [1, 2, 5])
def test_own_statistics_change_nothing(network: nn.Module, together: int) -> None:
    images = torch.randn(5, 1, 8, 8, 8)
    statistics = gathered(network, images, together)
    statistics.mix(torch.eye(5))
    for first in range(0, 5, together):
        some = slice(first, first + together)
        with statistics.applied(some):
            made = network(images[some])
        torch.testing.assert_close(made, network(images[some]), rtol=1e-4, atol=1e-4)


def test_of_shared_statistics_a_part_is_as_in_the_other_window(network: nn.Module) -> None:
    """The same voxels give the same in both windows, which they don't with each window's own statistics."""
    torch.manual_seed(1)
    volume = torch.randn(1, 1, 8, 8, 24).cumsum(-1)
    windows = torch.cat([volume[..., :16], volume[..., 8:]])
    own = network(windows)
    statistics = gathered(network, windows, 2)
    statistics.mix(torch.full((2, 2), 0.5))
    with statistics.applied(slice(0, 2)):
        made = network(windows)
    inner = 3  # away from the borders, which are padded

    def apart(both: Tensor) -> float:
        cut = (windows.shape[-1] - both.shape[-1]) // 2  # of convolutions without padding
        first, second = both[0, ..., 8 + inner - cut : 16 - inner - cut], both[1, ..., inner - cut : 8 - inner - cut]
        return float((first - second).detach().abs().max())

    assert apart(own) > 0.05
    assert apart(made) < 1e-4


def test_a_compiled_network_is_normalised_alike(network: nn.Module) -> None:
    images = torch.randn(2, 1, 8, 8, 8)
    expected = gathered(network, images, 2)
    expected.mix(torch.full((2, 2), 0.5))
    with expected.applied(slice(0, 2)):
        wanted = network(images)
    network.compile(backend="eager")
    network(images)
    found = gathered(network, images, 2)
    found.mix(torch.full((2, 2), 0.5))
    with found.applied(slice(0, 2)):
        torch.testing.assert_close(network(images), wanted)


def test_the_network_is_left_as_it_was(network: nn.Module) -> None:
    images = torch.randn(2, 1, 8, 8, 8)
    before = network(images)
    with pytest.raises(RuntimeError), Statistics(network).gathered():
        network(torch.randn(2, 3, 8, 8, 8))
    torch.testing.assert_close(network(images), before, rtol=0, atol=0)
