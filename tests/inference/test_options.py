"""Planes, flips, shifts, ensembles, windows and uncertainty."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medcycle.errors import UsageError
from medcycle.inference import Options, Windows
from medcycle.methods.checkpoint import SavedMethod
from medcycle.phantom import head_grid
from tests.inference.test_predictor import HEAD, INTENSITY, Negative, saved
from tests.synthesized import synthesize

MR = HEAD.mr(head_grid(spacing=(4, 4, 5), orientation="LPS"))
THREE = ["network.spatial_dims=3", "data.spacing=[4, 4, 4]", "data.patch_size=[32, 32, 32]"]
FLOAT = Options(precision="32-true")


def identity(*overrides: str) -> SavedMethod:
    return saved(nn.Identity(), nn.Identity(), *overrides)


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
@pytest.mark.parametrize("fusion", ["mean", "median"])
def test_passes_of_an_identity_are_all_the_same(plane: str, fusion: str) -> None:
    model = identity("data.spacing=[4, 4, 4]", f"data.plane={plane}")
    one = synthesize(MR, model, "ct", FLOAT)
    many = synthesize(MR, model, "ct", replace(FLOAT, flips=True, shifts=4, fusion=fusion))
    assert (one.passes, many.passes) == (1, 4 if plane == "sagittal" else 8)
    np.testing.assert_allclose(many.volume.array, one.volume.array, atol=0.05)


def test_three_planes_of_a_network_trained_on_one() -> None:
    made = synthesize(MR, identity("data.spacing=[4, 4, null]"), "ct", replace(FLOAT, planes="all"))
    assert made.passes == 3
    expected = INTENSITY["ct"].inverse(made.intensity.forward(MR.array))
    inside = made.body.array
    assert np.corrcoef(made.volume.array[inside], expected[inside])[0, 1] > 0.97  # interpolated to 4 mm and back
    of_planes, of_range = made.warnings
    assert of_planes == "slices of all planes are translated by a network trained on axial slices only"
    assert "upper end of the model's range" in of_range  # the brightest signal becomes the densest bone
    (alone,) = synthesize(MR, identity("data.spacing=[4, 4, null]"), "ct", FLOAT).warnings
    assert "upper end of the model's range" in alone


def test_three_planes_need_a_network_of_slices() -> None:
    with pytest.raises(UsageError, match="only for 2D networks"):
        synthesize(MR, identity(*THREE), "ct", Options(planes="all"))


class Ramp(nn.Module):
    """Rises along the first axis of an image, whatever it shows."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.linspace(-1, 1, x.shape[2]).reshape(1, 1, -1, 1).expand_as(x)


def test_the_mirrored_pass_is_mirrored_back() -> None:
    model = saved(Ramp(), Ramp(), "data.spacing=[4, 4, null]")
    made = synthesize(MR, model, "ct", replace(FLOAT, flips=True))
    middle = INTENSITY["ct"].inverse(np.zeros(1))[0]
    np.testing.assert_allclose(made.volume.array[made.body.array], middle, atol=25)  # half a voxel of the ramp


@pytest.mark.slow
def test_results_of_several_networks_are_fused() -> None:
    own = "data.spacing=[null, null, null]"  # no interpolation, which keeps each volume in its range
    models = [identity(own), saved(Negative(), Negative(), own), saved(Negative(), Negative(), own)]
    one, negative = (synthesize(MR, model, "ct", FLOAT).volume.array for model in models[:2])
    mean = synthesize(MR, models, "ct", FLOAT)
    assert mean.passes == 3
    np.testing.assert_allclose(mean.volume.array, (one + 2 * negative) / 3, atol=0.1)
    median = synthesize(MR, models, "ct", replace(FLOAT, fusion="median"))
    np.testing.assert_allclose(median.volume.array, negative, atol=0.1)
    twice = synthesize(MR, [models[0], models[0]], "ct", FLOAT)
    np.testing.assert_allclose(twice.volume.array, one, atol=0.01)
    with pytest.raises(UsageError, match="no trained model"):
        synthesize(MR, [], "ct")


@pytest.mark.slow
def test_where_nothing_depends_on_the_contrast_there_is_no_uncertainty() -> None:
    class Silhouette(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.where(x > -0.9, 0.2, -1.0)

    sure = synthesize(MR, saved(Silhouette(), Silhouette()), "ct", replace(FLOAT, uncertainty=True))
    assert sure.uncertainty.array.max() < 0.01
    unsure = synthesize(MR, identity(), "ct", replace(FLOAT, uncertainty=True))
    inside = unsure.body.array
    assert unsure.uncertainty.array[inside].mean() > 50  # grey values to the power of 0.6 and 1.6 go through
    assert not unsure.uncertainty.array[~inside].any()
    assert unsure.passes == 1
    np.testing.assert_array_equal(unsure.volume.array, synthesize(MR, identity(), "ct", FLOAT).volume.array)


@pytest.mark.slow
def test_uncertainty_is_calibrated_for_the_passes_it_was_found_with() -> None:
    model = identity()
    plain = synthesize(MR, model, "ct", replace(FLOAT, uncertainty=True)).uncertainty.array
    known = replace(model, calibration={"deviation": [0.0, 1000.0], "error": [0.0, 3000.0]})
    made = synthesize(MR, known, "ct", replace(FLOAT, uncertainty=True))
    np.testing.assert_allclose(made.uncertainty.array, 3 * plain, rtol=1e-4, atol=1e-3)
    assert made.calibration is not None
    for options in (replace(FLOAT, uncertainty=True, flips=True), replace(FLOAT, uncertainty=True, shifts=2)):
        assert synthesize(MR, known, "ct", options).calibration is None
    assert synthesize(MR, [known, model], "ct", replace(FLOAT, uncertainty=True)).calibration is None
    ct = HEAD.ct(head_grid(spacing=(4, 4, 5)))
    assert synthesize(ct, known, "mr", replace(FLOAT, uncertainty=True)).calibration is None


@pytest.mark.slow
def test_what_comes_back_of_a_cycle() -> None:
    both = synthesize(MR, saved(Negative(), Negative()), "ct", replace(FLOAT, uncertainty=True))
    assert both.cycle_error.array.max() < 1e-3 * both.intensity.inverse(np.ones(1))[0]
    lost = synthesize(MR, saved(nn.Identity(), Negative()), "ct", replace(FLOAT, uncertainty=True))
    assert lost.cycle_error.array[lost.body.array].mean() > 10
    assert not lost.cycle_error.array[~lost.body.array].any()
    assert synthesize(MR, identity(), "ct", FLOAT).cycle_error is None


@pytest.mark.parametrize("overlap", [0.0, 0.3, 0.8])
def test_windows_of_an_identity_have_no_seams(overlap: float) -> None:
    made = synthesize(MR, identity(*THREE), "ct", replace(FLOAT, windows=Windows(2, overlap)))
    plain = synthesize(MR, identity("data.spacing=[4, 4, 4]"), "ct", FLOAT)
    np.testing.assert_allclose(made.volume.array, plain.volume.array, atol=0.05)
    assert made.seams == pytest.approx(1, abs=0.1)
    assert plain.seams is None
    assert made.continuity == pytest.approx(1, abs=0.01)


class Jumps(nn.Module):
    """Makes what it shows fainter, and every second window brighter."""

    def __init__(self, jump: float) -> None:
        super().__init__()
        self.jump, self.seen = jump, 0

    def forward(self, x: Tensor) -> Tensor:
        numbers = torch.arange(self.seen, self.seen + len(x)).reshape(-1, 1, 1, 1, 1)
        self.seen += len(x)
        return 0.1 * x + self.jump * (numbers % 2)


def test_windows_of_unlike_brightness_fade_into_each_other() -> None:
    even, uneven = (synthesize(MR, saved(Jumps(jump), Jumps(jump), *THREE), "ct", FLOAT) for jump in (0.0, 0.3))
    assert np.abs(uneven.volume.array - even.volume.array)[even.body.array].mean() > 100
    assert uneven.seams == pytest.approx(even.seams, rel=0.05)


@pytest.mark.parametrize("wrong", [{"shifts": 0}, {"shifts": 5}, {"windows": Windows(overlap=1.0)}])
def test_options_that_make_no_sense(wrong: dict) -> None:
    with pytest.raises(UsageError):
        Options(**wrong)
