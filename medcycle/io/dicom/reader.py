"""The gate as an image reader of MONAI's, and as its `LoadImaged`."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from monai.data.image_reader import ImageReader
from monai.transforms import LoadImaged
from monai.utils import MetaKeys, SpaceKeys

from medcycle.errors import DefectiveSeries
from medcycle.io.dicom.gate import find_series
from medcycle.io.dicom.series import read_series
from medcycle.volume import Array, Volume

__all__ = ["DicomSeriesReader", "LoadSeriesd"]


class DicomSeriesReader(ImageReader):  # type: ignore[misc]
    """Reads what `gate` finds sound, where MONAI's own readers take defective series without a word.

    A path is a DICOM file or a folder with one series, or a sequence of a series' files.

    Args:
        resample_irregular: rebuild series with gaps or varying distances instead of refusing them.
    """

    def __init__(self, *, resample_irregular: bool = False) -> None:
        super().__init__()
        self.resample_irregular = resample_irregular

    def verify_suffix(self, filename: Sequence[Any] | Any) -> bool:
        """Whether the paths may be DICOM: folders, and files of any name but an image file's."""
        paths = [Path(path) for path in _listed(filename)]
        return all(
            path.is_dir() or not path.name.lower().endswith((".nii", ".nii.gz", ".nrrd", ".mha")) for path in paths
        )

    def read(self, data: Sequence[Any] | Any, **_: Any) -> Volume:
        """The one volume among the files.

        Raises:
            DefectiveSeries: if there is none, or several, or the one is not sound.
            UnreadableFile: if its pixels can't be decoded.
        """
        paths = [Path(path) for path in _listed(data)]
        files = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
        series = [item for item in find_series(files) if item.verdict != "skipped"]
        if len(series) != 1:
            found = ", ".join(item.label or item.description or item.uid for item in series[:5]) or "none"
            raise DefectiveSeries(f"{paths[0]}: expected one volume, found {len(series)} ({found}); give one")
        return read_series(series[0], resample_irregular=self.resample_irregular)

    def get_data(self, img: Volume) -> tuple[Array, dict[str, Any]]:
        """The voxels and MONAI's metadata: the affine is RAS+."""
        return img.array, {
            MetaKeys.AFFINE: np.array(img.grid.affine),
            MetaKeys.ORIGINAL_AFFINE: np.array(img.grid.affine),
            MetaKeys.SPACE: SpaceKeys.RAS,
            MetaKeys.SPATIAL_SHAPE: np.array(img.grid.shape),
            MetaKeys.ORIGINAL_CHANNEL_DIM: float("nan"),
        }


class LoadSeriesd(LoadImaged):  # type: ignore[misc]
    """`LoadImaged` through the gate alone.

    `LoadImaged` with a `DicomSeriesReader` is not enough: where a reader refuses, it tries MONAI's others, which don't.

    Args:
        keys: the dictionary's entries to load.
        resample_irregular: rebuild series with gaps or varying distances instead of refusing them.
        options: of `LoadImaged`.

    Calling it raises `DefectiveSeries` and `UnreadableFile` as `DicomSeriesReader.read` does.
    """

    def __init__(self, keys: Any, *, resample_irregular: bool = False, **options: Any) -> None:
        self.gate = DicomSeriesReader(resample_irregular=resample_irregular)
        super().__init__(keys, reader=self.gate, **options)

    def __call__(self, data: Mapping[Hashable, Any], reader: ImageReader | None = None) -> dict[Hashable, Any]:
        """Load every entry."""
        return cast(dict[Hashable, Any], super().__call__(data, reader or self.gate))


def _listed(data: Any) -> Sequence[Any]:
    return data if isinstance(data, list | tuple) else [data]
