"""Real files that readers stumble over, against their own headers and independent readers."""

import tarfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from scipy import ndimage

from medcycle.errors import DefectiveSeries
from medcycle.io.dicom.frames import ImageFile, Skipped, read_image_file
from medcycle.io.dicom.gate import find_series
from medcycle.io.dicom.pixels import real_units
from medcycle.io.dicom.series import read_series
from medcycle.io.itk import from_itk

TO_RAS = np.array([-1, -1, 1])


@pytest.fixture(scope="module")
def tricky(shared: Path) -> Path:
    return shared / "dicom" / "tricky"


@pytest.mark.slow
def test_a_tilted_irregular_head_ct_is_rebuilt_where_it_was(shared: Path, tmp_path: Path) -> None:
    with tarfile.open(shared / "dicom" / "series" / "head_ct_ge_tilted_irregular.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    (series,) = find_series(path for path in tmp_path.rglob("*") if path.is_file())
    assert series.verdict == "irregular"
    assert "gaps of 1.08 to 7.00 mm" in series.problem
    with pytest.raises(DefectiveSeries):
        read_series(series)
    volume = read_series(series, resample_irregular=True)
    to_index = np.linalg.inv(volume.grid.affine)
    random = np.random.default_rng(0)
    for path in series.files:
        header = pydicom.dcmread(path)
        row, column = random.integers(0, (header.Rows, header.Columns), (200, 2)).T
        along, down = np.split(np.array(header.ImageOrientationPatient, dtype=float), 2)
        place = np.array(header.ImagePositionPatient, dtype=float) + np.outer(column * header.PixelSpacing[1], along)
        place += np.outer(row * header.PixelSpacing[0], down)
        index = to_index[:3, :3] @ (place * TO_RAS).T + to_index[:3, 3:]
        seen = ndimage.map_coordinates(volume.array, index, order=1, mode="nearest")
        true = header.pixel_array[row, column] * float(header.RescaleSlope) + float(header.RescaleIntercept)
        assert np.mean(np.abs(seen - np.maximum(true, -1024))) < 20  # noise and edges between voxels and planes


LOSSY = {"4.50", "4.51", "4.53", "4.55", "4.81", "4.91"}


def test_every_transfer_syntax_is_decoded_and_lossy_ones_are_flagged(tricky: Path) -> None:
    folder = tricky / "transfer_syntaxes"
    expected = pydicom.dcmread(folder / "CTImage.dcm")
    hounsfield = expected.pixel_array.T * float(expected.RescaleSlope) + float(expected.RescaleIntercept)
    files = sorted(folder.glob("CTImage.dcm_*"))
    assert len(files) == 15
    (only_eight,) = (path for path in files if path.stem.endswith("4.50"))
    for path in files:
        item = read_image_file(path)
        assert isinstance(item, ImageFile)
        (image,) = real_units(item.frames)
        lossy = any(path.stem.endswith(f".1.2.{syntax}") for syntax in LOSSY)
        assert any("lossy" in remark for remark in item.remarks) == lossy
        error = np.abs(np.maximum(image, -1024) - np.maximum(hounsfield, -1024))
        assert error.max() < (80 if path is only_eight else 40 if lossy else 1e-6)
        assert any("8 bits" in remark for remark in item.remarks) == (path is only_eight)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("philips_enhanced_B0_64fr.dcm", {"EchoTime 1.52", "EchoTime 0"}),
        ("philips_enhanced_fieldmap_phMag.dcm", {"EchoTime 2.3", "EchoTime 4.6"}),
    ],
)
def test_enhanced_files_of_several_volumes_are_split(tricky: Path, name: str, labels: set[str]) -> None:
    volumes = find_series([tricky / "enhanced" / name])
    assert {part for item in volumes for part in item.label.split(", ")} >= labels
    for item in volumes:
        assert item.verdict == ("refused" if "ImageComponent phase" in item.label else "sound")
    frames = [frame.index for item in volumes for frame in item.frames]
    assert sorted(frames) == list(range(pydicom.dcmread(tricky / "enhanced" / name).NumberOfFrames))


def test_time_points_of_one_series_in_two_files_are_split(tricky: Path) -> None:
    volumes = find_series((tricky / "enhanced").glob("siemens*.dcm"))
    assert [item.label for item in volumes] == ["TemporalPositionIdentifier 1", "TemporalPositionIdentifier 2"]
    assert [read_series(item).array.shape for item in volumes] == [(64, 64, 6)] * 2


@pytest.mark.parametrize(
    "name",
    [
        "enhanced/philips_enhanced_pcasl_real.dcm",
        "philips_enhanced/anatomical/001/IM-0001-0170-0001.dcm",
        "philips_enhanced/anatomical/001_implicit/IM1.dcm",
        "hyperfine/anatomical/001/001.dcm",
    ],
)
def test_enhanced_geometry_is_what_the_frames_say(tricky: Path, name: str) -> None:
    (series,) = find_series([tricky / name])
    volume = read_series(series)
    dataset = pydicom.dcmread(tricky / name)
    for number, frame in enumerate(series.frames):
        groups = dataset.PerFrameFunctionalGroupsSequence[frame.index]
        position = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, dtype=float) * TO_RAS
        np.testing.assert_allclose(volume.grid.affine @ [0, 0, number, 1], [*position, 1], atol=0.05)
        stored = dataset.pixel_array[frame.index].T
        assert np.corrcoef(volume.array[:, :, number].ravel(), stored.ravel())[0, 1] == pytest.approx(1)


def test_fragmented_compressed_mr_is_as_simpleitk_reads_it(tricky: Path) -> None:
    (series,) = find_series((tricky / "fragmented_mr").iterdir())
    volume = read_series(series)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tricky / "fragmented_mr")))
    by_itk = from_itk(reader.Execute())
    assert volume.grid.is_close(by_itk.grid, 1e-3)
    np.testing.assert_array_equal(volume.array, by_itk.array)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("enhanced/philips_raw_no_pixels_MPRAGE.dcm", "no pixels"),
        ("transfer_syntaxes/no-pixel-data.dcm", "of modality SR"),
        ("transfer_syntaxes/no-pixel-spacing.dcm", "of modality US"),
        ("transfer_syntaxes/LICENSE", "not DICOM"),
    ],
)
def test_what_is_no_scan_is_skipped(tricky: Path, name: str, reason: str) -> None:
    item = read_image_file(tricky / name)
    assert isinstance(item, Skipped)
    assert reason in item.reason


def test_padding_of_a_real_ct_becomes_air(tricky: Path, caplog: pytest.LogCaptureFixture) -> None:
    (series,) = find_series((tricky / "ct_padding_overflow").iterdir())
    assert read_series(series, resample_irregular=True).array.min() == -1024
    assert "21% of voxels are padding, set to -1024" in caplog.text
