"""A synthetic volume into the study of the series it was made from, and what is refused."""

import tarfile
from pathlib import Path

import numpy as np
import pydicom
import pytest

from medcycle.errors import DataError, DefectiveSeries, UsageError, WrongModality
from medcycle.io.dicom.deidentify import Deidentify
from medcycle.io.dicom.export import write_dicom
from medcycle.io.dicom.gate import DicomSeries, find_series
from medcycle.io.dicom.header import Origin
from medcycle.io.dicom.series import read_headers, read_series
from medcycle.resample import resample_to
from medcycle.volume import Grid, Volume
from tests.io.support import (
    complaints,
    read_dcm2niix,
    read_plastimatch,
    read_sitk,
    saved,
    source_series,
    square,
    structure_set,
    told,
)


@pytest.mark.parametrize(("name", "kind"), [("sagittal", "MR"), ("oblique", "CT"), ("feet first", "CT")])
def test_series_and_source_are_one_study(name: str, kind: str, tmp_path: Path) -> None:
    made, series = source_series(tmp_path / "source", name, kind)
    modality = "ct" if kind == "MR" else "mr"
    files = write_dicom(made, tmp_path / "made", modality=modality, reference=series, origin=Origin("1"))
    assert sorted((tmp_path / "made").iterdir()) == files
    assert complaints("dciodvfy", files[::7]) == []
    assert complaints("dcentvfy", [*files, *series.files]) == []
    source, image = read_headers(series)[0], pydicom.dcmread(files[0])
    for keyword in ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID", "PatientPosition"):
        assert image[keyword].value == source[keyword].value


def test_a_reference_of_the_wrong_kind_is_refused(tmp_path: Path) -> None:
    made, series = source_series(tmp_path / "source", "axial", "CT")
    with pytest.raises(WrongModality, match="modality CT; a synthetic CT is made from MR"):
        write_dicom(made, tmp_path / "made", modality="ct", reference=series, origin=Origin("1"))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("axis", "part", "refused"),
    [(0, 0.45, ""), (2, 0.45, ""), (0, 0.55, "4[0-9]%"), (2, 0.8, "[12][0-9]%"), (0, 3, "0%")],
)
def test_a_volume_that_lies_elsewhere_is_refused(axis: int, part: float, refused: str, tmp_path: Path) -> None:
    made, series = source_series(tmp_path / "source", "oblique")
    affine = made.grid.affine.copy()
    affine[:3, 3] += affine[:3, axis] * made.grid.shape[axis] * part
    elsewhere = Volume(made.array, Grid(made.grid.shape, affine))
    if not refused:
        assert write_dicom(elsewhere, tmp_path / "made", modality="ct", reference=series, origin=Origin("1"))
        return
    with pytest.raises(DataError, match=f"only {refused} of the volume lies in this series' field of view"):
        write_dicom(elsewhere, tmp_path / "made", modality="ct", reference=series, origin=Origin("1"))
    assert not (tmp_path / "made").exists()


def test_a_part_of_the_field_of_view_is_fine(tmp_path: Path) -> None:
    made, series = source_series(tmp_path / "source", "sagittal")
    affine = made.grid.affine.copy()
    affine[:3, 3] = (made.grid.affine @ [10, 12, 5, 1])[:3]
    cropped = Volume(made.array[10:30, 12:40, 5:25], Grid((20, 28, 20), affine))
    assert write_dicom(cropped, tmp_path / "made", modality="ct", reference=series, origin=Origin("1"))


def test_an_irregular_reference_serves_and_a_defective_one_does_not(tmp_path: Path) -> None:
    made, series = source_series(tmp_path / "source")
    files = list(series.files)
    (irregular,) = find_series([*files[:9], *files[10:]])
    assert irregular.verdict == "irregular"
    written = write_dicom(made, tmp_path / "made", modality="ct", reference=irregular, origin=Origin("1"))
    assert complaints("dcentvfy", [*written, *irregular.files]) == []
    (single,) = find_series(files[:1])
    with pytest.raises(DefectiveSeries, match="one slice"):
        write_dicom(made, tmp_path / "other", modality="ct", reference=single, origin=Origin("1"))


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    made, series = source_series(tmp_path / "source")
    with pytest.raises(UsageError, match="nothing is overwritten"):
        write_dicom(made, tmp_path / "source", modality="ct", reference=series, origin=Origin("1"))


def extracted(shared: Path, name: str, folder: Path) -> DicomSeries:
    with tarfile.open(shared / "dicom" / "series" / f"{name}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    (series,) = find_series(path for path in folder.rglob("*") if path.is_file())
    return series


# The localizers that the source refers to are not in the archive, and its names are in the retired free-text form.
OF_THE_SOURCE = ("Missing SOPInstanceUID", "<PatientName>", "<ReferringPhysicianName>", "<PhysiciansOfRecord>")


@pytest.mark.slow
def test_a_real_sagittal_head_with_contours(shared: Path, tmp_path: Path, caplog) -> None:
    series = extracted(shared, "head_mr_sagittal_mprage", tmp_path / "mr")
    source = read_series(series)
    made = source.with_array(source.array * 4 - 1000)
    headers = read_headers(series)
    across, flat = square(source.grid, 90), square(source.grid, 96)
    flat[:, 2] = flat[0, 2]
    drawn = structure_set(headers, {"axial": [(flat, headers[96])], "sagittal": [(across, headers[90])]})
    (rtstruct,) = saved([drawn], tmp_path / "drawn")
    files = write_dicom(made, tmp_path / "made", modality="ct", reference=series, origin=Origin("1"), rtstruct=rtstruct)
    slices = files[:-1]
    assert complaints("dciodvfy", [*slices[::20], files[-1]]) == []
    found = complaints("dcentvfy", [*files, *series.files])
    assert [line for line in found if not any(known in line for known in OF_THE_SOURCE)] == []
    assert "1 of 2 contours of the structure set do not lie in axial planes" in caplog.text
    first, second = pydicom.dcmread(files[-1]).ROIContourSequence
    assert "ContourImageSequence" in first.ContourSequence[0]
    assert "ContourImageSequence" not in second.ContourSequence[0]
    for read in (read_sitk(slices), read_plastimatch(slices, tmp_path / "p"), read_dcm2niix(slices, tmp_path / "n")):
        expected = resample_to(source.with_array(made.array.clip(-1024, 3071)), read.grid, background=-1024.0)
        assert np.abs(read.array - expected.array).max() <= 0.51


@pytest.mark.slow
def test_a_real_head_leaves_without_its_identity(shared: Path, tmp_path: Path) -> None:
    series = extracted(shared, "head_mr_sagittal_mprage", tmp_path / "mr")
    source = read_series(series)
    made = source.with_array(source.array * 4 - 1000)
    wanted = Deidentify(with_source=True)
    files = write_dicom(made, tmp_path / "made", modality="ct", reference=series, origin=Origin("1"), deidentify=wanted)
    header = read_headers(series)[0]
    words = [header.PatientID, header.PatientBirthDate, header.StudyInstanceUID, header.FrameOfReferenceUID]
    words += [header.StudyDate, header.DeviceSerialNumber, header.StationName, header.AccessionNumber, header.StudyID]
    for file in files:
        assert told(words, file.read_bytes()) == []
    assert complaints("dciodvfy", files[:192:60]) == []
    assert [line for line in complaints("dcentvfy", files) if "Missing SOPInstanceUID" not in line] == []


@pytest.mark.slow
def test_a_synthetic_mr_of_a_real_tilted_irregular_ct(shared: Path, tmp_path: Path) -> None:
    series = extracted(shared, "head_ct_ge_tilted_irregular", tmp_path / "ct")
    ct = read_series(series, resample_irregular=True)
    made = ct.with_array(np.clip((ct.array + 200) / 3, 0, None))
    files = write_dicom(made, tmp_path / "made", modality="mr", reference=series, origin=Origin("1"))
    dated = "Warning - Missing attribute or value that would be needed to build DICOMDIR - Study "  # nor has the source
    assert [line for line in complaints("dciodvfy", files[::25]) if not line.startswith(dated)] == []
    found = complaints("dcentvfy", [*files, *series.files])
    lacking = (
        "empty (zero length) in one instance",
        "in one instance but not the other",
    )  # required, not in the source
    assert [line for line in found if not any(known in line for known in (*OF_THE_SOURCE, *lacking))] == []
    factor = 2.0 ** np.floor(np.log2(2**15 / made.array.max()))
    for read in (read_sitk(files), read_plastimatch(files, tmp_path / "p"), read_dcm2niix(files, tmp_path / "n")):
        expected = resample_to(made, read.grid, background=0.0)
        # Of 1,000 units; headers in float32 put voxels up to 1e-4 mm off.
        assert np.abs(read.array / factor - expected.array).max() <= 0.25
