"""What paths on the command line must hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from medcycle.body import Modality
from medcycle.cohort.vetting import vet
from medcycle.errors import UnreadableFile, UsageError
from medcycle.io.dicom.confidentiality import Retained
from medcycle.io.dicom.deidentify import Deidentify, read_key
from medcycle.io.discover import VOLUME_SUFFIXES, Source, stem
from medcycle.io.files import require_exists
from medcycle.volume import Volume

__all__ = ["deidentification", "require_synthetic"]


def deidentification(
    wanted: bool, key: Path | None, *, retain: Sequence[str] = (), with_source: bool = False
) -> Deidentify | None:
    """How to de-identify, if that is wanted.

    Raises:
        UsageError: if it isn't, but what goes with it is; or as `read_key` and `Deidentify` do.
    """
    if not wanted and (key or with_source or retain):
        raise UsageError("--deidentify-key, --retain and --with-source need --deidentify; add it, or leave them out")
    if not wanted:
        return None
    kept = cast("frozenset[Retained]", frozenset(retain))  # which it looks at
    return Deidentify(read_key(key) if key else "", with_source, kept)


def require_synthetic(path: Path, modality: Modality) -> Volume:
    """Read an image file, and refuse it if its values are not of `modality`.

    Raises:
        UsageError: if there is nothing at `path`.
        UnreadableFile: if it is not an image file, or torn.
        WrongModality, DataError: as `vet` does.
    """
    require_exists(path, "a volume written by medcycle synthesize")
    if not path.is_file() or not path.name.lower().endswith(VOLUME_SUFFIXES):
        raise UnreadableFile(f"{path}: not an image file; give one of {', '.join(VOLUME_SUFFIXES)}")
    source = Source(stem(path), path)
    volume = source.read()
    vet(source, volume, modality)
    return volume
