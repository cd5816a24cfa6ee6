"""How much is read, by which setting."""

import io
import logging
import zlib

import numpy as np
import pytest
import SimpleITK as sitk

from medcycle.errors import UnreadableFile, UsageError
from medcycle.io import read_volume, write_nifti
from medcycle.io.itk import to_itk
from medcycle.io.limits import SETTING, inflated, most_voxels, require_voxels
from medcycle.io.opening import open_regular, read_json, read_text
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.phantom.dicom_series import write_series

VOLUME = HeadPhantom.random(0).ct(head_grid((12, 14, 5), (18, 18, 40)))


@pytest.mark.parametrize("form", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha", "dicom"])
def test_one_setting_for_all_kinds(form: str, tmp_path, monkeypatch) -> None:
    path = tmp_path / form
    if form == "dicom":
        write_series(VOLUME, path, modality="CT")
    elif form.startswith("a.nii"):
        write_nifti(VOLUME, path)
    else:
        sitk.WriteImage(to_itk(VOLUME), path)
    read_volume(path)
    monkeypatch.setenv(SETTING, str(VOLUME.array.size))
    read_volume(path)
    monkeypatch.setenv(SETTING, str(VOLUME.array.size - 1))
    with pytest.raises(UnreadableFile, match=f"{path}.*set {SETTING} to more"):
        read_volume(path)


@pytest.mark.parametrize("value", ["many", "-1", "0", "nan", "inf", "9" * 100, "\u0661"])
def test_a_setting_that_is_no_number(value: str, monkeypatch) -> None:
    monkeypatch.setenv(SETTING, value)
    with pytest.raises(UsageError, match=SETTING):
        most_voxels()


def test_a_whole_body_fits(tmp_path) -> None:
    require_voxels(tmp_path, (512, 512, 2000), 0)
    assert most_voxels() == 2**31


def test_what_memory_does_not_hold(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(SETTING, "1e15")
    with pytest.raises(UnreadableFile, match="GiB of memory"):
        require_voxels(tmp_path, (10**5, 10**5, 10**4), 8)


def test_inflating_stops_at_the_limit() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(bytes(10**6)) + packer.flush()
    assert inflated(io.BytesIO(packed), 10**6) == bytes(10**6)
    assert len(inflated(io.BytesIO(packed), 10**5, whole=False)) == 10**5
    with pytest.raises(OverflowError):
        inflated(io.BytesIO(packed), 10**6 - 1)


def test_texts_are_limited_too(tmp_path) -> None:
    path = tmp_path / "a.json"
    path.write_text("[" * 100_000)
    with pytest.raises(ValueError, match="too deeply"):
        read_json(path)
    with pytest.raises(UnreadableFile, match=r"a\.json: more than"):
        read_text(path, 2048)
    with pytest.raises(UnreadableFile, match="a folder"):
        open_regular(tmp_path)


def test_wrong_affines_name_the_file(tmp_path) -> None:
    path = tmp_path / "a.mha"
    header = "ObjectType = Image\nNDims = 3\nBinaryData = True\nDimSize = 2 2 2\nElementSpacing = 1 1 1e-320\n"
    path.write_bytes((header + "ElementType = MET_UCHAR\nElementDataFile = LOCAL\n").encode() + bytes(8))
    with pytest.raises(UnreadableFile, match=r"a\.mha: "):
        read_volume(path)


def test_nibabel_and_numpy_are_quiet(tmp_path, capfd, monkeypatch) -> None:
    monkeypatch.setattr(logging.getLogger("medcycle"), "handlers", [logging.NullHandler()])
    path = tmp_path / "a.nii"
    write_nifti(VOLUME.with_array(VOLUME.array.astype(np.int16)), path)
    content = bytearray(path.read_bytes())
    content[76 + 4 : 76 + 8] = np.float32(-2).tobytes()  # a negative width, which nibabel mends aloud
    content[112:116] = np.float32(3e38).tobytes()  # a slope that overflows
    path.write_bytes(content)
    read_volume(path)
    assert capfd.readouterr().err == ""
