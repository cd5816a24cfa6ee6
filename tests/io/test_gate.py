"""DICOM images sorted into volumes: every defect that hospital exports have, on series whose truth is known."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from highdicom import UID
from highdicom.legacy import LegacyConvertedEnhancedCTImage, LegacyConvertedEnhancedMRImage

from medcycle.errors import DefectiveSeries
from medcycle.io import discover
from medcycle.io.dicom.frames import ImageFile, Skipped, read_image_file
from medcycle.io.dicom.gate import DicomSeries, find_series, gate
from medcycle.io.dicom.series import read_series
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.phantom.defects import JITTER, SPACING_CHANGE, TILT_DEGREES, Defect, write_defective_series
from medcycle.phantom.dicom_series import Identity, write_series
from medcycle.resample import resample_to
from medcycle.volume import Volume

GRID = head_grid((24, 28, 12), (8, 8, 14))
CT = HeadPhantom.random(4).ct(GRID)
MR = HeadPhantom.random(4).mr(GRID)


def found(folder: Path) -> list[DicomSeries]:
    return find_series(folder.iterdir())


def defective(folder: Path, defect: Defect) -> list[DicomSeries]:
    ct_only = defect in ("gantry_tilt", "ct_padding", "per_slice_rescale")
    write_defective_series(CT if ct_only else MR, folder, defect, modality="CT" if ct_only else "MR")
    return found(folder)


def assert_same(volume: Volume, expected: np.ndarray, tolerance: float = 0.51) -> None:
    np.testing.assert_allclose(volume.array, expected, atol=tolerance)


def test_a_missing_slice_is_named_and_can_be_rebuilt(tmp_path: Path) -> None:
    (series,) = defective(tmp_path, "missing_slice")
    assert series.verdict == "irregular"
    assert "a slice is missing between 0006.dcm and 0007.dcm: a gap of 28.00 mm" in series.problem
    with pytest.raises(DefectiveSeries, match="--resample-irregular"):
        read_series(series)
    rebuilt = read_series(series, resample_irregular=True)
    assert rebuilt.grid.is_close(GRID, 1e-3)
    expected = MR.array.copy()
    expected[:, :, 6] = (MR.array[:, :, 5] + MR.array[:, :, 7]) / 2
    assert_same(rebuilt, expected)


def test_varying_distances_are_refused_and_can_be_rebuilt(tmp_path: Path) -> None:
    (series,) = defective(tmp_path, "spacing_change")
    assert series.verdict == "irregular"
    assert "gaps of 14.00 to 21.00 mm" in series.problem
    rebuilt = read_series(series, resample_irregular=True)
    assert rebuilt.grid.spacing == pytest.approx((8, 8, 14))
    assert_same(Volume(rebuilt.array[:, :, :7], head_grid((24, 28, 7), (8, 8, 14))), MR.array[:, :, :7])
    # two slices of the second half lie 1.5 distances apart: every third of the new planes is one of the old
    assert SPACING_CHANGE == 1.5
    assert_same(Volume(rebuilt.array[:, :, 6::3], head_grid((24, 28, 3), (8, 8, 14))), MR.array[:, :, 6::2])


def test_other_pixels_at_one_position_are_refused_with_the_files(tmp_path: Path) -> None:
    (series,) = defective(tmp_path, "duplicate_position")
    assert series.verdict == "refused"
    assert "0007.dcm and 0013.dcm" in series.problem
    with pytest.raises(DefectiveSeries, match=str(tmp_path)):
        read_series(series, resample_irregular=True)


def test_a_copy_is_dropped_and_said(tmp_path: Path) -> None:
    (series,) = defective(tmp_path, "same_file_twice")
    assert series.notes == ("1 copy dropped: 0013.dcm of 0007.dcm",)
    assert_same(read_series(series), MR.array)


def test_a_copy_under_another_uid_is_dropped_and_said(tmp_path: Path) -> None:
    files = write_series(CT, tmp_path, modality="CT")
    again = pydicom.dcmread(files[3])
    again.SOPInstanceUID = again.file_meta.MediaStorageSOPInstanceUID = Identity().uid("again")
    again.save_as(tmp_path / "again.dcm")
    (series,) = found(tmp_path)
    assert series.notes == ("1 copy dropped: again.dcm of CT0004.dcm",)
    assert_same(read_series(series), CT.array)


@pytest.mark.parametrize("first", [0, 3])
def test_one_uid_for_two_images_is_refused(tmp_path: Path, first: int) -> None:
    files = write_series(CT, tmp_path, modality="CT")
    other = pydicom.dcmread(files[first])
    other.SOPInstanceUID = pydicom.dcmread(files[first + 1]).SOPInstanceUID
    other.save_as(files[first])
    (source,) = discover(tmp_path)
    with pytest.raises(DefectiveSeries, match=f"{files[first].name} and {files[first + 1].name} differ but have one"):
        source.read()
    assert len(source.files) == len(files)


@pytest.mark.parametrize(
    ("defect", "labels"),
    [
        ("two_echoes", ["EchoTime 4", "EchoTime 90"]),
        ("dixon", ["ImageType DERIVED\\PRIMARY\\DIXON\\FAT", "ImageType DERIVED\\PRIMARY\\DIXON\\WATER"]),
        ("enhanced_two_stacks", ["StackID 1", "StackID 2"]),
    ],
)
def test_several_volumes_in_one_series_are_split_and_named(tmp_path: Path, defect: Defect, labels: list[str]) -> None:
    volumes = sorted(defective(tmp_path, defect), key=lambda item: item.label)
    assert [item.label for item in volumes] == labels
    assert all("one of 2 volumes in this series" in item.notes for item in volumes)
    by_brightness = sorted((read_series(item) for item in volumes), key=lambda volume: -volume.array.mean())
    assert_same(by_brightness[0], MR.array)
    assert_same(by_brightness[1], MR.array / 2)
    assert by_brightness[0].grid.is_close(GRID, 1e-3)


def test_interleaved_contrasts_are_not_one_stack(tmp_path: Path) -> None:
    files = write_series(MR, tmp_path, modality="MR")
    for path in files[1::2]:
        dataset = pydicom.dcmread(path)
        dataset.EchoTime = 90
        dataset.save_as(path)
    volumes = found(tmp_path)
    assert [len(item.frames) for item in volumes] == [6, 6]
    assert_same(read_series(volumes[0]), MR.array[:, :, ::2])


def test_acquisitions_that_repeat_every_position_are_split(tmp_path: Path) -> None:
    files = write_series(MR, tmp_path, modality="MR")
    for number, path in enumerate(files):
        dataset = pydicom.dcmread(path)
        dataset.AcquisitionNumber = 2
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = Identity().uid("second", number)
        dataset.PixelData = bytes(len(dataset.PixelData))
        dataset.save_as(tmp_path / f"second{number}.dcm")
    assert sorted(item.label for item in found(tmp_path)) == ["AcquisitionNumber 1", "AcquisitionNumber 2"]


def test_an_attribute_that_changes_along_one_stack_does_not_split_it(tmp_path: Path) -> None:
    files = write_series(CT, tmp_path, modality="CT")
    for path in files[7:]:
        dataset = pydicom.dcmread(path)
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL", "ADD"]
        dataset.save_as(path)
    (series,) = found(tmp_path)
    assert (series.verdict, series.notes) == ("sound", ("slices differ in ImageType",))
    assert_same(read_series(series), CT.array)


def test_a_localizer_is_skipped(tmp_path: Path) -> None:
    (series,) = defective(tmp_path, "localizer")
    assert series.verdict == "skipped"
    assert series.problem == "a localizer: 3 + 3 + 3 slices of different planes"


def test_a_tilted_gantry_is_resampled_to_the_true_places(tmp_path: Path) -> None:
    grid = head_grid((24, 60, 24), (8, 4, 6))
    smooth = HeadPhantom.random(4).ct(grid, noise=0)
    write_defective_series(smooth, tmp_path, "gantry_tilt", modality="CT")
    (series,) = found(tmp_path)
    assert series.verdict == "sound"
    assert series.notes == (f"a gantry tilt of {TILT_DEGREES:.1f} degrees: resampled to an upright grid",)
    upright = read_series(series)
    np.testing.assert_allclose(upright.grid.affine[:3, :3], grid.affine[:3, :3], atol=1e-6)
    back = resample_to(upright, grid, background=-1024.0).array
    lost = int(np.ceil(23 * 6 * np.tan(np.deg2rad(TILT_DEGREES)) / 4))  # rows that the tilt moved out of the last slice
    known = np.s_[:, lost:]
    assert np.mean(np.abs(back - smooth.array)[known]) < 25  # two linear interpolations between rows 4 mm apart
    untilted = Volume(read_as_if_upright(series), grid).array
    assert np.mean(np.abs(untilted - smooth.array)[known]) > 100  # what is seen without


def read_as_if_upright(series: DicomSeries) -> np.ndarray:
    return np.stack([pydicom.dcmread(path).pixel_array.T for path in series.files], axis=-1) - 1024.0


def test_jitter_is_accepted(tmp_path: Path) -> None:
    (series,) = defective(tmp_path, "jitter")
    assert series.verdict == "sound"
    assert read_series(series).grid.is_close(GRID, 2 * JITTER)


def test_every_slice_has_its_own_rescale(tmp_path: Path) -> None:
    (series,) = defective(tmp_path, "per_slice_rescale")
    slopes = {float(pydicom.dcmread(path).RescaleSlope) for path in tmp_path.iterdir()}
    assert len(slopes) > 1
    assert_same(read_series(series), CT.array, tolerance=max(slopes) / 2 + 0.01)


def test_enhanced_multiframe_has_the_right_axes(tmp_path: Path) -> None:
    (series,) = defective(tmp_path, "enhanced_multiframe")
    volume = read_series(series)
    assert volume.grid.is_close(GRID, 1e-3)
    assert_same(volume, MR.array)


def test_padding_becomes_air_and_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (series,) = defective(tmp_path, "ct_padding")
    volume = read_series(series)
    assert volume.array.min() == -1024
    assert volume.array.max() == 15000
    assert "padding down to -3024 HU" in caplog.text


def test_junk_is_skipped_with_its_reason(tmp_path: Path) -> None:
    write_defective_series(CT, tmp_path, "junk", modality="CT")
    items = [read_image_file(path) for path in sorted(tmp_path.iterdir())]
    reasons = {item.path.name: item.reason for item in items if isinstance(item, Skipped)}
    assert reasons == {
        "DICOMDIR": "a DICOMDIR: the files it names are found without it",
        "VERSION": "empty",
        "capture.dcm": "a secondary capture, not a scan",
        "raw.dcm": "of modality OT, neither MR nor CT",
        "readme.txt": "not DICOM",
    }
    (series,) = gate(item for item in items if isinstance(item, ImageFile))
    assert_same(read_series(series), CT.array)


@pytest.mark.parametrize(
    ("attribute", "value", "words"),
    [
        ("PixelSpacing", None, "no PixelSpacing"),
        ("ImagePositionPatient", None, "no ImagePositionPatient"),
        ("ImagePositionPatient", [0, 0], "not 3 sensible numbers"),
        ("ImagePositionPatient", [0, 0, 1e9], "not 3 sensible numbers"),
        ("ImageOrientationPatient", [1, 0, 0, 1, 0, 0], "not two perpendicular directions"),
        ("PixelSpacing", [0, 1], "not a valid spacing"),
        ("SamplesPerPixel", 3, "colour"),
        ("ImageType", ["ORIGINAL", "PRIMARY", "M", "MOSAIC"], "mosaic"),
        ("NumberOfFrames", 4, "several frames"),
    ],
)
def test_an_image_that_cannot_be_placed_is_refused_by_name(tmp_path: Path, attribute: str, value, words: str) -> None:
    files = write_series(MR, tmp_path, modality="MR")
    dataset = pydicom.dcmread(files[2])
    if value is None:
        del dataset[attribute]
    else:
        setattr(dataset, attribute, value)
    if attribute in ("SamplesPerPixel", "NumberOfFrames"):
        dataset.PixelData = dataset.PixelData * 4
    dataset.save_as(files[2])
    (series,) = found(tmp_path)
    assert series.verdict == "refused"
    assert series.problem.startswith(f"{files[2].name}: ")
    assert words in series.problem


def test_a_torn_file_is_refused_before_its_pixels_are_read(tmp_path: Path) -> None:
    files = write_series(CT, tmp_path, modality="CT")
    files[3].write_bytes(files[3].read_bytes()[:-500])
    (series,) = found(tmp_path)
    assert f"{files[3].name}: truncated" in series.problem


def test_one_slice_is_no_volume(tmp_path: Path) -> None:
    for path in write_series(CT, tmp_path, modality="CT")[1:]:
        path.unlink()
    (series,) = found(tmp_path)
    assert "only one slice" in series.problem


def test_lossy_and_eight_bit_images_are_flagged(tmp_path: Path) -> None:
    for path in write_series(CT, tmp_path, modality="CT"):
        dataset = pydicom.dcmread(path)
        dataset.LossyImageCompression, dataset.BitsStored = "01", 8
        dataset.save_as(path)
    (series,) = found(tmp_path)
    assert series.notes == (
        "lossy compressed: the values are not the scanner's",
        "8 bits a pixel: finer values were lost",
    )


def test_files_without_preamble_are_read(tmp_path: Path) -> None:
    for path in write_series(CT, tmp_path, modality="CT"):
        dataset = pydicom.dcmread(path)
        del dataset.file_meta
        dataset.preamble = None
        dataset.save_as(path, implicit_vr=True, little_endian=True)
        assert path.read_bytes()[128:132] != b"DICM"
    (series,) = found(tmp_path)
    assert_same(read_series(series), CT.array)


@pytest.mark.parametrize(
    ("modality", "defect"),
    [("CT", None), ("MR", None), ("CT", "gantry_tilt"), ("CT", "missing_slice"), ("MR", "missing_slice")],
)
def test_legacy_converted_files_are_as_the_series_they_came_from(
    tmp_path: Path, modality: str, defect: Defect | None
) -> None:
    """highdicom converts: one enhanced file out of a series, in any order of its slices."""
    volume = CT if modality == "CT" else MR
    if defect:
        write_defective_series(volume, tmp_path / "series", defect, modality=modality)
    else:
        write_series(volume, tmp_path / "series", modality=modality)
    slices = [pydicom.dcmread(file) for file in sorted((tmp_path / "series").iterdir(), reverse=True)]
    kind = LegacyConvertedEnhancedCTImage if modality == "CT" else LegacyConvertedEnhancedMRImage
    converted = kind(
        legacy_datasets=slices,
        series_instance_uid=UID(),
        series_number=2,
        sop_instance_uid=UID(),
        instance_number=1,
    )
    (tmp_path / "one").mkdir()
    converted.save_as(tmp_path / "one" / "file")
    (before,), (after,) = found(tmp_path / "series"), found(tmp_path / "one")
    assert after.verdict == before.verdict == ("irregular" if defect == "missing_slice" else "sound")
    assert after.notes == before.notes
    one, other = (read_series(series, resample_irregular=True) for series in (before, after))
    assert one.grid.is_close(other.grid, 1e-3)
    np.testing.assert_array_equal(one.array, other.array)
