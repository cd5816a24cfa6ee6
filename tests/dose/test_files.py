"""Doses, plans and structures, read from what planning systems export."""

import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from medcycle.dose.plan import default_plan, read_plan
from medcycle.dose.structures import external_of, read_structures, target_of
from medcycle.dose.volumes import read_dose
from medcycle.errors import DataError, UnreadableFile, UsageError
from medcycle.io.dicom.series import grid_of, read_headers
from medcycle.io.nifti import read_nifti, write_nifti
from medcycle.volume import Grid, Volume
from tests.dose.datasets import STEP, rt_dose, rt_plan, saved
from tests.io.support import as_volume, source_series, square, structure_set, tool


def a_dose() -> Volume:
    affine = np.diag([-2.0, -2.5, 3.0, 1.0])
    affine[:3, 3] = 31.5, 40.25, -12.0
    values = np.random.default_rng(3).uniform(0, 60, (9, 7, 5))
    return Volume(values.astype(np.float32), Grid(values.shape, affine))


def test_an_rt_dose_is_where_simpleitk_sees_it(tmp_path: Path) -> None:
    dose = a_dose()
    path = saved(rt_dose(dose), tmp_path / "dose.dcm")
    found = read_dose(path)
    seen = as_volume(sitk.ReadImage(str(path)))
    assert found.grid.is_close(seen.grid, 1e-4)
    assert found.grid.is_close(dose.grid, 1e-4)
    np.testing.assert_allclose(found.array, dose.array, atol=STEP)


def test_a_dose_in_an_image_file_is_taken_as_gray(tmp_path: Path) -> None:
    dose = a_dose()
    write_nifti(dose, tmp_path / "dose.nii.gz")
    np.testing.assert_array_equal(read_dose(tmp_path / "dose.nii.gz").to_ras().array, dose.to_ras().array)


@pytest.mark.parametrize(
    ("keyword", "value", "says"),
    [
        ("DoseUnits", "RELATIVE", "in units RELATIVE"),
        ("DoseType", "ERROR", "of type ERROR"),
        ("GridFrameOffsetVector", [0, 3, 6, 9, 15], "even distances"),
        ("PixelData", b"\0\0\0\0", "torn or incomplete"),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.2", "neither an RT Dose"),
    ],
)
def test_what_is_no_dose_is_refused(keyword: str, value: object, says: str, tmp_path: Path) -> None:
    dataset = rt_dose(a_dose())
    setattr(dataset, keyword, value)
    with pytest.raises(DataError, match=says):
        read_dose(saved(dataset, tmp_path / "dose.dcm"))


def test_a_negative_dose_is_refused(tmp_path: Path) -> None:
    dose = a_dose()
    write_nifti(dose.with_array(dose.array - 30), tmp_path / "dose.nii.gz")
    with pytest.raises(DataError, match="no dose in Gy"):
        read_dose(tmp_path / "dose.nii.gz")


def test_beams_of_a_plan() -> None:
    plan = default_plan("protons", 50.4, 28)
    assert len(plan.gantry) == len(plan.couch) == 3
    with pytest.raises(UsageError, match="is no plan"):
        default_plan("photons", -2)


@pytest.mark.parametrize("protons", [False, True])
def test_a_plan_that_is_read(protons: bool, tmp_path: Path) -> None:
    dataset = rt_plan([[(10, "NONE"), (10, "NONE")], [(190, "NONE")]], protons=protons)
    plan = read_plan(saved(dataset, tmp_path / "plan.dcm"))
    assert plan.radiation == ("protons" if protons else "photons")
    assert plan.gantry == (10.0, 190.0)
    assert plan.couch == (350.0, 350.0)
    assert plan.isocentre == (1.0, -2.0, 30.0)
    assert (plan.dose, plan.fractions) == (54.0, 27)


@pytest.mark.parametrize(("direction", "sign"), [("CW", 1), ("CC", -1)])
def test_an_arc_is_as_many_beams(direction: str, sign: int, tmp_path: Path) -> None:
    """Across 0°, in either direction, with angles that control points leave out where nothing changes."""
    points = [((350 + sign * turn) % 360, direction) for turn in range(0, 101, 2)]
    plan = read_plan(saved(rt_plan([points]), tmp_path / "plan.dcm"))
    assert plan.gantry == tuple((350.0 + sign * turn) % 360 for turn in range(0, 101, 20))


def test_plans_that_cant_be_used(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give --dose"):
        read_plan(saved(rt_plan([[(0, "NONE")]], dose=None), tmp_path / "a.dcm"))
    assert read_plan(tmp_path / "a.dcm", dose=12.0).dose == 12.0
    electrons = rt_plan([[(0, "NONE")]])
    electrons.BeamSequence[0].RadiationType = "ELECTRON"
    with pytest.raises(DataError, match="beams of ELECTRON"):
        read_plan(saved(electrons, tmp_path / "b.dcm"))
    apart = rt_plan([[(0, "NONE")], [(90, "NONE")]])
    apart.BeamSequence[1].ControlPointSequence[0].IsocenterPosition = [50.0, 0.0, 0.0]
    with pytest.raises(DataError, match="2 isocentres"):
        read_plan(saved(apart, tmp_path / "c.dcm"))
    bare = rt_plan([[(0, "NONE")]])
    del bare.BeamSequence[0].ControlPointSequence
    with pytest.raises(UnreadableFile, match="incomplete plan"):
        read_plan(saved(bare, tmp_path / "d.dcm"))
    (tmp_path / "e.dcm").write_text("no plan")
    with pytest.raises(UnreadableFile):
        read_plan(tmp_path / "e.dcm")


def ellipse(grid: Grid, index: int, radii: tuple[float, float]) -> np.ndarray:
    """LPS mm, in a slice, about the middle of the grid."""
    turns = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    middle = (np.array(grid.shape) - 1) / 2
    corners = np.stack(
        [
            middle[0] + radii[0] / grid.spacing[0] * np.cos(turns),
            middle[1] + radii[1] / grid.spacing[1] * np.sin(turns),
            np.full(90, float(index)),
            np.ones(90),
        ],
        axis=-1,
    )
    return (corners @ (np.diag([-1, -1, 1, 1]) @ grid.affine).T)[:, :3]


@pytest.mark.parametrize("name", ["anisotropic", "feet first"])
def test_masks_are_those_of_plastimatch(name: str, tmp_path: Path) -> None:
    """But for voxels whose centre is all but on a contour."""
    _, series = source_series(tmp_path / "source", name, "CT")
    headers, grid = read_headers(series), grid_of(series)
    ring = [(ellipse(grid, k, radii), headers[k]) for k in range(8, 20) for radii in ((60, 40), (30, 20))]
    cube = [(square(grid, k), headers[k]) for k in range(8, 14)]
    path = saved(structure_set(headers, {"Ring": ring, "PTV": cube}), tmp_path / "drawn.dcm")
    command = [tool("plastimatch"), "convert", "--input", path, "--prefix-format", "nii", "--referenced-ct"]
    command += [tmp_path / "source", "--output-prefix", tmp_path / "masks", "--xor-contours"]
    subprocess.run(command, check=True, capture_output=True)
    ras = Volume(np.zeros(grid.shape), grid).to_ras().grid
    found = {one.name: one.mask for one in read_structures(path, ras, headers[0])}
    assert [*found] == ["Ring", "PTV"]
    for name_of, mask in found.items():
        theirs = read_nifti(tmp_path / "masks" / f"{name_of}.nii").to_ras()
        assert theirs.grid.is_close(ras, 1e-3)
        assert 2 * (mask & (theirs.array > 0)).sum() > 0.98 * (mask.sum() + (theirs.array > 0).sum())
    area = np.pi * (60 * 40 - 30 * 20) * 12 * grid.spacing[2]
    assert found["Ring"].sum() * np.prod(grid.spacing) == pytest.approx(area, rel=0.02)


def test_slices_between_contours_belong_to_the_nearest(tmp_path: Path) -> None:
    _, series = source_series(tmp_path / "source", "axial", "CT")
    headers, grid = read_headers(series), grid_of(series)
    drawn = [(square(grid, k), headers[k]) for k in (4, 8, 12)]
    path = saved(structure_set(headers, {"A": drawn, "B": drawn[:1]}), tmp_path / "drawn.dcm")
    ras = Volume(np.zeros(grid.shape), grid).to_ras().grid
    sparse, alone = read_structures(path, ras)
    assert len(np.unique(np.nonzero(sparse.mask)[2])) == 13
    assert len(np.unique(np.nonzero(alone.mask)[2])) == 1


def test_structures_of_other_scans_are_refused(tmp_path: Path) -> None:
    _, series = source_series(tmp_path / "source", "axial", "CT")
    headers, grid = read_headers(series), grid_of(series)
    dataset = structure_set(headers, {"A": [(square(grid, 5), headers[5])]})
    path = saved(dataset, tmp_path / "drawn.dcm")
    ras = Volume(np.zeros(grid.shape), grid).to_ras().grid
    other = pydicom.Dataset()
    other.update(headers[0])
    other.FrameOfReferenceUID = "1.2.3"
    with pytest.raises(DataError, match="another frame of reference"):
        read_structures(path, ras, other)
    far = ras.affine.copy()
    far[:3, 3] += 1000
    with pytest.raises(DataError, match="no structure has a voxel"):
        read_structures(path, Grid(ras.shape, far))
    turned = ras.affine.copy()
    turned[:3, :3] = np.array([[1, 0, 0], [0, 0.96, -0.28], [0, 0.28, 0.96]]) @ turned[:3, :3]
    with pytest.raises(DataError, match="don't lie in the slices"):
        read_structures(path, Grid(ras.shape, turned))


def test_which_structure_is_the_target(tmp_path: Path) -> None:
    _, series = source_series(tmp_path / "source", "axial", "CT")
    headers, grid = read_headers(series), grid_of(series)
    drawn = [(square(grid, 5), headers[5])]
    dataset = structure_set(headers, dict.fromkeys(["Cord", "boost", "Skin"], drawn))
    for item, kind in zip(dataset.RTROIObservationsSequence, ("ORGAN", "CTV", "EXTERNAL"), strict=True):
        item.RTROIInterpretedType = kind
    ras = Volume(np.zeros(grid.shape), grid).to_ras().grid
    found = read_structures(saved(dataset, tmp_path / "drawn.dcm"), ras)
    outline = external_of(found)
    assert outline is not None
    assert outline.name == "Skin"
    assert target_of(found).name == "boost"
    assert target_of(found, "cord").name == "Cord"
    with pytest.raises(UsageError, match="name one of Cord, boost, Skin"):
        target_of(found, "PTV")
    with pytest.raises(UsageError, match="no target"):
        target_of(found[:1])
    with pytest.raises(UsageError, match="several targets"):
        target_of([found[1], found[1]])


def test_labels_are_structures_too(tmp_path: Path) -> None:
    grid = Grid((6, 5, 4), np.diag([2.0, 2.0, 3.0, 1.0]))
    mask = np.zeros(grid.shape, dtype=np.uint8)
    mask[2:4, 1:3, 1] = 1
    (tmp_path / "labels").mkdir()
    write_nifti(Volume(mask, grid), tmp_path / "labels" / "PTV_60.nii.gz")
    (found,) = read_structures(tmp_path / "labels", grid)
    np.testing.assert_array_equal(found.mask, mask > 0)
    assert target_of([found]).name == "PTV_60"


def test_structures_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    _, series = source_series(tmp_path / "source", "axial", "CT")
    headers, grid = read_headers(series), grid_of(series)
    dataset = structure_set(headers, {"A": [(square(grid, 5), headers[5])], "B": [(square(grid, 9), headers[9])]})
    dataset.StructureSetROISequence[1].ROIName = "A"
    ras = Volume(np.zeros(grid.shape), grid).to_ras().grid
    found = read_structures(saved(dataset, tmp_path / "drawn.dcm"), ras)
    assert [one.name for one in found] == ["A", "A (ROI 2)"]
