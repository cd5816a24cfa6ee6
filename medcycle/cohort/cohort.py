"""Two folders of scans, and what tells one preparation of them from another."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from medcycle.body import Modality
from medcycle.config import DataConfig
from medcycle.dataset.store import STORE_VERSION
from medcycle.errors import DataError, EmptyFolder, UsageError
from medcycle.io.discover import Source, discover
from medcycle.io.files import require_exists
from medcycle.io.pictures import find_pictures

__all__ = [
    "PATIENTS_KNOWN_BY",
    "PREPARATION_KEYS",
    "Cohort",
    "case_key",
    "cohort_key",
    "find_cohort",
    "pair_key",
    "place_key",
    "preparation_of",
    "require_patients_in_both",
]

PATIENTS_KNOWN_BY = "a patient is known by PatientID, a BIDS name (sub-01), or the file's name"
"""For errors of scans that don't belong together."""

PREPARATION_KEYS = {
    *("plane", "spacing", "hu_window", "soft_tissue"),
    *("mr_normalisation", "mr_percentile", "bias_correction"),
    *("pictures", "source"),
}
"""The settings that the stored arrays depend on; the rest only decide how they are sampled."""


@dataclass(frozen=True)
class Cohort:
    """The volumes of two folders, sound or not, or of one of CT.

    Args:
        mr: in the folder of MR; none if there is no such folder.
        ct: in the folder of CT.
        folders: both, or the one.
    """

    mr: tuple[Source, ...]
    ct: tuple[Source, ...]
    folders: tuple[Path, ...]

    def both(self) -> dict[Modality, tuple[Source, ...]]:
        """The volumes by modality."""
        return {"mr": self.mr, "ct": self.ct}

    def __len__(self) -> int:
        return len(self.mr) + len(self.ct)


def find_cohort(
    mr: Path | None, ct: Path, *, resample_irregular: bool = False, ct_offset: float = 0.0, pictures: bool = False
) -> Cohort:
    """The volumes of both folders.

    Args:
        mr: a folder of MR, or CBCT; None to do without.
        ct: a folder of CT.
        resample_irregular: rebuild DICOM series with gaps or varying slice distances instead of refusing them.
        ct_offset: what to take off CT and CBCT that have something added to their HU.
        pictures: look for pictures instead of volumes.

    Raises:
        UsageError: if a folder is not there, or both are the same.
        EmptyFolder: if one holds no volume.
    """
    if mr is not None and mr.resolve() == ct.resolve():
        raise UsageError(f"{mr}: given as both MR and CT; give a folder for each")
    if pictures:
        first = () if mr is None else tuple(find_pictures(mr))
        return Cohort(first, tuple(find_pictures(ct)), (ct,) if mr is None else (mr, ct))
    of_mr = () if mr is None else _volumes(mr, "MR", resample_irregular, ct_offset)
    of_ct = _volumes(ct, "CT", resample_irregular, ct_offset)
    return Cohort(of_mr, of_ct, (ct,) if mr is None else (mr, ct))


def _volumes(folder: Path, kind: str, resample_irregular: bool, ct_offset: float) -> tuple[Source, ...]:
    require_exists(folder, f"a folder of {kind} volumes")
    found = discover(folder, resample_irregular=resample_irregular, ct_offset=ct_offset)
    if not found:
        raise EmptyFolder(f"{folder}: no volumes (.nii, .nii.gz, .nrrd, .mha or DICOM series) for {kind}")
    return tuple(found)


def require_patients_in_both(cohort: Cohort) -> None:
    """Raise `DataError` if no patient has both MR and CT: found in the headers, before anything is prepared."""
    if {source.patient for source in cohort.mr}.isdisjoint(source.patient for source in cohort.ct):
        folders = " and ".join(map(str, cohort.folders))
        raise DataError(f"{folders}: no registered pairs, since no patient has both MR and CT; {PATIENTS_KNOWN_BY}")


def preparation_of(config: DataConfig) -> dict[str, object]:
    """The settings that the stored arrays depend on, as plain values."""
    found = {name: value for name, value in config.model_dump(mode="json").items() if name in PREPARATION_KEYS}
    for newer in ("pictures", "source"):  # older stores don't know the key
        if found[newer] == DataConfig.model_fields[newer].default:
            del found[newer]
    return found


def cohort_key(cohort: Cohort, config: DataConfig) -> str:
    """A digest of the files' paths, sizes and times and of the settings that preparation depends on."""
    cases = [(kind, case_key(source, config, None)) for kind, sources in cohort.both().items() for source in sources]
    return _digest([STORE_VERSION, preparation_of(config), cases])


def case_key(source: Source, config: DataConfig, standard: tuple[float, ...] | None) -> str:
    """The same digest of one volume, and of the scale of the MR if there is one."""
    return _digest([STORE_VERSION, preparation_of(config), standard, *_identity(source)])


def pair_key(fixed: Source, moving: Source) -> str:
    """A digest of the files of two volumes."""
    return _digest([_identity(fixed), _identity(moving)])


def _identity(source: Source) -> list[object]:
    if source.problem:
        return [source.name, source.problem]
    try:
        files = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in source.files]
    except (OSError, DataError) as error:  # of a file that is gone by now: reading it says so, of that case alone
        return [source.name, str(error)]
    return [source.name, source.resample_irregular, source.ct_offset, files]


def place_key(cohort: Cohort, config: DataConfig) -> str:
    """A digest of the folders, whatever is in them, of the settings, and of the store's format."""
    irregular = any(source.resample_irregular for source in (*cohort.mr, *cohort.ct))
    offsets = sorted({source.ct_offset for source in cohort.ct})
    folders = [str(folder.resolve()) for folder in cohort.folders]
    return _digest([STORE_VERSION, *folders, irregular, offsets, preparation_of(config)])


def _digest(values: object) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]
