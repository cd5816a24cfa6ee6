"""Small series of single slices, changed file by file before they are read."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from medcycle.io.dicom.gate import DicomSeries, find_series
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.phantom.dicom_series import Identity, write_series

GRID = head_grid((24, 28, 12), (8, 8, 14))
CT = HeadPhantom.random(4).ct(GRID)
MR = HeadPhantom.random(4).mr(GRID)


def written(
    folder: Path,
    change: Callable[[Dataset, int], None] | None = None,
    *,
    modality: str = "MR",
    identity: Identity | None = None,
) -> list[Path]:
    """The files of a series of 12 slices, `change(dataset, number)` applied to each."""
    files = write_series(MR if modality == "MR" else CT, folder, modality=modality, identity=identity or Identity())
    for number, path in enumerate(files):
        if change:
            dataset = pydicom.dcmread(path)
            change(dataset, number)
            dataset.save_as(path)
    return files


def found(folder: Path) -> list[DicomSeries]:
    """The volumes below a folder."""
    return find_series(path for path in folder.rglob("*") if path.is_file())


def pixels_of(dataset: Dataset) -> np.ndarray:
    """Stored words, (rows, columns)."""
    kind = np.int16 if dataset.PixelRepresentation else np.uint16
    return np.frombuffer(dataset.PixelData, dtype=kind).reshape(dataset.Rows, dataset.Columns)


def put_pixels(dataset: Dataset, words: np.ndarray) -> None:
    """Replace the stored words, keeping their 16 bits."""
    dataset.PixelData = np.ascontiguousarray(words).astype(np.int64).astype(np.uint16).tobytes()
