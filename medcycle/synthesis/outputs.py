"""What a synthesis leaves on disk."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from medcycle import __version__
from medcycle.body import Modality
from medcycle.errors import UsageError
from medcycle.io.dicom.ct_writer import write_ct_series
from medcycle.io.dicom.series import read_headers
from medcycle.io.discover import Source
from medcycle.io.files import atomic_path
from medcycle.io.nifti import write_nifti
from medcycle.synthesis.translate import Synthesis

__all__ = ["Outputs", "key_of", "require_absent", "write_case"]

FILE_NAMES: dict[Modality, str] = {"ct": "sct.nii.gz", "mr": "smr.nii.gz"}

DESCRIPTION = "synthesis.json"


@dataclass(frozen=True)
class Outputs:
    """What is written of a case.

    Args:
        format: NIfTI, a DICOM series, or both.
    """

    format: Literal["nifti", "dicom", "both"] = "nifti"

    def to_dict(self) -> dict[str, Any]:
        """Plain values of all that the result depends on."""
        return asdict(self)


def require_absent(path: Path) -> None:
    """Raise `UsageError` if there is something at `path` already."""
    if path.exists():
        raise UsageError(f"{path}: there already; delete it, or give another output")


def key_of(folder: Path) -> str:
    """The key that a case's folder was made with; empty if it isn't one, or not whole."""
    try:
        values = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        whole = all((folder / name).exists() for name in values["files"])
        return str(values["key"]) if whole else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def write_case(
    synthesis: Synthesis, source: Source, folder: Path, *, to: Modality, outputs: Outputs, how: dict[str, Any]
) -> None:
    """Write one case's folder, whole or not at all.

    Args:
        synthesis: the synthetic volume.
        source: what it was made from; the headers of a DICOM series go into the DICOM output.
        folder: the case's folder, absent so far.
        to: the modality that was made.
        outputs: what to write.
        how: for `synthesis.json`: the key, the checkpoints and the options.

    Raises:
        UsageError: if the folder is there already.
    """
    require_absent(folder)
    with atomic_path(folder) as temporary:
        temporary.mkdir(parents=True)
        if outputs.format in ("nifti", "both"):
            write_nifti(synthesis.volume, temporary / FILE_NAMES[to])
        if outputs.format in ("dicom", "both"):
            reference = read_headers(source.series) if source.series else None
            write_ct_series(
                synthesis.volume,
                temporary / "dicom",
                reference=reference,
                model_description=f"checkpoint of SHA-256 {how['checkpoints'][0]['sha256']}",
                software_version=__version__,
            )
        if synthesis.uncertainty:
            write_nifti(synthesis.uncertainty, temporary / "uncertainty.nii.gz")
        if synthesis.cycle_error:
            write_nifti(synthesis.cycle_error, temporary / "cycle_error.nii.gz")
        described = _describe(synthesis, source, to) | how
        described["files"] = sorted(path.name for path in temporary.iterdir())
        (temporary / DESCRIPTION).write_text(json.dumps(described, indent=1), encoding="utf-8")


def _describe(synthesis: Synthesis, source: Source, to: Modality) -> dict[str, Any]:
    grid = synthesis.volume.grid
    return {
        "case": source.name,
        "made": f"synthetic {to.upper()}",
        "units": "HU" if to == "ct" else "arbitrary",
        "use": "research only",
        "medcycle": __version__,
        "shape": list(grid.shape),
        "affine_ras_mm": grid.affine.tolist(),
        "source_intensity": synthesis.intensity.to_dict(),
        "body_fraction": round(float(synthesis.body.array.mean()), 4),
        "style": synthesis.style,
        "passes": synthesis.passes,
        "seam_score": _rounded(synthesis.seams),
        "slice_continuity": _rounded(synthesis.continuity),
        "uncertainty": _uncertainty(synthesis),
        "warnings": synthesis.warnings,
    }


def _uncertainty(synthesis: Synthesis) -> dict[str, Any] | None:
    if not synthesis.uncertainty:
        return None
    inside = synthesis.uncertainty.array[synthesis.body.array]
    calibration = synthesis.calibration
    return {
        "meaning": "root mean square error to be expected" if calibration else "standard deviation over passes",
        "calibration": calibration.to_dict() if calibration else None,
        "mean_in_body": _rounded(float(inside.mean()) if inside.size else None),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
