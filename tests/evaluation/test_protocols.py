"""Protocols against the values that the challenges' own code gives, and the rules at their door."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medcycle.body import body_mask
from medcycle.errors import ConfigError, DataError, GridMismatch
from medcycle.evaluation import PROTOCOLS, score
from medcycle.volume import Grid, Volume


def read(path: Path) -> Volume:
    image = nib.load(path)
    array = np.asanyarray(image.dataobj)
    return Volume(array, Grid(array.shape, image.affine))


@pytest.fixture(scope="module")
def golden(shared: Path) -> Path:
    return shared / "golden" / "metrics"


@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
@pytest.mark.parametrize("protocol", ["synthrad2023", "synthrad2025", "synthrad2025_container"])
@pytest.mark.parametrize("case", ["body", "thick", "thin"])
def test_synthrad_values_are_the_official_ones(golden: Path, case: str, protocol: str, dtype: str) -> None:
    expected = json.loads((golden / "expected.json").read_text())[case][protocol]
    real, synthetic, mask = (read(golden / f"{case}_{part}.nii.gz") for part in ("real", "synthetic", "mask"))
    real, synthetic = (v.with_array(v.array.astype(dtype)) for v in (real, synthetic))
    assert score(real, synthetic, mask, protocol) == pytest.approx(expected, abs=1e-6, rel=0)


def head(seed: int = 0) -> Volume:
    """A ball of tissue with an air cavity, on a couch that does not touch it, sagittal slices."""
    generator = np.random.default_rng(seed)
    affine = np.array([[0, 0, -2.0, 20], [1.0, 0, 0, -12], [0, 1.0, 0, -14], [0, 0, 0, 1]])
    distance = np.linalg.norm(np.indices((24, 28, 20)).T - [11, 14, 10], axis=-1).T
    array = np.where(distance < 9, 40.0, -1000.0) + generator.normal(0, 5, distance.shape)
    array[distance < 3] = -990
    array[0] = 200
    return Volume(array, Grid((24, 28, 20), affine))


def test_medcycle_protocol_clips_everything() -> None:
    real = head()
    metal, padding = real.array.copy(), real.array.copy()
    metal[11, 20, 10], padding[11, 20, 10] = 12_000, -3024
    region = body_mask(real, "ct")
    scores = score(real.with_array(metal), real.with_array(padding), region, "medcycle")
    voxels = region.array.sum()
    assert list(scores) == ["mae", "me", "rmse", "psnr", "ssim", "ms_ssim", "ncc"]
    assert scores["mae"] == pytest.approx(4024 / voxels)
    assert scores["me"] == pytest.approx(-4024 / voxels)
    assert scores["psnr"] == pytest.approx(10 * np.log10(voxels))


def test_scores_do_not_depend_on_axis_order() -> None:
    real, synthetic = head(0), head(1)
    for protocol in PROTOCOLS:
        if protocol.startswith("synthrad2025"):
            continue  # its halving starts at the first voxel of each axis
        turned = score(real.to_ras(), synthetic.to_ras(), None, protocol)
        assert turned == pytest.approx(score(real, synthetic, None, protocol), rel=1e-5)


def test_mask_counts_above_zero() -> None:
    real, synthetic = head(0), head(1)
    region = body_mask(real, "ct").array
    labels = real.with_array(np.where(region, 7, 0).astype(np.uint8))
    assert score(real, synthetic, labels, "medcycle") == score(real, synthetic, None, "medcycle")


def test_unknown_protocol_names_the_known() -> None:
    with pytest.raises(ConfigError, match="synthrad2023"):
        score(head(), head(), None, "synthrad2024")


def test_other_grids_are_refused() -> None:
    real = head()
    moved = Volume(real.array, Grid(real.grid.shape, real.grid.affine + np.eye(4, k=3) * 0.5))
    with pytest.raises(GridMismatch, match="synthetic"):
        score(real, moved, None, "medcycle")
    with pytest.raises(GridMismatch, match="mask"):
        score(real, real, moved, "medcycle")


def test_empty_masks_and_missing_voxels_are_refused() -> None:
    real = head()
    with pytest.raises(DataError, match="mask is empty"):
        score(real, real, real.with_array(np.zeros(real.grid.shape)), "medcycle")
    with pytest.raises(DataError, match="no voxel of a body"):
        score(real.with_array(np.full(real.grid.shape, -1000)), real, None, "medcycle")
    for bad in (np.nan, np.inf):
        array = real.array.copy()
        array[0, 0, 0] = bad
        with pytest.raises(DataError, match="1 voxels of the synthetic"):
            score(real, real.with_array(array), None, "medcycle")
