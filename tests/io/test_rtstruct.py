"""Structure sets that refer to a synthetic series: the same contours, the right slices, and refusals."""

import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid

from medcycle.errors import DataError, MedcycleError, UnreadableFile, UsageError
from medcycle.io.dicom.export import write_dicom
from medcycle.io.dicom.gate import DicomSeries
from medcycle.io.dicom.header import Origin
from medcycle.io.dicom.rtstruct import read_structure_set
from medcycle.io.dicom.series import grid_of, read_headers
from medcycle.io.nifti import read_nifti
from medcycle.volume import Volume
from tests.io.support import complaints, read_sitk, saved, source_series, square, structure_set, tool


def drawn_on(series: DicomSeries) -> pydicom.Dataset:
    """Two organs, on every fourth slice and on three neighbours."""
    headers, grid = read_headers(series), grid_of(series)
    brain = [(square(grid, k), headers[k]) for k in range(0, len(headers), 4)]
    lens = [(square(grid, k, low=0.45, high=0.5), headers[k]) for k in (9, 10, 11)]
    return structure_set(headers, {"Brain": brain, "Lens": lens})


def store(structures: pydicom.Dataset, path: Path) -> Path:
    (file,) = saved([structures], path.parent / f"{path.stem}-folder")
    return file.rename(path)


def contours_of(structures: pydicom.Dataset) -> list[list[bytes]]:
    """The coordinates as they stand in the file."""
    return [
        [str(contour.ContourData).encode() for contour in roi.ContourSequence] for roi in structures.ROIContourSequence
    ]


def export(made: Volume, folder: Path, series: DicomSeries, rtstruct: Path) -> tuple[list[Path], pydicom.Dataset]:
    modality = "ct" if series.modality == "MR" else "mr"
    files = write_dicom(made, folder, modality=modality, reference=series, origin=Origin("1.2.3"), rtstruct=rtstruct)
    assert files[-1] == folder / "rtstruct.dcm"
    return files[:-1], pydicom.dcmread(files[-1])


@pytest.mark.parametrize(("name", "kind"), [("anisotropic", "CT"), ("feet first", "MR")])
def test_each_contour_refers_to_the_slice_it_lies_in(name: str, kind: str, tmp_path: Path, caplog) -> None:
    made, series = source_series(tmp_path / "source", name, kind)
    original = drawn_on(series)
    path = store(original, tmp_path / "drawn.dcm")
    assert complaints("dciodvfy", [path]) == []
    slices, moved = export(made, tmp_path / "made", series, path)
    assert complaints("dciodvfy", [*slices[::9], tmp_path / "made" / "rtstruct.dcm"]) == []
    found = complaints("dcentvfy", [*slices, tmp_path / "made" / "rtstruct.dcm", *series.files, path])
    # RTReferencedStudySequence refers to a study by its UID, which dcentvfy takes for an instance's.
    assert [line for line in found if f"referenced - {original.StudyInstanceUID} " not in line] == []
    assert contours_of(moved) == contours_of(original)
    images = {item.SOPInstanceUID: item for item in map(pydicom.dcmread, slices)}
    for roi in moved.ROIContourSequence:
        for contour in roi.ContourSequence:
            (image,) = contour.ContourImageSequence
            height = float(images[image.ReferencedSOPInstanceUID].ImagePositionPatient[2])
            assert image.ReferencedSOPClassUID == images[image.ReferencedSOPInstanceUID].SOPClassUID
            np.testing.assert_allclose(contour.ContourData[2::3], height, atol=0.01)
    assert not caplog.messages


def test_references_and_labels_are_those_of_the_synthetic_series(tmp_path: Path) -> None:
    made, series = source_series(tmp_path / "source")
    original = drawn_on(series)
    original.private_block(0x3287, "PLANNER", create=True).add_new(0x01, "LO", "cache of the original series")
    slices, moved = export(made, tmp_path / "made", series, store(original, tmp_path / "drawn.dcm"))
    image = pydicom.dcmread(slices[0])
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert moved[keyword].value == image[keyword].value == original[keyword].value
    (frame,) = moved.ReferencedFrameOfReferenceSequence
    (study,) = frame.RTReferencedStudySequence
    (referenced,) = study.RTReferencedSeriesSequence
    assert frame.FrameOfReferenceUID == original.FrameOfReferenceUID
    assert study.ReferencedSOPInstanceUID == original.StudyInstanceUID
    assert referenced.SeriesInstanceUID == image.SeriesInstanceUID
    named = [item.ReferencedSOPInstanceUID for item in referenced.ContourImageSequence]
    assert named == [pydicom.dcmread(file).SOPInstanceUID for file in slices]
    assert {item.ReferencedFrameOfReferenceUID for item in moved.StructureSetROISequence} == {
        original.FrameOfReferenceUID
    }
    assert moved.SOPInstanceUID != original.SOPInstanceUID
    assert moved.SeriesInstanceUID not in (original.SeriesInstanceUID, image.SeriesInstanceUID)
    assert [item.ROIName for item in moved.StructureSetROISequence] == ["Brain", "Lens"]
    (before,) = moved.PredecessorStructureSetSequence
    assert before.ReferencedSOPInstanceUID == original.SOPInstanceUID
    assert (moved.StructureSetLabel, moved.StructureSetName) == ("sCT RETARGETED", "HEAD PLAN")
    assert "SYNTHETIC - RESEARCH USE ONLY" in moved.StructureSetDescription
    assert moved.ApprovalStatus == "UNAPPROVED"
    assert "ReviewerName" not in moved
    assert not any(element.tag.is_private for element in moved.iterall())
    assert not any(source.SOPInstanceUID in str(moved) for source in read_headers(series))


@pytest.mark.parametrize("name", ["sagittal", "oblique"])
def test_contours_across_the_slices_are_kept_and_told(name: str, tmp_path: Path, caplog) -> None:
    made, series = source_series(tmp_path / "source", name)
    original = drawn_on(series)
    slices, moved = export(made, tmp_path / "made", series, store(original, tmp_path / "drawn.dcm"))
    assert complaints("dciodvfy", [tmp_path / "made" / "rtstruct.dcm"]) == []
    assert contours_of(moved) == contours_of(original)
    total = sum(len(roi.ContourSequence) for roi in moved.ROIContourSequence)
    assert f"{total} of {total} contours of the structure set do not lie in axial planes" in caplog.text
    thickness = float(pydicom.dcmread(slices[0]).SliceThickness)
    for contour in (contour for roi in moved.ROIContourSequence for contour in roi.ContourSequence):
        assert ("ContourImageSequence" in contour) == (np.ptp(contour.ContourData[2::3]) <= thickness / 2)


def test_contours_between_and_beyond_the_slices(tmp_path: Path, caplog) -> None:
    made, series = source_series(tmp_path / "source")
    headers, grid = read_headers(series), grid_of(series)
    step, count = grid.spacing[2], grid.shape[2]
    heights = [0.4 * step, 0.6 * step, -0.45 * step, -0.7 * step, (count - 0.6) * step, (count + 3) * step]
    shifted = [(square(grid, 0) + np.array([0, 0, height]), headers[0]) for height in heights]
    original = structure_set(headers, {"Organ": shifted})
    slices, moved = export(made, tmp_path / "made", series, store(original, tmp_path / "drawn.dcm"))
    numbers = {pydicom.dcmread(file).SOPInstanceUID: number for number, file in enumerate(slices)}
    found = [
        numbers[contour.ContourImageSequence[0].ReferencedSOPInstanceUID] if "ContourImageSequence" in contour else None
        for contour in moved.ROIContourSequence[0].ContourSequence
    ]
    assert found == [0, 1, 0, None, count - 1, None]
    assert "2 of 6 contours of the structure set lie above or below" in caplog.text
    assert "axial planes" not in caplog.text


def of_other_frame(structures: pydicom.Dataset) -> None:
    for roi in structures.StructureSetROISequence:
        roi.ReferencedFrameOfReferenceUID = generate_uid()


def of_other_study(structures: pydicom.Dataset) -> None:
    structures.StudyInstanceUID = generate_uid()
    structures.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0].ReferencedSOPInstanceUID = "1.2.3"


def of_other_patient(structures: pydicom.Dataset) -> None:
    structures.PatientID = "OTHER"


def of_other_kind(structures: pydicom.Dataset) -> None:
    structures.SOPClassUID = CTImageStorage


def without_contours(structures: pydicom.Dataset) -> None:
    del structures.ROIContourSequence


def with_points_missing(structures: pydicom.Dataset) -> None:
    structures.ROIContourSequence[1].ContourSequence[0].NumberOfContourPoints = 9


def with_a_point_nowhere(structures: pydicom.Dataset) -> None:
    contour = structures.ROIContourSequence[0].ContourSequence[0]
    contour["ContourData"] = pydicom.DataElement("ContourData", "DS", ["nan"] * 12, validation_mode=0)


def without_coordinates(structures: pydicom.Dataset) -> None:
    del structures.ROIContourSequence[0].ContourSequence[0].ContourData


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (of_other_frame, DataError, "another frame of reference"),
        (of_other_study, DataError, "another study"),
        (of_other_patient, DataError, "another patient"),
        (of_other_kind, UnreadableFile, "not an RT Structure Set"),
        (without_contours, UnreadableFile, "truncated"),
        (with_points_missing, UnreadableFile, "truncated"),
        (with_a_point_nowhere, UnreadableFile, "truncated"),
        (without_coordinates, UnreadableFile, "not a readable DICOM file"),
    ],
)
def test_what_does_not_belong_is_refused(change, error: type[MedcycleError], message: str, tmp_path: Path) -> None:
    made, series = source_series(tmp_path / "source")
    structures = drawn_on(series)
    change(structures)
    path = store(structures, tmp_path / "drawn.dcm")
    with pytest.raises(error, match=message) as caught:
        export(made, tmp_path / "made", series, path)
    assert "\n" not in str(caught.value)
    assert "PHANTOM" not in str(caught.value)
    assert not (tmp_path / "made").exists()


def test_a_source_without_a_frame_of_reference_fits_no_structure_set(tmp_path: Path) -> None:
    made, series = source_series(tmp_path / "source")
    path = store(drawn_on(series), tmp_path / "drawn.dcm")
    for file in series.files:
        dataset = pydicom.dcmread(file)
        del dataset.FrameOfReferenceUID
        dataset.save_as(file)
    with pytest.raises(DataError, match="another frame of reference"):
        export(made, tmp_path / "made", series, path)


def test_a_missing_or_foreign_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_structure_set(tmp_path / "gone.dcm")
    (tmp_path / "text.dcm").write_text("contours, honestly")
    with pytest.raises(UnreadableFile, match="not an RT Structure Set"):
        read_structure_set(tmp_path / "text.dcm")


def test_a_set_without_identifier_is_refused(tmp_path: Path) -> None:
    _, series = source_series(tmp_path / "source")
    path = store(drawn_on(series), tmp_path / "drawn.dcm")
    structures = pydicom.dcmread(path)
    structures.SOPInstanceUID = ""
    structures.save_as(path)
    with pytest.raises(UnreadableFile, match="truncated"):
        read_structure_set(path)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_file_without_preamble_is_read(syntax: UID, tmp_path: Path) -> None:
    _, series = source_series(tmp_path / "source")
    structures = drawn_on(series)
    pydicom.dcmwrite(tmp_path / "bare.dcm", structures, implicit_vr=syntax.is_implicit_VR, little_endian=True)
    assert (tmp_path / "bare.dcm").read_bytes()[128:132] != b"DICM"
    assert contours_of(read_structure_set(tmp_path / "bare.dcm")) == contours_of(structures)


@pytest.mark.slow
@pytest.mark.parametrize("undefined", [True, False], ids=["delimited", "with lengths"])
def test_a_file_torn_anywhere_is_refused(undefined: bool, tmp_path: Path) -> None:
    _, series = source_series(tmp_path / "source")
    structures = drawn_on(series)
    del structures.ApprovalStatus
    del structures.ReviewDate, structures.ReviewTime, structures.ReviewerName  # what follows the contours
    for element in structures.iterall():
        element.is_undefined_length = undefined and element.VR == "SQ"
    path = store(structures, tmp_path / "drawn.dcm")
    read_structure_set(path)
    whole = path.read_bytes()
    for length in [*range(0, len(whole) - 400, 97), *range(len(whole) - 400, len(whole))]:
        path.write_bytes(whole[:length])
        with pytest.raises(UnreadableFile):
            read_structure_set(path)


def test_the_synthetic_series_is_found_beside_its_structure_set(tmp_path: Path) -> None:
    made, series = source_series(tmp_path / "source")
    slices, _ = export(made, tmp_path / "made", series, store(drawn_on(series), tmp_path / "drawn.dcm"))
    np.testing.assert_array_equal(read_sitk(slices).to_ras().array, np.rint(made.to_ras().array.clip(-1024, 3071)))


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_names_in_another_character_set_survive(syntax: str, tmp_path: Path) -> None:
    made, series = source_series(tmp_path / "source")
    for file in series.files:
        dataset = pydicom.dcmread(file)
        dataset.PatientName = "Ångström^Jørn"
        dataset.save_as(file)
    original = drawn_on(series)
    original.SpecificCharacterSet = "ISO_IR 144"
    original.PatientName = "Angstrom^Jorn"
    original.StructureSetROISequence[0].ROIName = "Мозг"
    path = tmp_path / "drawn.dcm"
    original.file_meta = pydicom.dataset.FileMetaDataset()
    original.file_meta.TransferSyntaxUID = syntax
    original.save_as(path, enforce_file_format=True)
    _, moved = export(made, tmp_path / "made", series, path)
    assert moved.StructureSetROISequence[0].ROIName == "Мозг"
    assert str(moved.PatientName) == "Ångström^Jørn"
    assert contours_of(moved) == contours_of(original)
    assert complaints("dciodvfy", [tmp_path / "made" / "rtstruct.dcm"]) == []


@pytest.mark.parametrize("name", ["anisotropic", "feet first"])
def test_plastimatch_draws_the_contours_on_the_synthetic_slices(name: str, tmp_path: Path) -> None:
    made, series = source_series(tmp_path / "source", name)
    original = drawn_on(series)
    export(made, tmp_path / "made", series, store(original, tmp_path / "drawn.dcm"))
    command = [tool("plastimatch"), "convert", "--input", tmp_path / "made" / "rtstruct.dcm", "--prefix-format", "nii"]
    command += ["--referenced-ct", tmp_path / "made", "--output-prefix", tmp_path / "masks"]
    subprocess.run(command, check=True, capture_output=True)
    for roi, number in (("Brain", 0), ("Lens", 1)):
        mask = read_nifti(tmp_path / "masks" / f"{roi}.nii")
        assert mask.to_ras().grid.is_close(made.to_ras().grid, 1e-3)
        drawn = [item.ContourData for item in original.ROIContourSequence[number].ContourSequence]
        centres = np.array([np.reshape(data, (-1, 3)).mean(axis=0) for data in drawn]) * [-1, -1, 1]
        found = (mask.grid.affine @ np.append(np.argwhere(mask.array).mean(axis=0), 1))[:3]
        assert (np.abs(found - centres.mean(axis=0)) <= np.abs(np.diag(mask.grid.affine)[:3])).all()
        heights = {round(float(mask.grid.affine[2] @ [0, 0, k, 1]), 1) for k in np.unique(np.nonzero(mask.array)[2])}
        assert heights == {round(float(height), 1) for height in centres[:, 2]}


def outline(points: int, height: float) -> list[str]:
    """An ellipse in an axial plane, coordinates as Python prints them."""
    turns = np.linspace(0, 2 * np.pi, points, endpoint=False)
    places = np.stack([62 * np.cos(turns) + 1e-9 / 3, 74 * np.sin(turns), np.full(points, height)], axis=-1)
    return [repr(float(value)) for value in places.ravel()]


def with_outline(series: DicomSeries, points: int) -> tuple[pydicom.Dataset, list[str]]:
    """A structure set whose first contour is the ellipse, as a maker without a look at lengths writes it."""
    structures = drawn_on(series)
    contour = structures.ROIContourSequence[0].ContourSequence[0]
    texts = outline(points, float(contour.ContourData[2]))
    contour["ContourData"] = pydicom.DataElement("ContourData", "DS", texts, validation_mode=0)
    contour.NumberOfContourPoints = points
    return structures, texts


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The value for the data element .* exceeds the size of 64 kByte:UserWarning")
@pytest.mark.parametrize(("points", "syntax"), [(40, ExplicitVRLittleEndian), (3000, ImplicitVRLittleEndian)])
def test_coordinates_of_any_length_come_out_valid(tmp_path: Path, points: int, syntax: UID) -> None:
    """More than 64 KiB of text, which explicit encodings keep as of an unknown kind."""
    made, series = source_series(tmp_path / "source")
    structures, texts = with_outline(series, points)
    assert max(map(len, texts)) > 16
    structures.file_meta = pydicom.dataset.FileMetaDataset()
    structures.file_meta.TransferSyntaxUID = syntax
    structures.save_as(tmp_path / "drawn.dcm", enforce_file_format=True)
    _, moved = export(made, tmp_path / "made", series, tmp_path / "drawn.dcm")
    assert complaints("dciodvfy", [tmp_path / "made" / "rtstruct.dcm"]) == []
    written = moved.ROIContourSequence[0].ContourSequence[0].ContourData
    assert max(len(str(value)) for value in written) <= 16
    np.testing.assert_allclose([float(v) for v in written], [float(t) for t in texts], atol=1e-3)
    implicit = moved.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    assert implicit == (points == 3000)


def test_values_that_are_none_of_their_kind_are_not_handed_on(tmp_path: Path) -> None:
    made, series = source_series(tmp_path / "source")
    structures = drawn_on(series)
    roi, contours = structures.StructureSetROISequence[0], structures.ROIContourSequence[0]

    def put(dataset: pydicom.Dataset, keyword: str, kind: str, value: object) -> None:
        dataset[keyword] = pydicom.DataElement(keyword, kind, value, validation_mode=0)

    put(roi, "ROIName", "LO", "Brain" * 20)
    put(roi, "ROIGenerationAlgorithm", "CS", "automatic")
    put(roi, "ROIVolume", "DS", "12.3456789012345678901")
    put(contours, "ROIDisplayColor", "IS", ["255", "128", "0"])
    put(structures.RTROIObservationsSequence[0], "ROIObservationLabel", "SH", "a label of more than 16 characters")
    path = store(structures, tmp_path / "drawn.dcm")
    assert complaints("dciodvfy", [path]) != []
    _, moved = export(made, tmp_path / "made", series, path)
    assert complaints("dciodvfy", [tmp_path / "made" / "rtstruct.dcm"]) == []
    assert moved.StructureSetROISequence[0].ROIGenerationAlgorithm == "AUTOMATIC"
    assert float(moved.StructureSetROISequence[0].ROIVolume) == pytest.approx(12.3456789, abs=1e-6)
