"""Scores of pictures against true ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from medcycle.errors import DataError, GridMismatch, UsageError
from medcycle.evaluation.tables import Summary
from medcycle.io.pictures import WHITE, Picture, find_pictures, read_picture

__all__ = ["score_picture", "score_pictures"]

PROTOCOL = "pictures"

LEAST_SIDE = 7
"""Pixels of the window of SSIM."""


def score_picture(real: Picture, synthetic: Picture) -> dict[str, float]:
    """Mean absolute error (0 to 255), PSNR (dB, of a range of 255) and SSIM (Wang 2004: Gaussian window of 1.5 pixels).

    Raises:
        GridMismatch: if their sizes differ.
        DataError: if they are too small for SSIM.
    """
    first, second = real.array, synthetic.array
    if first.shape != second.shape:
        sizes = " and ".join(f"{one.shape[1]} × {one.shape[0]}" for one in (first, second))
        raise GridMismatch(f"pictures of {sizes} pixels; give two of the same size")
    if min(first.shape[:2]) < LEAST_SIDE:
        raise DataError(f"a picture of {first.shape[1]} × {first.shape[0]} pixels is too small for SSIM")
    with np.errstate(divide="ignore"):
        psnr = float(peak_signal_noise_ratio(first, second, data_range=WHITE))
    ssim = structural_similarity(
        *(first, second), data_range=WHITE, channel_axis=2, gaussian_weights=True, use_sample_covariance=False
    )
    return {"mae": float(np.abs(first - second).mean()), "psnr": psnr, "ssim": float(ssim)}


def score_pictures(real: Path, synthetic: Path) -> Summary:
    """Scores of pictures of the same names in two folders.

    Args:
        real: a folder of pictures, or one.
        synthetic: likewise.

    Raises:
        UsageError: if a path is missing, or no names are the same.
        DataError: if none can be scored.
    """
    true = {source.name: source.path for source in find_pictures(real)}
    made = {source.name: source.path for source in find_pictures(synthetic)}
    if len(true) == len(made) == 1:
        made = dict(zip(true, made.values(), strict=True))
    names = sorted(true.keys() & made.keys())
    if not names:
        raise UsageError(f"{real} and {synthetic} have no picture of the same name; rename them")
    scores, failed = {}, dict.fromkeys(sorted(true.keys() - made.keys()), "no synthetic picture")
    for name in names:
        try:
            scores[name] = score_picture(read_picture(true[name]), read_picture(made[name]))
        except DataError as error:
            failed[name] = str(error)
    if not scores:
        raise DataError(f"no picture can be scored; the first: {next(iter(failed.values()))}")
    return Summary(PROTOCOL, scores, failed, "mr")
