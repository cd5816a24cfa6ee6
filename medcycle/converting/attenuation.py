"""Hounsfield units to linear attenuation at 511 keV, for attenuation correction of PET."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np

from medcycle.errors import UsageError
from medcycle.volume import Array

__all__ = ["BONE_LINES", "DEFAULT_KVP", "FORMULA", "SOURCE", "WATER_SLOPE", "linear_attenuation"]

WATER_SLOPE = 9.6e-5
"""cm⁻¹ per HU below the break point: water has 0.096 cm⁻¹, air none."""

BONE_LINES: MappingProxyType[int, tuple[float, float]] = MappingProxyType(
    {
        80: (3.64e-5, 6.26e-2),
        100: (4.43e-5, 5.44e-2),
        110: (4.92e-5, 4.88e-2),
        120: (5.10e-5, 4.71e-2),
        130: (5.51e-5, 4.24e-2),
        140: (5.64e-5, 4.08e-2),
    }
)
"""Slope a (cm⁻¹ per HU) and intercept b (cm⁻¹) of the line above the break point, by tube voltage (kVp)."""

DEFAULT_KVP = 120

FORMULA = "mu = max(0, min(9.6e-5 * (HU + 1000), a * (HU + 1000) + b)) cm^-1"

SOURCE = (
    "Carney et al. 2006, Method for transforming CT images for attenuation correction in PET/CT imaging, "
    "Med Phys 33:976-983, doi:10.1118/1.2174132; below the break point as Burger et al. 2002, Eur J Nucl Med 29:922-927"
)


def linear_attenuation(hu: Any, kvp: int = DEFAULT_KVP) -> Array:
    """Linear attenuation coefficients at 511 keV.

    Two lines: a mixture of air and water below the break point, of water and bone above it (Carney et al. 2006,
    doi:10.1118/1.2174132). The lines meet where the smaller of the two changes, which is the published break point to
    within 1 HU; taking the smaller one leaves no step there.

    Args:
        hu: Hounsfield units, any shape.
        kvp: tube voltage of the CT, a key of `BONE_LINES`. A synthetic CT has that of the CT it was trained on.

    Returns:
        cm⁻¹, of that shape, 0 or more.

    Raises:
        UsageError: if there is no line for that voltage.

    >>> linear_attenuation([-1000, 0, 1000]).round(4).tolist()
    [0.0, 0.096, 0.1491]
    """
    if kvp not in BONE_LINES:
        raise UsageError(
            f"no conversion is published for {kvp} kVp; give the nearest of {', '.join(map(str, BONE_LINES))}"
        )
    slope, intercept = BONE_LINES[kvp]
    from_air = np.asarray(hu) + 1000.0
    return np.asarray(np.maximum(np.minimum(WATER_SLOPE * from_air, slope * from_air + intercept), 0.0))
