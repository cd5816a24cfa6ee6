"""Series as a planning system wants them: attributes, matrix, slices, couch, densities, outlines."""

import logging
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from scipy import ndimage

from medcycle.cli.main import execute
from medcycle.config.site import read_site
from medcycle.errors import ConfigError, DataError, UsageError
from medcycle.evaluation.head import body_part_of
from medcycle.io.dicom.axial import axial_stack
from medcycle.io.dicom.contours import contours_of, mask_of
from medcycle.io.dicom.deidentify import Deidentify
from medcycle.io.dicom.encoding import hounsfield_encoding
from medcycle.io.dicom.export import write_dicom
from medcycle.io.dicom.header import Origin
from medcycle.io.dicom.series import grid_of, read_headers
from medcycle.io.dicom.site import Couch, Site
from medcycle.io.discover import discover
from medcycle.io.nifti import read_nifti, write_nifti
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.volume import Grid, Volume
from tests.io.support import complaints, read_sitk, saved, source_series, square, structure_set, tool

COUCH = Couch(width=300, thickness=40, shell=6, shell_hu=-200, core_hu=-950, gap=6)


def slices_of(files: list[Path]) -> list[Path]:
    return [file for file in files if file.stem.isdecimal()]


def written(tmp_path: Path, site: Site, name: str = "axial") -> tuple[Volume, list[Path]]:
    made, series = source_series(tmp_path / "source", name)
    return made, write_dicom(made, tmp_path / "made", modality="ct", reference=series, origin=Origin("1"), site=site)


def test_attributes_of_a_site_are_in_every_slice(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(
        "station_name: CT_SIM_1\ndevice_serial_number: '4711'\nconvolution_kernel: sCT\nkvp: 120\n"
        "institution_name: General\noutlines: [external, bone, air]\n"
    )
    _, files = written(tmp_path, read_site(tmp_path / "site.yaml"))
    for file in slices_of(files):
        found = pydicom.dcmread(file)
        assert (found.StationName, found.DeviceSerialNumber, found.ConvolutionKernel) == ("CT_SIM_1", "4711", "sCT")
        assert (found.InstitutionName, found.KVP) == ("General", 120)
        assert found.SyntheticData == "YES"
    for file in files:  # one by one: `complaints` looks at some of a series
        assert complaints("dciodvfy", [file]) == []
    assert complaints("dcentvfy", [*slices_of(files), *(tmp_path / "source").iterdir()]) == []


@pytest.mark.parametrize(
    ("spacing", "size", "becomes"),
    [
        (0.85937499999998, 256, 0.859375),
        (0.9765625, 512, 0.9765625),
        (2.99998, 60, 3.0),
        (2.99998, 600, 2.99998),  # 0.012 mm at the far end
        (1.00002, 40, 1.0),
        (1 / 3, 40, 0.3333333),
    ],
)
def test_spacings_lose_the_digits_of_rounding(spacing: float, size: int, becomes: float) -> None:
    volume = Volume(np.zeros((2, 2, size), np.float32), Grid((2, 2, size), np.diag([-1.0, -1.0, spacing, 1.0])))
    stack = axial_stack(volume, hounsfield_encoding())
    assert stack.spacing == (1.0, 1.0, becomes)
    assert abs(stack.position(size - 1)[2] - spacing * (size - 1)) < 0.01


@pytest.mark.parametrize("name", ["anisotropic", "oblique"])
def test_a_square_matrix_has_air_on_both_sides(name: str, tmp_path: Path) -> None:
    made, files = written(tmp_path, Site(square_matrix=True), name)
    found = read_sitk(files)
    assert found.array.shape[0] == found.array.shape[1]
    if name == "anisotropic":  # nothing is interpolated
        inner = made.with_axes("LPS").array
        low = [(n - m) // 2 for n, m in zip(found.array.shape, inner.shape, strict=True)]
        box = tuple(slice(start, start + m) for start, m in zip(low, inner.shape, strict=True))
        seen = found.with_axes("LPS").array
        np.testing.assert_allclose(seen[box], np.rint(inner.clip(-1024, 3071)), atol=1)
        outside = np.ones(seen.shape, dtype=bool)
        outside[box] = False
        assert (seen[outside] == -1024).all()


def test_coarser_slices_are_averaged(tmp_path: Path) -> None:
    made, files = written(tmp_path, Site(slice_spacing=10.0))
    found = read_sitk(files)
    assert found.grid.spacing[2] == 10.0
    assert len(files) == made.array.shape[2] // 2 + made.array.shape[2] % 2
    header = pydicom.dcmread(files[0])
    assert header.SliceThickness == header.SpacingBetweenSlices == 10
    assert any(code.CodeMeaning == "Spatial resampling" for code in header.DerivationCodeSequence)
    middle = tuple(n // 2 for n in made.array.shape[:2])
    column = made.with_axes("LPS").array[middle]
    assert found.with_axes("LPS").array[middle].std() < column.std()  # noise and edges are averaged
    assert written_spacing(tmp_path / "finer", Site(slice_spacing=1.0)) == made.grid.spacing[2]


def written_spacing(folder: Path, site: Site) -> float:
    folder.mkdir()
    return read_sitk(written(folder, site)[1]).grid.spacing[2]


@pytest.mark.parametrize("position", ["HFS", "HFP"])
def test_a_couch_is_below_the_patient(position: str, tmp_path: Path) -> None:
    made, series = source_series(tmp_path / "source")
    for file in series.files:
        header = pydicom.dcmread(file)
        header.PatientPosition = position
        header.save_as(file)
    files = write_dicom(
        *(made, tmp_path / "made"), modality="ct", reference=series, origin=Origin("1"), site=Site(couch=COUCH)
    )
    found = read_sitk(files).with_axes("LPS")
    shell, core = found.array == COUCH.shell_hu, found.array == COUCH.core_hu
    y = found.grid.spacing[1]
    rows = np.nonzero((shell | core).all(axis=2).any(axis=0))[0]
    assert abs(len(rows) * y - COUCH.thickness) <= y
    columns = (shell | core)[:, rows[len(rows) // 2], 0].sum()
    assert abs(columns * found.grid.spacing[0] - COUCH.width) <= 2 * found.grid.spacing[0]
    patient = np.nonzero((found.array > 0).any(axis=(0, 2)))[0]
    assert rows[0] > patient[-1] if position == "HFS" else rows[-1] < patient[0]
    assert core.sum() > shell.sum() > 0


def test_named_structures_get_a_density(tmp_path: Path) -> None:
    made, series = source_series(tmp_path / "source")
    headers, grid = read_headers(series), grid_of(series)
    drawn = structure_set(headers, {"Air pocket": [(square(grid, k, low=0.4, high=0.6), headers[k]) for k in (9, 10)]})
    (path,) = saved([drawn], tmp_path / "drawn")
    site = Site(overrides={"air POCKET": 0.0})
    files = write_dicom(
        *(made, tmp_path / "made"), modality="ct", reference=series, origin=Origin("1"), rtstruct=path, site=site
    )
    (roi,) = drawn.ROIContourSequence
    plain = made.with_axes("LPS")
    mask = mask_of(roi, plain.grid, "Air pocket")
    found = read_slices(files)
    assert (found[mask] == 0).all()
    np.testing.assert_allclose(found[~mask], np.rint(plain.array.clip(-1024, 3071))[~mask], atol=1)
    with pytest.raises(UsageError, match="no such structure; there are Air pocket"):
        write_dicom(
            *(made, tmp_path / "other"),
            modality="ct",
            reference=series,
            origin=Origin("1"),
            rtstruct=path,
            site=Site(overrides={"Couch": 0.0}),
        )
    assert not (tmp_path / "other").exists()


def read_slices(files: list[Path]) -> np.ndarray:
    pixels = [pydicom.dcmread(file).pixel_array.T.astype(float) - 1024 for file in slices_of(files)]
    return np.stack(pixels, axis=-1)


def test_outlines_are_those_of_the_ct(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Read back as masks, they are the thresholds' voxels, but for specks; every contour has its slice."""
    _, files = written(tmp_path, Site(outlines=("external", "bone", "air")), "anisotropic")
    with caplog.at_level(logging.WARNING):
        assert len(discover(tmp_path / "made")) == 1
    assert "outlines.dcm" not in caplog.text  # it belongs to the series
    outlines = pydicom.dcmread(tmp_path / "made" / "outlines.dcm")
    assert [item.ROIName for item in outlines.StructureSetROISequence] == ["External", "Bone", "Air"]
    kinds = [item.RTROIInterpretedType for item in outlines.RTROIObservationsSequence]
    assert kinds == ["EXTERNAL", "ORGAN", "CAVITY"]
    hu = read_slices(files)
    grid = read_sitk(alone(files, tmp_path / "slices")).with_axes("LPS").grid
    body, bone, air = (mask_of(item, grid, "") for item in outlines.ROIContourSequence)
    hollow = ndimage.binary_erosion(body, iterations=2, border_value=1) & (hu < -400)
    assert 2 * (air & hollow).sum() > 0.9 * (air.sum() + hollow.sum())
    for name, ours in (("External", body), ("Bone", bone), ("Air", air)):
        theirs = by_plastimatch(tmp_path)[name].with_axes("LPS").array > 0
        assert 2 * (ours & theirs).sum() > 0.98 * (ours.sum() + theirs.sum())
    assert ((hu > -200) & ~body).sum() < 0.01 * body.sum()
    expected = body & (hu > 250)
    assert 2 * (bone & expected).sum() > 0.97 * (bone.sum() + expected.sum())
    instances = {str(pydicom.dcmread(file).SOPInstanceUID) for file in slices_of(files)}
    for roi in outlines.ROIContourSequence:
        for contour in roi.ContourSequence:
            assert contour.ContourImageSequence[0].ReferencedSOPInstanceUID in instances


def by_plastimatch(tmp_path: Path) -> dict[str, Volume]:
    """The masks that plastimatch makes of the contours on the slices."""
    if not (tmp_path / "masks").exists():
        command = [tool("plastimatch"), "convert", "--input", tmp_path / "made" / "outlines.dcm"]
        command += ["--referenced-ct", tmp_path / "slices", "--prefix-format", "nii"]
        subprocess.run([*command, "--output-prefix", tmp_path / "masks"], check=True, capture_output=True)
    return {path.stem: read_nifti(path) for path in (tmp_path / "masks").iterdir()}


def alone(files: list[Path], folder: Path) -> list[Path]:
    """The slices, in a folder without structure sets."""
    folder.mkdir()
    for file in slices_of(files):
        (folder / file.name).symlink_to(file)
    return sorted(folder.iterdir())


def test_a_hole_is_joined_to_its_outline() -> None:
    places = np.stack(np.meshgrid(np.arange(60), np.arange(50), indexing="ij"), axis=-1) - [30, 25]
    radius = np.linalg.norm(places, axis=-1)
    mask = ((radius < 22) & (radius > 12)) | (radius < 6)
    found = contours_of(mask)
    assert len(found) == 2
    areas = [abs(0.5 * np.sum(p[:, 0] * np.roll(p[:, 1], -1) - p[:, 1] * np.roll(p[:, 0], -1))) for p in found]
    assert sorted(areas) == pytest.approx([np.pi * 6**2, np.pi * (22**2 - 12**2)], rel=0.06)
    assert not contours_of(np.zeros((5, 5), dtype=bool))
    assert ndimage.label(mask)[1] == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("station: A", "unknown key station; did you mean station_name?"),
        ("station_name: A name of more than sixteen letters", "station_name: "),
        ("kvp: many", "kvp: "),
        ("outlines: [skin]", "outlines.0: "),
        ("couch: {wide: 3}", "unknown key couch.wide; did you mean width?"),
        ("station_name: 'A\\\\B'", "station_name: "),
        ("- a\n- b", "no keys and values"),
        ("a: [", "not a text in YAML"),
    ],
)
def test_a_wrong_file_is_told_by_its_key(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_site(tmp_path / "site.yaml")
    assert says in str(caught.value)


def test_what_does_not_go_with_a_site_is_refused(tmp_path: Path) -> None:
    made, series = source_series(tmp_path / "source")
    given = {"reference": series, "origin": Origin("1")}
    with pytest.raises(UsageError, match="which --deidentify removes"):
        write_dicom(
            made, tmp_path / "a", modality="ct", deidentify=Deidentify(), site=Site(station_name="CT1"), **given
        )
    with pytest.raises(UsageError, match="for synthetic CT"):
        write_dicom(made, tmp_path / "b", modality="mr", site=Site(), **given)
    with pytest.raises(UsageError, match="give the structure set"):
        write_dicom(made, tmp_path / "c", modality="ct", site=Site(overrides={"A": 0}), **given)
    empty = made.with_array(np.full(made.array.shape, -1000.0, np.float32))
    with pytest.raises(DataError, match="no body is found"):
        write_dicom(empty, tmp_path / "d", modality="ct", site=Site(couch=COUCH), **given)


def test_a_head_is_recognised(tmp_path: Path, capsys) -> None:
    """And so called, unless the source says what it shows."""
    head = HeadPhantom.random(3)
    ct = head.ct(head_grid(spacing=(3.0, 3.0, 4.0)))
    assert body_part_of(ct) == "HEAD"
    low = ct.to_ras()
    assert body_part_of(Volume(low.array[:, :, :12], Grid((*low.array.shape[:2], 12), low.grid.affine))) == "WHOLEBODY"
    write_nifti(ct, tmp_path / "sct.nii.gz")
    assert execute(["to-dicom", str(tmp_path / "sct.nii.gz"), str(tmp_path / "made")]) == 0
    assert pydicom.dcmread(tmp_path / "made" / "0001.dcm").BodyPartExamined == "HEAD"
    (tmp_path / "site.yaml").write_text("station_nam: A\n")
    call = ["to-dicom", str(tmp_path / "sct.nii.gz"), str(tmp_path / "other"), "--site", str(tmp_path / "site.yaml")]
    assert execute(call) == 2
    assert "did you mean station_name?" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_hu_that_12_bits_cant_hold_are_told(tmp_path: Path, caplog) -> None:
    made, series = source_series(tmp_path / "source")
    array = made.array.copy()
    array[4:6, 4:6, 4:6] = 8000
    write_dicom(made.with_array(array), tmp_path / "made", modality="ct", reference=series, origin=Origin("1"))
    assert "8 voxels above 3071 HU are written as that" in caplog.text
