"""Whole volumes: with a generator whose answer is known, the output's place and values are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medcycle.config import load_config
from medcycle.errors import DataError, WrongRegion
from medcycle.inference import Options, Windows
from medcycle.intensity import HounsfieldWindow, MrLandmarks, MrPercentile
from medcycle.methods.checkpoint import SavedMethod
from medcycle.methods.cyclegan import CycleGan
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.volume import Grid, Volume
from tests.synthesized import synthesize

HEAD = HeadPhantom.random(2)
INTENSITY = {"ct": HounsfieldWindow(-1024, 2000), "mr": MrPercentile(0, 500)}


class Negative(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return -x


def saved(to_target: nn.Module, to_source: nn.Module, *overrides: str) -> SavedMethod:
    config = load_config("demo", ["data.spacing=[3, 3, null]", *overrides])
    return SavedMethod(CycleGan(to_target, to_source, nn.Identity(), nn.Identity()), config, INTENSITY, 1)


@pytest.mark.parametrize("dims", ["2", "3"])
@pytest.mark.parametrize("orientation", ["RAS", "LPS", "PIR", "LIP"])
def test_an_identity_network_returns_the_source(orientation: str, dims: str) -> None:
    grid = head_grid(spacing=(3, 3, 3), orientation=orientation, rotation_degrees=(3, 0, 5))
    mr = HEAD.mr(grid)
    overrides = ["network.spatial_dims=3", "data.patch_size=[32, 32, 32]"] if dims == "3" else []
    made = synthesize(mr, saved(nn.Identity(), nn.Identity(), *overrides), "ct")
    assert made.volume.grid is grid
    expected = INTENSITY["ct"].inverse(made.intensity.forward(mr.array))
    inside = made.body.array
    assert np.mean(np.abs(made.volume.array - expected)[inside]) < 60  # of 3024: interpolation to RAS and back
    assert np.corrcoef(made.volume.array[inside], expected[inside])[0, 1] > 0.99
    assert (made.volume.array[~inside] == -1024).all()


def test_voxels_that_are_not_numbers_are_no_result() -> None:
    class Lost(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.where(x > 0, torch.nan, x)

    with pytest.raises(DataError, match="NaN or infinite voxels"):
        synthesize(HEAD.mr(head_grid(spacing=(4, 4, 4))), saved(Lost(), Lost()), "ct")


def test_directions_are_not_mixed_up() -> None:
    grid = head_grid(spacing=(4, 4, 4))
    ct = HEAD.ct(grid, noise=0)
    made = synthesize(ct, saved(nn.Identity(), Negative(), "data.spacing=[null, null, null]"), "mr")
    inside = made.body.array
    expected = INTENSITY["mr"].inverse(-made.intensity.forward(ct.array))
    np.testing.assert_allclose(made.volume.array[inside], expected[inside], atol=0.1)
    assert (made.volume.array[~inside] == 0).all()
    assert made.volume.array.min() >= 0
    assert made.volume.array.max() <= 500


@pytest.mark.parametrize("shape", [(30, 41, 2), (57, 33, 7), (90, 110, 5)])
def test_odd_sizes_and_few_slices(shape: tuple[int, int, int]) -> None:
    mr = HEAD.mr(head_grid(shape, (3, 3, 8)))
    made = synthesize(mr, saved(nn.Identity(), nn.Identity()), "ct", Options(windows=Windows(3)))
    assert made.volume.array.shape == shape
    assert np.isfinite(made.volume.array).all()
    assert made.body.array.any()


SHAPES = [(30, 41, 1), (30, 41, 2), (1, 60, 40), (57, 33, 7), (12, 12, 12), (90, 110, 5)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["2D", "2.5D", "3D", "all planes"])
def test_any_shape_comes_back(shape: tuple[int, int, int], kind: str) -> None:
    """Slices alone, volumes smaller than a window, anisotropic and oblique grids."""
    overrides = {
        "2D": [],
        "2.5D": ["data.slices=3"],
        "3D": ["network.spatial_dims=3", "data.patch_size=[32, 48, 32]", "data.spacing=[3, 3, 3]"],
        "all planes": ["data.plane=all", "data.spacing=[4, 4, 4]"],
    }[kind]
    spacing = (3.0, 3.0, 8.0) if shape[2] < 10 else (3.0, 3.0, 3.0)
    grid = head_grid(shape, spacing, rotation_degrees=(8, -5, 12))
    mr = HEAD.mr(grid)
    made = synthesize(mr, saved(nn.Identity(), nn.Identity(), *overrides), "ct", Options(flips=True, shifts=2))
    assert made.volume.grid is grid
    assert np.isfinite(made.volume.array).all()
    inside = made.body.array
    assert inside.any()
    assert (made.volume.array[~inside] == -1024).all()
    assert made.volume.array[inside].min() >= -1024


def test_batches_do_not_matter() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.InstanceNorm2d(4), nn.ReLU(), nn.Conv2d(4, 1, 1), nn.Tanh())
    mr = HEAD.mr(head_grid(spacing=(4, 4, 6)))
    one, many = (synthesize(mr, saved(net, net), "ct", Options(windows=Windows(size))).volume.array for size in (1, 16))
    np.testing.assert_allclose(one, many, atol=0.5)


class Seen(nn.Module):
    """Passes images on and keeps what it was given."""

    def forward(self, x: Tensor) -> Tensor:
        self.given = x
        return x


@pytest.mark.parametrize("margin", [0, 7, 40])
def test_the_network_sees_the_body_as_in_training(margin: int) -> None:
    grid = head_grid((64, 80, 6), (3, 3, 12))
    whole = HEAD.mr(grid)
    corner = whole.array[whole.array.shape[0] // 2 :]  # the field's border cuts through the head
    array = np.pad(corner, [(0, margin), (margin, 0), (0, 0)])
    seen = Seen()
    synthesize(Volume(array, Grid(array.shape, grid.affine)), saved(seen, seen), "ct")
    assert seen.given.shape[2:] == (64, 80)  # the demo's patch size
    rows = (seen.given > -1).any(0)[0].any(1).nonzero()
    assert abs(rows.min() + rows.max() - 63) <= 1  # in the middle


def test_a_volume_without_a_body() -> None:
    with pytest.raises(DataError, match="no body"):
        synthesize(Volume(np.zeros((8, 8, 8)), Grid((8, 8, 8), np.eye(4))), saved(nn.Identity(), nn.Identity()), "ct")


@pytest.mark.parametrize("plane", ["coronal", "sagittal", "all"])
def test_slices_of_other_planes_come_back_on_the_grid(plane: str) -> None:
    mr = HEAD.mr(head_grid(spacing=(3, 3, 3), orientation="LIP"))
    made = synthesize(mr, saved(nn.Identity(), nn.Identity(), "data.spacing=[3, 3, 3]", f"data.plane={plane}"), "ct")
    assert made.volume.grid is mr.grid
    inside = made.body.array
    expected = INTENSITY["ct"].inverse(made.intensity.forward(mr.array))
    np.testing.assert_allclose(made.volume.array[inside], expected[inside], atol=1)


def test_an_input_gets_the_scale_of_the_training_data() -> None:
    mr = HEAD.mr(head_grid(spacing=(4, 4, 4)))
    standard = tuple(np.linspace(-0.8, 1, 11).tolist())
    intensity = INTENSITY | {"mr": MrLandmarks(tuple(range(11)), standard)}
    plain = saved(nn.Identity(), nn.Identity(), "data.mr_normalisation=nyul", "data.spacing=[null, null, null]")
    made = synthesize(mr, replace(plain, intensity=intensity), "ct")
    mapped = INTENSITY["ct"].forward(made.volume.array[made.body.array])
    np.testing.assert_allclose(np.percentile(mapped, range(10, 100, 10)), standard[1:-1], atol=0.01)


class Numbered(nn.Module):
    """Gives each of neighbouring slices a value of its own: 0, 0.1, 0.2."""

    def forward(self, x: Tensor) -> Tensor:
        return (torch.arange(x.shape[1]) / 10)[:, None, None].expand_as(x)


class Middle(nn.Module):
    """Gives every slice the one in the middle."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, [x.shape[1] // 2]].expand_as(x)


AS_SCANNED = ["data.spacing=[null, null, null]"]


def test_a_slice_is_the_mean_of_its_translations_as_the_middle_one_and_as_a_neighbour() -> None:
    mr = HEAD.mr(head_grid((60, 70, 9), (3, 3, 16)))
    made = synthesize(mr, saved(Numbered(), Numbered(), *AS_SCANNED, "data.slices=3"), "ct")
    shown = np.flatnonzero(made.body.array.any(axis=(0, 1)))
    lowest, inner, highest = (0.5 * 0.1 + 0.25 * 0) / 0.75, 0.1, (0.5 * 0.1 + 0.25 * 0.2) / 0.75
    mapped = INTENSITY["ct"].forward(made.volume.array)
    for number, value in zip(shown, [lowest, *[inner] * (len(shown) - 2), highest], strict=True):
        np.testing.assert_allclose(mapped[..., number][made.body.array[..., number]], value, rtol=0, atol=1e-5)


@pytest.mark.parametrize("slices", [3, 5])
def test_translations_that_agree_stay_what_they_are(slices: int) -> None:
    mr = HEAD.mr(head_grid((60, 70, 9), (3, 3, 16)))
    made = synthesize(mr, saved(nn.Identity(), nn.Identity(), f"data.slices={slices}"), "ct")
    plain = synthesize(mr, saved(nn.Identity(), nn.Identity()), "ct")
    np.testing.assert_allclose(made.volume.array, plain.volume.array, rtol=0, atol=0.01)


def test_neighbours_are_those_of_the_volume() -> None:
    mr = HEAD.mr(head_grid((60, 70, 9), (3, 3, 16)))
    made = synthesize(mr, saved(Middle(), Middle(), *AS_SCANNED, "data.slices=3"), "ct")
    plain = synthesize(mr, saved(nn.Identity(), nn.Identity(), *AS_SCANNED), "ct")
    below, middle, above = (INTENSITY["ct"].forward(plain.volume.array)[..., first : first + 7] for first in range(3))
    inside = np.all([made.body.array[..., first : first + 7] for first in range(3)], axis=0)
    assert inside.any()
    mean = 0.25 * below + 0.5 * middle + 0.25 * above
    mapped = INTENSITY["ct"].forward(made.volume.array)[..., 1:-1]
    np.testing.assert_allclose(mapped[inside], mean[inside], rtol=0, atol=1e-5)


def test_another_region_is_refused_unless_any_is_wanted() -> None:
    grid = head_grid(spacing=(4, 4, 5))
    mr = HEAD.mr(grid)
    wide = Volume(mr.array, Grid(grid.shape, grid.affine @ np.diag([2.5, 1.6, 1, 1])))
    trained = {"body": (160.0, 200.0, 220.0), "field": (200.0, 240.0, 220.0)}
    profile = {"spacing": (1.0, 1.0, 1.0), "section": 0.5, "deciles": (0.0,) * 9} | trained
    model = replace(saved(nn.Identity(), nn.Identity(), "data.spacing=[4, 4, null]"), profiles={"ct": [profile]})
    assert not any("another region" in warning for warning in synthesize(mr, model, "ct").warnings)
    with pytest.raises(WrongRegion, match="another region"):
        synthesize(wide, model, "ct")
    assert any("another region" in warning for warning in synthesize(wide, model, "ct", any_region=True).warnings)
