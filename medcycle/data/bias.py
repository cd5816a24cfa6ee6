"""Correction of the receive field that makes one tissue brighter near the coil."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from medcycle.io.itk import from_itk, to_itk
from medcycle.volume import Volume

__all__ = ["correct_bias"]

WORKING_SPACING = 4.0
"""mm; the field is smooth, and found on an image shrunk to about this."""

ITERATIONS = (50, 50, 30)
"""At most, on each level of the spline's mesh."""


def correct_bias(volume: Volume, body: Volume) -> Volume:
    """Divide MR signal by its smooth field, by N4 (Tustison et al. 2010, IEEE TMI 29:1310) in the body.

    Args:
        volume: MR signal; what is negative counts as 0.
        body: booleans on its grid, true somewhere.

    Returns:
        float32 signal on the same grid, of the same mean in the body.
    """
    signal = np.maximum(volume.array, 0).astype(np.float32)
    inside = body.array & (signal > 0)
    if not inside.any():
        return volume.with_array(signal)
    # the logarithm of N4 needs an offset from zero: noise at no signal would rule it
    image, mask = to_itk(volume.with_array(signal + np.float32(0.01 * signal[inside].mean()))), to_itk(body)
    shrink = [max(1, round(WORKING_SPACING / width)) for width in volume.grid.spacing]
    shrink = [min(factor, max(1, size // 8)) for factor, size in zip(shrink, volume.grid.shape, strict=True)]
    corrector = sitk.N4BiasFieldCorrectionImageFilter()
    corrector.SetMaximumNumberOfIterations(list(ITERATIONS))
    corrector.Execute(sitk.Shrink(image, shrink), sitk.Shrink(mask, shrink))
    field = np.exp(from_itk(corrector.GetLogBiasFieldAsImage(image)).array)
    corrected = signal / field
    corrected *= signal[inside].mean() / corrected[inside].mean()
    return volume.with_array(corrected.astype(np.float32))
