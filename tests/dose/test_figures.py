"""Dose-volume figures in closed form, and gamma against closed forms and other implementations."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from medcycle.dose.engine import CRITERIA, gamma_of, require_engine
from medcycle.dose.figures import gamma_figures, structure_figures
from medcycle.dose.histogram import curve_of, dose_in, figures_of
from medcycle.dose.structures import Structure
from medcycle.errors import UsageError
from medcycle.io.nifti import read_nifti, write_nifti
from medcycle.volume import Grid, Volume
from tests.io.support import tool


def on_grid(array: np.ndarray, spacing: tuple[float, float, float] = (2.0, 2.0, 2.0)) -> Volume:
    return Volume(array.astype(np.float32), Grid(array.shape, np.diag([*spacing, 1.0])))


def ramp(low: float, high: float, shape: tuple[int, int, int] = (41, 20, 16)) -> np.ndarray:
    return np.broadcast_to(np.linspace(low, high, shape[0])[:, None, None], shape)


def test_figures_of_a_ramp() -> None:
    doses = np.linspace(0, 50, 100_001)
    found = figures_of(doses, voxel=1.0)
    assert found.d98 == pytest.approx(1.0, abs=1e-3)
    assert found.d95 == pytest.approx(2.5, abs=1e-3)
    assert found.d2 == pytest.approx(49.0, abs=1e-3)
    assert found.mean == pytest.approx(25.0, abs=1e-3)
    assert found.d003cc == pytest.approx(50 - 29 * 50 / 100_000)  # the least of the 30 hottest


def test_the_hottest_of_a_coarse_grid_is_the_highest() -> None:
    assert figures_of(np.array([1.0, 5.0, 3.0]), voxel=100.0).d003cc == 5.0


def test_a_curve_is_the_part_with_as_much_or_more() -> None:
    levels, part = curve_of(np.array([0.0, 10.0, 20.0, 40.0]), highest=40.0)
    told = dict(zip(levels, part, strict=True))
    assert [told[dose] for dose in (0.0, 10.0, 10.2, 20.0, 40.0)] == [100.0, 75.0, 50.0, 50.0, 25.0]
    assert (np.diff(part) <= 0).all()


def test_a_dose_is_read_where_a_structure_is() -> None:
    """Linear, on a grid that is neither the dose's nor turned as it is."""
    dose = on_grid(ramp(0, 40))  # 0.5 Gy/mm along x
    affine = np.array([[0, -1.5, 0, 60.0], [1.25, 0, 0, 4.0], [0, 0, 3.0, 2.0], [0, 0, 0, 1.0]])
    grid = Grid((12, 20, 6), affine)
    mask = np.zeros(grid.shape, dtype=bool)
    mask[3:9, 5:15, 1:4] = True
    x = 60 - 1.5 * np.argwhere(mask)[:, 1]
    np.testing.assert_allclose(dose_in(dose, mask, grid), 0.5 * x, rtol=1e-5)


def test_differences_are_of_the_synthetic_dose() -> None:
    real, grid = on_grid(ramp(0, 40)), Grid((41, 20, 16), np.diag([2.0, 2.0, 2.0, 1.0]))
    mask = np.zeros(grid.shape, dtype=bool)
    mask[10:20] = True
    found = structure_figures(real, real.with_array(real.array * 1.1), [Structure("PTV", "PTV", mask)], grid, 50.0)
    one = found["PTV"]
    assert one["volume_ml"] == pytest.approx(mask.sum() * 8 / 1000)
    assert one["covered_percent"] == 100
    for name, value in one["real"].items():
        assert one["difference"][name] == pytest.approx(0.1 * value, rel=1e-4)
        assert one["difference_percent"][name] == pytest.approx(0.2 * value, rel=1e-4)


def test_without_an_engine_it_is_told_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho pyRadPlan numba\n")
    python.chmod(0o755)
    monkeypatch.setenv("MEDCYCLE_DOSE_PYTHON", str(python))
    with pytest.raises(UsageError, match=r"pyRadPlan, numba: not installed .* pip install 'medcycle\[dose\]'"):
        require_engine()
    monkeypatch.setenv("MEDCYCLE_DOSE_PYTHON", str(tmp_path / "none"))
    with pytest.raises(UsageError, match="no Python that runs"):
        require_engine()


def plastimatch_gamma(real: Volume, synthetic: Volume, folder: Path, percent: float, mm: float) -> np.ndarray:
    write_nifti(real, folder / "real.nii")
    write_nifti(synthetic, folder / "synthetic.nii")
    command = [tool("plastimatch"), "gamma", "--dose-tolerance", str(percent / 100), "--dta-tolerance", str(mm)]
    command += ["--interp-search", "--gamma-max", "2", "--analysis-threshold", "0.1"]
    command += ["--output", "gamma.nii", "real.nii", "synthetic.nii"]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    return read_nifti(folder / "gamma.nii").array


@pytest.mark.slow
@pytest.mark.usefixtures("dose_engine")
def test_gamma_in_closed_form() -> None:
    """Scaled boxes; and a ramp that is moved: by d, of slope g, gamma is g·d / √(D² + (g·R)²) (Low 1998)."""
    box = np.zeros((24, 24, 24))
    box[6:18, 6:18, 6:18] = 50.0
    found = gamma_of(on_grid(box), on_grid(box * 1.015))
    for (percent, _), values in found.items():
        inside = values[np.isfinite(values)]
        assert inside.size == 12**3
        np.testing.assert_allclose(inside.max(), 1.5 / percent, rtol=0.02)
    slope, moved = 0.5, 1.0  # Gy/mm, mm
    first = ramp(20, 60)
    values = gamma_of(on_grid(first), on_grid(first + slope * moved))
    for percent, mm in CRITERIA:
        allowed = percent / 100 * 60
        expected = slope * moved / np.hypot(allowed, slope * mm)
        middle = values[percent, mm][10:-10, 5:-5, 5:-5]
        np.testing.assert_allclose(middle, expected, rtol=0.05)


@pytest.mark.slow
@pytest.mark.usefixtures("dose_engine")
def test_gamma_is_that_of_plastimatch(tmp_path: Path) -> None:
    """Smooth boxes, one of them moved by 1.5 mm and 2 % hotter."""
    x, y, z = np.meshgrid(*(np.arange(n) * 2.0 for n in (30, 28, 26)), indexing="ij")

    def box(shift: float) -> np.ndarray:
        sides = [1 / (1 + np.exp((abs(axis - 28 - moved) - 14) / 2)) for axis, moved in ((x, shift), (y, 0), (z, 0))]
        return 60 * np.prod(sides, axis=0)

    real, synthetic = on_grid(box(0)), on_grid(1.02 * box(1.5))
    found = gamma_of(real, synthetic)
    for number, criterion in enumerate(CRITERIA):
        (folder := tmp_path / str(number)).mkdir()
        theirs = plastimatch_gamma(real, synthetic, folder, *criterion)
        ours = found[criterion]
        both = np.isfinite(ours) & (real.array > 8)
        assert abs((ours[both] <= 1).mean() - (theirs[both] <= 1).mean()) < 0.02
        assert np.abs(ours[both] - theirs[both]).mean() < 0.05
    figures = gamma_figures(found)
    assert figures["2 %/2 mm"]["pass_percent"] < figures["3 %/3 mm"]["pass_percent"]
