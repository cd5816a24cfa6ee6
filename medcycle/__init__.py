"""MR to CT and CT to MR synthesis, from hospital folders to volumes in real units.

Research use only: nothing this package writes is fit for treating a patient.

    import medcycle as mc

    made = mc.synthesize("mr.nii.gz", "runs/heads")
    mc.write_nifti(made.volume, "sct.nii.gz")
"""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medcycle.api import (
        adapt,
        compare_dose,
        convert,
        evaluate,
        judge,
        list_models,
        load_model,
        model_info,
        read,
        register,
        score_pictures,
        simulate_cbct,
        synthesize,
        train,
        translate_pictures,
        write_dicom,
        write_nifti,
        write_report,
    )
    from medcycle.errors import (
        BadCheckpoint,
        CaseFailed,
        ConfigError,
        DataError,
        DefectiveSeries,
        EmptyFolder,
        ExportFailed,
        GridMismatch,
        InUse,
        MedcycleError,
        RegistrationFailed,
        TrainingFailed,
        UnreadableFile,
        UsageError,
        WorkerLost,
        WrongModality,
        WrongRegion,
    )
    from medcycle.volume import Grid, Volume

try:
    __version__ = importlib.metadata.version("medcycle")
except importlib.metadata.PackageNotFoundError:  # a folder of source that is not installed
    __version__ = "0+unknown"

__all__ = [
    "BadCheckpoint",
    "CaseFailed",
    "ConfigError",
    "DataError",
    "DefectiveSeries",
    "EmptyFolder",
    "ExportFailed",
    "Grid",
    "GridMismatch",
    "InUse",
    "MedcycleError",
    "RegistrationFailed",
    "TrainingFailed",
    "UnreadableFile",
    "UsageError",
    "Volume",
    "WorkerLost",
    "WrongModality",
    "WrongRegion",
    "adapt",
    "compare_dose",
    "convert",
    "evaluate",
    "judge",
    "list_models",
    "load_model",
    "model_info",
    "read",
    "register",
    "score_pictures",
    "simulate_cbct",
    "synthesize",
    "train",
    "translate_pictures",
    "write_dicom",
    "write_nifti",
    "write_report",
]

_FUNCTIONS = {
    "adapt",
    "compare_dose",
    "convert",
    "evaluate",
    "judge",
    "list_models",
    "load_model",
    "model_info",
    "read",
    "register",
    "score_pictures",
    "simulate_cbct",
    "synthesize",
    "train",
    "translate_pictures",
    "write_dicom",
    "write_nifti",
    "write_report",
}
_OF_VOLUME = {"Grid", "Volume"}


def __getattr__(name: str) -> Any:
    """A name of `__all__`, imported when it is first asked for (PEP 562): `import medcycle` alone loads nothing."""
    if name not in __all__:
        raise AttributeError(f"module 'medcycle' has no attribute {name!r}")
    module = "api" if name in _FUNCTIONS else "volume" if name in _OF_VOLUME else "errors"
    value = getattr(importlib.import_module(f"medcycle.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
