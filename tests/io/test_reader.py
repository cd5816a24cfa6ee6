"""The gate inside MONAI's `LoadImaged`."""

from pathlib import Path

import numpy as np
import pytest
from monai.transforms import Compose, LoadImaged

from medcycle.errors import DefectiveSeries
from medcycle.io.dicom.reader import DicomSeriesReader, LoadSeriesd
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.phantom.defects import write_defective_series
from medcycle.phantom.dicom_series import Identity, write_series

# MONAI makes one of every reader it knows, and one of them warns that its library is not there
pytestmark = pytest.mark.filterwarnings("ignore:NvImgCodec")

GRID = head_grid((24, 20, 12), (8, 8, 14))
HEAD = HeadPhantom.random(4).mr(GRID)


def load(path: Path | list[Path], **options: bool) -> dict:
    return LoadSeriesd("image", ensure_channel_first=True, **options)({"image": path})


def test_a_sound_series_has_its_place_and_values(tmp_path: Path) -> None:
    files = write_series(HEAD, tmp_path, modality="MR")
    for path in (tmp_path, files):
        image = load(path)["image"]
        np.testing.assert_allclose(image.affine, GRID.affine, atol=1e-3)
        np.testing.assert_allclose(image.numpy()[0], HEAD.array, atol=0.51)


@pytest.mark.parametrize(
    ("defect", "words"), [("missing_slice", "a slice is missing"), ("two_echoes", "found 2"), ("localizer", "found 0")]
)
def test_defective_series_are_refused(tmp_path: Path, defect, words: str) -> None:
    write_defective_series(HEAD, tmp_path, defect, modality="MR")
    with pytest.raises(DefectiveSeries, match=words):
        load(tmp_path)


def test_irregular_series_are_rebuilt_on_request(tmp_path: Path) -> None:
    write_defective_series(HEAD, tmp_path, "missing_slice", modality="MR")
    assert load(tmp_path, resample_irregular=True)["image"].shape == (1, *GRID.shape)


def test_two_series_are_not_one_volume(tmp_path: Path) -> None:
    write_series(HEAD, tmp_path / "a", modality="MR")
    write_series(HEAD, tmp_path / "b", modality="MR", identity=Identity(seed=1))
    with pytest.raises(DefectiveSeries, match="expected one volume, found 2"):
        load(tmp_path)


def test_in_monais_own_loader_and_in_a_chain(tmp_path: Path) -> None:
    write_series(HEAD, tmp_path, modality="MR")
    plain = LoadImaged("image", reader=DicomSeriesReader(), ensure_channel_first=True)({"image": tmp_path})["image"]
    chained = Compose([LoadSeriesd("image", ensure_channel_first=True)])({"image": tmp_path})["image"]
    np.testing.assert_array_equal(plain, chained)
    np.testing.assert_array_equal(plain.affine, chained.affine)


def test_image_files_are_left_to_other_readers() -> None:
    reader = DicomSeriesReader()
    assert reader.verify_suffix("scan/IM0001")
    assert not reader.verify_suffix(["a.nii.gz"])
