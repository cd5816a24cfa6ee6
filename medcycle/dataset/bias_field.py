"""Correction of the receive field that makes one tissue brighter near the coil."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from medcycle.io.itk_images import from_itk, to_itk
from medcycle.resample import coarsen, resample_to, slabs
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
    signal = np.maximum(volume.array, 0).astype(np.float32, copy=False)
    inside = body.array & (signal > 0)
    if not inside.any():
        return volume.with_array(signal)
    mean = signal.mean(dtype=np.float64, where=inside)
    # the logarithm of N4 needs an offset from zero: noise at no signal would rule it
    coarse = coarsen(volume.with_array(signal), WORKING_SPACING)
    image = to_itk(coarse.with_array(coarse.array + np.float32(0.01 * mean)))
    mask = coarsen(volume.with_array(inside), WORKING_SPACING)
    corrector = sitk.N4BiasFieldCorrectionImageFilter()
    corrector.SetMaximumNumberOfIterations(list(ITERATIONS))
    corrector.Execute(image, to_itk(mask.with_array(mask.array > 0.5)))
    field = from_itk(corrector.GetLogBiasFieldAsImage(image))
    for slab, part in slabs(volume.grid):
        signal[slab] /= np.exp(resample_to(field, part, background=0.0).array)
    signal *= np.float32(mean / signal.mean(dtype=np.float64, where=inside))
    return volume.with_array(signal)
