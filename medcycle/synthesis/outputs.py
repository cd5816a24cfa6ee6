"""What a synthesis leaves on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from medcycle import __version__
from medcycle.errors import UsageError
from medcycle.io.dicom.ct_writer import write_ct_series
from medcycle.io.dicom.series import read_headers
from medcycle.io.discover import Source
from medcycle.io.files import atomic_path
from medcycle.io.nifti import write_nifti
from medcycle.synthesis.translate import Synthesis

__all__ = ["OutputFormat", "require_absent", "write_case"]

OutputFormat = Literal["nifti", "dicom", "both"]

FILE_NAMES = {"ct": "sct.nii.gz", "mr": "smr.nii.gz"}


def require_absent(path: Path) -> None:
    """Raise `UsageError` if there is something at `path` already."""
    if path.exists():
        raise UsageError(f"{path}: there already; delete it, or give another output")


def write_case(
    synthesis: Synthesis,
    source: Source,
    folder: Path,
    *,
    to: Literal["ct", "mr"],
    output_format: OutputFormat,
    checkpoint: dict[str, Any],
) -> None:
    """Write one case's folder, whole or not at all.

    Args:
        synthesis: the synthetic volume.
        source: what it was made from; the headers of a DICOM series go into the DICOM output.
        folder: the case's folder, absent so far.
        to: the modality that was made.
        output_format: NIfTI, a DICOM CT series, or both.
        checkpoint: what identifies the checkpoint, for `synthesis.json`.

    Raises:
        UsageError: if the folder is there already.
    """
    require_absent(folder)
    with atomic_path(folder) as temporary:
        temporary.mkdir(parents=True)
        if output_format in ("nifti", "both"):
            write_nifti(synthesis.volume, temporary / FILE_NAMES[to])
        if output_format in ("dicom", "both"):
            reference = read_headers(source.series) if source.series else None
            write_ct_series(
                synthesis.volume,
                temporary / "dicom",
                reference=reference,
                model_description=f"checkpoint of SHA-256 {checkpoint['sha256']}",
                software_version=__version__,
            )
        description = json.dumps(_describe(synthesis, source, to, checkpoint), indent=1)
        (temporary / "synthesis.json").write_text(description, encoding="utf-8")


def _describe(synthesis: Synthesis, source: Source, to: str, checkpoint: dict[str, Any]) -> dict[str, Any]:
    grid = synthesis.volume.grid
    return {
        "case": source.name,
        "made": f"synthetic {to.upper()}",
        "units": "HU" if to == "ct" else "arbitrary",
        "use": "research only",
        "medcycle": __version__,
        "checkpoint": checkpoint,
        "shape": list(grid.shape),
        "affine_ras_mm": grid.affine.tolist(),
        "source_intensity": synthesis.intensity.to_dict(),
        "body_fraction": round(float(synthesis.body.array.mean()), 4),
        "style": synthesis.style,
    }
