"""Hounsfield units of bone to what simulations of transcranial ultrasound need: density, sound speed, attenuation."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, get_args

import numpy as np

from medcycle.volume import Array

__all__ = ["AIR", "FORMULAS", "RELATIONS", "SOFT_TISSUE", "SOURCES", "WATER", "Acoustic", "Relation", "bone_properties"]

Relation = Literal["kwave", "aubry", "marsac"]

RELATIONS: tuple[Relation, ...] = get_args(Relation)

DENSITY_LINES = (
    (-np.inf, 1.025793065681423, -5.680404011488714),
    (930.0, 0.9082709691264, 103.6151457847139),
    (1098.0, 0.5108369316599, 539.9977189228704),
    (1260.0, 0.6625370912451, 348.8555178455294),
)
"""Where each line begins (HU + 1000), its slope and its intercept (kg/m³): k-Wave's hounsfield2density."""

LIMITS: MappingProxyType[Relation, tuple[float, float, float, float]] = MappingProxyType(
    {"kwave": (1000, 2200, 1500, 3100), "aubry": (1000, 2200, 1500, 3100), "marsac": (1000, 2700, 1500, 3000)}
)
"""Density (kg/m³) of water in pores and of compact bone, and sound speed (m/s) of the same."""

PORE_ATTENUATION, BONE_ATTENUATION = 8.0, 0.2
"""dB/(cm·MHz) at a porosity of 1 and of 0."""

FORMULAS: MappingProxyType[str, str] = MappingProxyType(
    {
        "kwave": "density = lines of HU + 1000 (hounsfield2density), 1000 or more; "
        "sound speed = 1500 + 1600 * (density - 1000) / 1200; porosity = (2200 - density) / 1200, within 0 and 1",
        "aubry": "porosity = 1 - HU / reference_hu, within 0 and 1; density = 1000 * porosity + 2200 * (1 - porosity); "
        "sound speed = 1500 * porosity + 3100 * (1 - porosity)",
        "marsac": "porosity = 1 - HU / reference_hu, within 0 and 1; "
        "density = 1000 * porosity + 2700 * (1 - porosity); "
        "sound speed = 1500 + 1500 * (density - 1000) / 1700",
        "attenuation": "0.2 + 7.8 * sqrt(porosity) dB/(cm MHz), linear in frequency",
    }
)

SOURCES: MappingProxyType[str, str] = MappingProxyType(
    {
        "kwave": "density: hounsfield2density of k-Wave (github.com/ucl-bug/k-wave), a fit to Schneider et al. 1996, "
        "Phys Med Biol 41:111-124; sound speed: skull2medium by B. E. Treeby, with the ranges of Aubry et al. 2003",
        "aubry": "Aubry et al. 2003, J Acoust Soc Am 113:84-93, with the highest HU of the bone as reference, as "
        "BabelBrain (github.com/ProteusMRIgHIFU/BabelBrain) has it",
        "marsac": "Marsac et al. 2017, Int J Hyperthermia 33:635-645, with the constants of BabelBrain",
        "attenuation": "the law of Aubry et al. 2003 with the constants of BabelBrain, 0.2 and 8 dB/(cm MHz)",
        "other tissue": "skull2medium by B. E. Treeby: water at 30 degrees, brain by the IT'IS database 4.0, and air "
        "of a hundred times its density, so that simulations stay stable",
    }
)


@dataclass(frozen=True)
class Acoustic:
    """Acoustic properties, of one medium or of voxels.

    Args:
        density: kg/m³.
        sound_speed: m/s.
        attenuation: dB/(cm·MHz).
    """

    density: Any
    sound_speed: Any
    attenuation: Any


WATER = Acoustic(996.0, 1509.0, 0.00217)
SOFT_TISSUE = Acoustic(1045.0, 1550.0, 0.59)
AIR = Acoustic(116.0, 343.0, 0.0)
"""What is not bone (skull2medium by B. E. Treeby). Air is a hundred times too dense, since k-Wave becomes unstable at
the step from air to tissue."""


def bone_properties(hu: Any, relation: Relation = "kwave", reference: float = 0.0) -> Acoustic:
    """Acoustic properties of bone.

    `kwave` takes density from Hounsfield units and sound speed from density, and so doesn't depend on the other voxels.
    `aubry` and `marsac` take both from porosity, 1 − HU / reference. None gives bone less density than water has.

    Args:
        hu: Hounsfield units of bone, any shape.
        relation: one of `RELATIONS`; their formulas and sources are in `FORMULAS` and `SOURCES`.
        reference: HU of bone without pores, positive; `kwave` doesn't use it.

    Returns:
        Arrays of that shape, float64.

    >>> bone = bone_properties([260.0, 1000.0])
    >>> bone.density.round(1).tolist(), bone.sound_speed.round(1).tolist()
    ([1183.7, 1673.9], [1744.9, 2398.6])
    """
    values = np.asarray(hu, dtype=np.float64)
    pore_density, bone_density, pore_speed, bone_speed = LIMITS[relation]
    if relation == "kwave":
        density = np.maximum(mass_density(values), pore_density)
        solid = (density - pore_density) / (bone_density - pore_density)
    else:
        solid = np.clip(values / reference, 0.0, 1.0)
        density = pore_density + (bone_density - pore_density) * solid
    porosity = 1 - np.clip(solid, 0.0, 1.0)
    attenuation = BONE_ATTENUATION + (PORE_ATTENUATION - BONE_ATTENUATION) * np.sqrt(porosity)
    return Acoustic(density, pore_speed + (bone_speed - pore_speed) * solid, attenuation)


def mass_density(hu: Any) -> Array:
    """Density in kg/m³ as k-Wave's hounsfield2density gives it; that takes HU + 1000, which is added here.

    Args:
        hu: Hounsfield units, water being 0; any shape.
    """
    scaled = np.asarray(hu, dtype=np.float64) + 1000.0
    starts, slopes, intercepts = (np.array(column) for column in zip(*DENSITY_LINES, strict=True))
    line = np.searchsorted(starts, scaled, side="right") - 1
    return np.asarray(slopes[line] * scaled + intercepts[line])
