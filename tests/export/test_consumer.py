"""The file and its description are enough: other software makes of a prepared volume what medcycle makes of it."""

from pathlib import Path

import numpy as np
import pytest

from medcycle.export.description import FITS
from medcycle.export.model import export_model
from medcycle.inference import Options
from medcycle.intensity import MrLandmarks, MrPercentile
from medcycle.methods.checkpoint import SavedMethod, save_method
from medcycle.phantom import HeadPhantom, head_grid
from tests.export.consumer import fitted, translate
from tests.export.test_formats import untrained
from tests.synthesized import synthesize

pytestmark = pytest.mark.usefixtures("one_thread")

SPACED = ["data.spacing=[8, 8, 8]", "data.patch_size=[32, 40]"]
VOLUMES = ["network.spatial_dims=3", "data.spacing=[6, 6, 6]", "data.patch_size=[32, 32, 32]"]


def landmarks(saved: SavedMethod) -> SavedMethod:
    """With those of a cohort, as training puts them into a checkpoint."""
    mapped = np.linspace(-0.8, 1, 11) ** 3 * 0.5 + np.linspace(-0.5, 0.5, 11)
    mr = MrLandmarks(tuple(range(11)), tuple(mapped.tolist()))
    return SavedMethod(saved.method, saved.config, {"ct": saved.intensity["ct"], "mr": mr}, 1)


CASES = {
    "2d to mr": ("mr", [*SPACED, "network.name=unet", "network.levels=3"]),
    "25d": ("ct", [*SPACED, "data.slices=3", "data.mr_normalisation=z-score", "method.name=munit"]),
    "all planes": ("ct", [*SPACED, "data.plane=all", "data.mr_normalisation=nyul"]),
    "3d": ("ct", VOLUMES),
}


@pytest.mark.slow
@pytest.mark.parametrize(("to", "overrides"), CASES.values(), ids=CASES)
def test_it_makes_the_same(tmp_path: Path, to: str, overrides: list[str]) -> None:
    saved = untrained(*overrides)
    if "data.mr_normalisation=nyul" in overrides:
        saved = landmarks(saved)
    grid, phantom = head_grid(spacing=saved.config.data.spacing), HeadPhantom.random(3)
    volume = phantom.mr(grid) if to == "ct" else phantom.ct(grid)
    plainly = Options(precision="32-true")
    expected = synthesize(volume, saved, to, plainly)
    save_method(saved, tmp_path / "c.pt")
    export_model(tmp_path / "c.pt", tmp_path / "m.onnx", to=to)
    made = translate(tmp_path / "m.onnx", volume.array, expected.body.array)
    body = expected.body.array
    spread = expected.volume.array[body].std()
    assert spread > (100 if to == "ct" else 0.1)
    np.testing.assert_allclose(made, expected.volume.array, atol=0.5 if to == "ct" else 1e-3)


def test_ranges_and_landmarks_are_those_of_a_volume() -> None:
    values = np.random.default_rng(0).gamma(2, 100, 5000)
    mask = np.ones(len(values), bool)
    got = fitted(values, FITS["nyul"] | {"percentile": 99.5})
    np.testing.assert_allclose(got, MrLandmarks.landmarks_of(values, mask, 99.5), rtol=1e-9)
    ends = MrPercentile.fit(values, mask, 99.5)
    np.testing.assert_allclose(fitted(values, FITS["percentile"] | {"percentile": 99.5}), [ends.low, ends.high])
