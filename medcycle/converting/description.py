"""What is written beside a converted volume: how it was made, from what, and what it is not for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medcycle import __version__
from medcycle.converting import acoustics, attenuation
from medcycle.converting.skull import SkullModel
from medcycle.converting.wanted import MuMap, Relative, Skull
from medcycle.evaluation.density import QUANTITIES
from medcycle.io.discover import Source
from medcycle.volume import Grid

__all__ = ["FORMAT", "SKULL_FILES", "USE", "describe", "of_mu_map", "of_skull", "of_table"]

FORMAT = "medcycle convert 1"

USE = "research only: not for diagnosis or treatment"

SKULL_FILES: Mapping[str, tuple[str, str]] = {
    "bone_mask.nii.gz": ("bone", "1 in bone, else 0"),
    "skull_ras_mm.stl": ("surface of the bone", "mm, RAS+ world coordinates"),
    "density_kg_m3.nii.gz": ("density", "kg/m^3"),
    "sound_speed_m_s.nii.gz": ("sound speed", "m/s"),
    "attenuation_dB_cm_MHz.nii.gz": ("attenuation", "dB/(cm MHz), linear in frequency"),
}
"""What the folder of a skull holds: quantity and unit of each file."""


def describe(
    source: Source, grid: Grid, files: Sequence[str], of_it: Mapping[str, Any], warnings: Sequence[str]
) -> dict[str, Any]:
    """Plain values for JSON.

    Args:
        source: the CT.
        grid: of what was made.
        files: their names.
        of_it: by `of_mu_map`, `of_table` or `of_skull`.
        warnings: in words.
    """
    return {
        "format": FORMAT,
        "use": USE,
        "medcycle": __version__,
        "input": {"file": source.path.name, "sha256": source.sha256()},
        "files": list(files),
        **of_it,
        "grid": {"shape": list(grid.shape), "affine_ras_mm": grid.affine.tolist()},
        "warnings": list(warnings),
    }


def of_mu_map(how: MuMap) -> dict[str, Any]:
    """Quantity, formula, source and parameters of a map of linear attenuation."""
    slope, intercept = attenuation.BONE_LINES[how.kvp]
    return {
        "quantity": "linear attenuation at 511 keV",
        "unit": "cm^-1",
        "formula": attenuation.FORMULA,
        "source": attenuation.SOURCE,
        "parameters": {"kvp": how.kvp, "a": slope, "b": intercept, "fwhm_mm": how.fwhm},
    }


def of_table(how: Relative) -> dict[str, Any]:
    """The same of a map by a table."""
    return {
        "quantity": QUANTITIES[how.by.quantity],
        "unit": "relative to water",
        "formula": "linear between the rows of the table, the end values beyond them",
        "source": how.by.source,
        "parameters": {"table": how.by.name, "hu": list(how.by.hu), "values": list(how.by.values)},
    }


def of_skull(how: Skull, model: SkullModel) -> dict[str, Any]:
    """The same of a skull and its maps, with the volumes of mask and surface."""
    voxel = float(abs(np.linalg.det(model.bone.grid.affine[:3, :3])))
    other = {"water": acoustics.WATER, "soft tissue": acoustics.SOFT_TISSUE, "air": acoustics.AIR}
    return {
        "quantities": {name: {"quantity": what, "unit": unit} for name, (what, unit) in SKULL_FILES.items()},
        "formula": {name: acoustics.FORMULAS[name] for name in (how.acoustics, "attenuation")},
        "source": {name: acoustics.SOURCES[name] for name in (how.acoustics, "attenuation", "other tissue")},
        "parameters": {
            "acoustics": how.acoustics,
            "reference_hu": model.reference or None,
            "bone_threshold_hu": how.threshold,
            "spacing_mm": how.spacing,
            "other_tissue": {name: vars(values) for name, values in other.items()},
        },
        "bone_cm3": round(float(model.bone.array.sum()) * voxel / 1000, 3),
        "surface_encloses_cm3": round(model.surface.volume / 1000, 3),
    }
