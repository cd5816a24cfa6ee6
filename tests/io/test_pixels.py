"""Where the values lie in stored words, what is padding, and in what units they are."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import RLELossless

from medcycle.io import discover
from medcycle.io.dicom.series import read_series
from tests.io.series import CT, MR, found, pixels_of, put_pixels, written

CORNER = np.s_[:4, :5]
"""Rows and columns that are outside of the scan circle."""


def as_read(folder: Path) -> np.ndarray:
    (series,) = found(folder)
    assert series.verdict == "sound", series.problem
    return read_series(series).array


@pytest.mark.parametrize(
    ("stored", "named", "signed"),
    [
        (63536, ("US", 63536), 0),
        (-2000, ("SS", -2000), 1),
        (-2000, ("US", 63536), 1),  # of the other sign than the pixels
        (63536, ("SS", -2000), 0),
    ],
)
@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_padding_is_air_or_no_signal(tmp_path: Path, stored: int, named, signed: int, modality: str, caplog) -> None:
    def change(dataset: Dataset, number: int) -> None:
        words = pixels_of(dataset).astype(np.int64)
        words[CORNER] = stored
        put_pixels(dataset, words)
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 15, signed
        dataset.add_new("PixelPaddingValue", *named)

    written(tmp_path, change, modality=modality)
    expected = np.round((CT if modality == "CT" else MR).array)
    columns, rows = CORNER[1], CORNER[0]
    expected[columns, rows] = -1024 if modality == "CT" else 0
    np.testing.assert_array_equal(as_read(tmp_path), expected)
    assert "of voxels are padding" in caplog.text


def test_a_range_of_padding(tmp_path: Path) -> None:
    def change(dataset: Dataset, number: int) -> None:
        words = pixels_of(dataset).copy()
        words[0, :10] = np.arange(60000, 60010)
        put_pixels(dataset, words)
        dataset.BitsStored, dataset.HighBit = 16, 15
        dataset.add_new("PixelPaddingValue", "US", 60008)
        dataset.add_new("PixelPaddingRangeLimit", "US", 60000)

    written(tmp_path, change, modality="CT")
    assert (as_read(tmp_path)[:9, 0] == -1024).all()
    assert (as_read(tmp_path)[9, 0] == 60009 - 1024).all()


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("bits", [12, 10])
def test_bits_lie_where_high_bit_says(tmp_path: Path, compressed: bool, bits: int) -> None:
    def change(dataset: Dataset, number: int) -> None:
        words = np.minimum(pixels_of(dataset), 2**bits - 1) << (16 - bits)
        put_pixels(dataset, words | 1)  # something else in a bit that is not used
        dataset.BitsStored, dataset.HighBit = bits, 15

    for path in written(tmp_path, change, modality="CT"):
        if compressed:
            dataset = pydicom.dcmread(path)
            dataset.compress(RLELossless)
            dataset.save_as(path)
    np.testing.assert_array_equal(as_read(tmp_path), np.minimum(np.round(CT.array), 2**bits - 1 - 1024))


def test_signed_values_without_their_sign_carried_along(tmp_path: Path) -> None:
    def change(dataset: Dataset, number: int) -> None:
        put_pixels(dataset, (pixels_of(dataset).astype(np.int64) - 1024) & 0x0FFF)
        dataset.PixelRepresentation, dataset.RescaleIntercept = 1, 0

    written(tmp_path, change, modality="CT")
    np.testing.assert_array_equal(as_read(tmp_path), np.minimum(np.round(CT.array), 2047))


@pytest.mark.parametrize(("bits", "high"), [(12, 10), (12, 16), (17, 16)])
def test_bits_that_are_not_there_are_refused(tmp_path: Path, bits: int, high: int) -> None:
    def change(dataset: Dataset, number: int) -> None:
        dataset.BitsStored, dataset.HighBit = bits, high

    written(tmp_path, change, modality="CT")
    (series,) = found(tmp_path)
    assert series.verdict == "refused"
    assert f"BitsStored {bits} and HighBit {high}" in series.problem


@pytest.mark.parametrize("colours", ["PALETTE COLOR", "RGB", "YBR_FULL"])
def test_colours_are_refused_by_name(tmp_path: Path, colours: str) -> None:
    written(tmp_path, lambda dataset, number: setattr(dataset, "PhotometricInterpretation", colours))
    (series,) = found(tmp_path)
    assert series.verdict == "refused"
    assert f"colour pixels ({colours})" in series.problem


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_inverted_grey_is_turned_back_and_said(tmp_path: Path, modality: str, caplog) -> None:
    def change(dataset: Dataset, number: int) -> None:
        put_pixels(dataset, 4095 - pixels_of(dataset).astype(np.int64))
        dataset.PhotometricInterpretation = "MONOCHROME1"

    written(tmp_path, change, modality=modality)
    np.testing.assert_array_equal(as_read(tmp_path), np.round((CT if modality == "CT" else MR).array))
    assert "MONOCHROME1" in caplog.text


@pytest.mark.parametrize(
    ("missing", "word"),
    [
        (("RescaleIntercept", "RescaleSlope", "RescaleType"), "no RescaleSlope and RescaleIntercept"),
        (("RescaleIntercept",), "RescaleSlope and HU"),
    ],
)
def test_rescaling_in_some_slices_only_is_refused_by_name(tmp_path: Path, missing, word: str) -> None:
    def change(dataset: Dataset, number: int) -> None:
        for keyword in missing if number in (2, 7) else ():
            delattr(dataset, keyword)

    files = written(tmp_path, change, modality="CT")
    (series,) = found(tmp_path)
    assert series.verdict == "refused"
    assert f"2 of 12 slices have {word}" in series.problem
    assert f"{files[2].name}, {files[7].name}" in series.problem


def test_slices_of_other_units_are_refused(tmp_path: Path) -> None:
    def change(dataset: Dataset, number: int) -> None:
        dataset.RescaleType = "US" if number == 5 else "HU"

    written(tmp_path, change, modality="CT")
    (series,) = found(tmp_path)
    assert series.verdict == "refused"


def test_a_spacing_of_the_wrong_kind_is_read(tmp_path: Path) -> None:
    def change(dataset: Dataset, number: int) -> None:
        del dataset.PixelSpacing
        dataset.add_new(0x00280030, "UT", "8.0000\\8.0000")

    written(tmp_path, change)
    (source,) = discover(tmp_path)
    np.testing.assert_allclose(source.read().grid.spacing, (8, 8, 14), atol=1e-3)


def test_decimal_commas_are_named(tmp_path: Path) -> None:
    def change(dataset: Dataset, number: int) -> None:
        del dataset.PixelSpacing
        dataset.add_new(0x00280030, "LO", ["8,0", "8,0"])

    written(tmp_path, change)
    (series,) = found(tmp_path)
    assert "decimal commas" in series.problem
