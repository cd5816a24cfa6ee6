"""What a synthesis leaves on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from medcycle import __version__
from medcycle.body import Modality
from medcycle.errors import UnreadableFile, UsageError
from medcycle.evaluation.head import body_part_of
from medcycle.inference import Prediction
from medcycle.io.dicom.deidentify import Deidentify
from medcycle.io.dicom.export import write_dicom
from medcycle.io.dicom.header import Origin
from medcycle.io.dicom.site import Site
from medcycle.io.discover import Source
from medcycle.io.files import atomic_path, require_absent, seen_from, sha256_of
from medcycle.io.nifti import write_nifti
from medcycle.io.opening import read_json

__all__ = [
    "Outputs",
    "differences",
    "digest",
    "is_output",
    "key_of",
    "write_case",
]

FILE_NAMES: dict[Modality, str] = {"ct": "sct.nii.gz", "mr": "smr.nii.gz"}

DESCRIPTION = "synthesis.json"

LONGEST_VALUE = 60
"""Characters of a value in a message."""


@dataclass(frozen=True)
class Outputs:
    """What is written of a case.

    Args:
        format: NIfTI, a DICOM series, or both.
        rtstruct: a structure set drawn on the source, to refer to the DICOM series.
        deidentify: how to take the patient's identity out of the DICOM series; None keeps it.
        site: what the planning system of a site wants of the DICOM series.

    Raises:
        UsageError: if a structure set, a site or de-identification is given, but no DICOM is wanted.
    """

    format: Literal["nifti", "dicom", "both"] = "nifti"
    rtstruct: Path | None = None
    deidentify: Deidentify | None = None
    site: Site | None = None

    def __post_init__(self) -> None:
        if self.format == "nifti" and (self.rtstruct or self.deidentify or self.site):
            raise UsageError(
                "--rtstruct, --site and --deidentify only apply to DICOM; add --format dicom or both, or leave them out"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values of all that the result depends on."""
        how = self.deidentify
        key = digest(how.key)[:16] if how and how.lasting else "another in every call"
        return {
            "format": self.format,
            "rtstruct": self.rtstruct and sha256_of(self.rtstruct),
            "deidentify": bool(how),
            "deidentify-key": how and key,
            "with-source": bool(how and how.with_source),
            **({"retain": sorted(how.retain)} if how else {}),
            **({"site": digest(asdict(self.site))[:16]} if self.site else {}),
        }


def is_output(source: Path, output: Path, given: Path) -> bool:
    """Whether a source lies, below what was given, in a case's folder that an earlier call wrote to `output`."""
    tops, place = (output.resolve(), given.resolve()), source.resolve()
    within = [folder for folder in (place, *place.parents) if all(top in folder.parents for top in tops)]
    return any((folder / DESCRIPTION).is_file() for folder in within)


def key_of(folder: Path) -> str:
    """The key that a case's folder was made with; empty if it isn't one, or not whole."""
    try:
        values = read_json(folder / DESCRIPTION)
        whole = all((folder / name).exists() for name in values["files"])
        return str(values["key"]) if whole else ""
    except (OSError, ValueError, KeyError, TypeError, UnreadableFile):
        return ""


def digest(values: object) -> str:
    """A hash of plain values, in hexadecimal digits."""
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def differences(folder: Path, wanted: Mapping[str, Any]) -> str:
    """In words, by what a case's folder was made otherwise than is wanted now.

    Args:
        folder: of a case.
        wanted: by name, as `synthesis.json` holds it under `made_with`.
    """
    try:
        made = read_json(folder / DESCRIPTION)["made_with"]
        changed = [name for name in wanted if json.dumps(made.get(name)) != json.dumps(wanted[name])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UnreadableFile):
        return "it is not known what it was made with"
    files = {"input": "of another input", "checkpoint": "with another checkpoint"}
    told = [files[name] for name in changed if name in files]
    told += [
        f"with {name} {_short(made.get(name))}, not {_short(wanted[name])}" for name in changed if name not in files
    ]
    return f"made {', '.join(told)}" if told else "some of its files are missing"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."


def write_case(
    prediction: Prediction, source: Source, folder: Path, *, to: Modality, outputs: Outputs, how: dict[str, Any]
) -> None:
    """Write one case's folder, whole or not at all.

    Args:
        prediction: the synthetic volume.
        source: what it was made from; the DICOM output belongs to its study.
        folder: the case's folder, absent so far.
        to: the modality that was made.
        outputs: what to write.
        how: for `synthesis.json`: the key, what it was made from, the checkpoints and the options.

    Raises:
        UsageError: if the folder is there already.
        DataError: as `write_dicom` does.
    """
    require_absent(folder)
    with atomic_path(folder) as temporary:
        temporary.mkdir(parents=True)
        if outputs.format in ("nifti", "both"):
            write_nifti(prediction.volume, temporary / FILE_NAMES[to], like=source.path)
        if outputs.format in ("dicom", "both"):
            made_by = ", ".join(checkpoint["sha256"] for checkpoint in how["checkpoints"])
            write_dicom(
                prediction.volume,
                temporary / "dicom",
                modality=to,
                reference=source.series,
                origin=Origin(
                    __version__,
                    f"checkpoint of SHA-256 {made_by}",
                    recognised=body_part_of(prediction.volume) if to == "ct" else "WHOLEBODY",
                    made_from=how["made_from"],
                ),
                rtstruct=outputs.rtstruct,
                deidentify=outputs.deidentify,
                site=outputs.site,
            )
        if prediction.uncertainty:
            write_nifti(prediction.uncertainty, temporary / "uncertainty.nii.gz", like=source.path)
        if prediction.cycle_error:
            write_nifti(prediction.cycle_error, temporary / "cycle_error.nii.gz", like=source.path)
        described = _describe(prediction, source, to) | how
        if not outputs.deidentify:
            described["source"] = source.path.name
            described["source_path"] = seen_from(folder, source.path)
        described["files"] = sorted(path.name for path in temporary.iterdir())
        (temporary / DESCRIPTION).write_text(json.dumps(described, indent=1, allow_nan=False), encoding="utf-8")


def _describe(prediction: Prediction, source: Source, to: Modality) -> dict[str, Any]:
    grid = prediction.volume.grid
    return {
        "case": source.name,
        "made": f"synthetic {to.upper()}",
        "units": "HU" if to == "ct" else "arbitrary",
        "use": "research only",
        "medcycle": __version__,
        "shape": list(grid.shape),
        "affine_ras_mm": grid.affine.tolist(),
        "source_intensity": prediction.intensity.to_dict(),
        "body_fraction": round(float(prediction.body.array.mean()), 4),
        "style": prediction.style,
        "passes": prediction.passes,
        "seam_score": _rounded(prediction.seams),
        "slice_continuity": _rounded(prediction.continuity),
        "uncertainty": _uncertainty(prediction),
        "training_ct": prediction.training_ct,
        "warnings": prediction.warnings,
    }


def _uncertainty(prediction: Prediction) -> dict[str, Any] | None:
    if not prediction.uncertainty:
        return None
    inside = prediction.uncertainty.array[prediction.body.array]
    calibration = prediction.calibration
    return {
        "meaning": "root mean square error to be expected" if calibration else "standard deviation over passes",
        "calibration": calibration.to_dict() if calibration else None,
        "mean_in_body": _rounded(float(inside.mean()) if inside.size else None),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
