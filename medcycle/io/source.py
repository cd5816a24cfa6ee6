"""One volume: an image file, or the files of a DICOM series."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medcycle.errors import CaseFailed, UnreadableFile
from medcycle.io.detached import voxel_files
from medcycle.io.dicom.gate import DicomSeries
from medcycle.io.dicom.series import grid_of, read_series
from medcycle.io.files import sha256_of
from medcycle.io.itk import read_itk, read_itk_grid
from medcycle.io.nifti import NIFTI_SUFFIXES, pair_files, read_nifti, read_nifti_grid
from medcycle.io.patience import within_time
from medcycle.isolation import isolated
from medcycle.modality import ct_offset_of
from medcycle.volume import Grid, Volume

__all__ = ["Source", "read_grid"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """One volume that can be read, or is refused when it is.

    Args:
        name: a name for the case, made of letters, digits, `.`, `-` and `_`; unique within one discovery.
        path: the file, or the folder of the DICOM series.
        series: the series' files, or None for an image file.
        resample_irregular: whether a series with gaps or varying distances is rebuilt instead of refused.
        ct_offset: what is taken off a CT that has something added to its HU; nothing is taken off others.
        owner: the patient, whatever its headers or names say; empty to go by those.
        subject: of a BIDS name below the folder that was searched, as `sub-01`.
        problem: why a file or folder can't be opened, or an empty string.
    """

    name: str
    path: Path
    series: DicomSeries | None = None
    resample_irregular: bool = False
    subject: str = ""
    problem: str = ""
    ct_offset: float = 0.0
    owner: str = ""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that the volume is read from, with those that its header names; none if it can't be opened."""
        if self.problem:
            return ()
        return self.series.files if self.series else (self.path, *pair_files(self.path), *voxel_files(self.path))

    @property
    def patient(self) -> str:
        """The PatientID of a DICOM series, the subject of a BIDS name, or else the case's name."""
        return self.known_patient or self.name

    @property
    def known_patient(self) -> str:
        """The owner, PatientID or BIDS subject; empty if there is none of these."""
        return self.owner or (self.series.patient_id if self.series else "") or self.subject

    def sha256(self) -> str:
        """One SHA-256 of all its files, in hexadecimal digits. Raises `OSError` if one can't be read."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(bytes.fromhex(sha256_of(file)))
        return digest.hexdigest()

    def grid(self) -> Grid:
        """Where the voxels are, from the headers. Raises `DataError` for whatever is wrong."""
        with self._isolated():
            return within_time(lambda: grid_of(self.series) if self.series else read_grid(self.path), self.path)

    def read(self) -> Volume:
        """Read the volume. Raises `DataError` for whatever is wrong."""
        with self._isolated():
            volume = within_time(self._voxels, self.path)
        if self.ct_offset and ct_offset_of(volume.array):
            log.warning("%s: %g subtracted from its values", self.path, self.ct_offset)
            volume = volume.with_array(volume.array - np.float32(self.ct_offset))
        return volume

    def _voxels(self) -> Volume:
        if self.series:
            return read_series(self.series, resample_irregular=self.resample_irregular)
        return _read_file(self.path)

    @contextmanager
    def _isolated(self) -> Iterator[None]:
        if self.problem:
            raise UnreadableFile(f"{self.path}: {self.problem}")
        try:
            with isolated(self.path):
                yield
        except UnreadableFile as error:
            files = self.series.files if self.series else (self.path,)
            if gone := [file for file in files if not file.exists() and not file.is_symlink()]:
                raise CaseFailed(f"{gone[0]}: the file has disappeared; restore it, or run again without it") from error
            raise


def read_grid(path: Path) -> Grid:
    """The grid of an image file, from its header. Raises `UnreadableFile`."""
    return read_nifti_grid(path) if path.name.lower().endswith(NIFTI_SUFFIXES) else read_itk_grid(path)


def _read_file(path: Path) -> Volume:
    return read_nifti(path) if path.name.lower().endswith(NIFTI_SUFFIXES) else read_itk(path)
