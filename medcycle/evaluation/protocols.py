"""Named ways to score a synthetic volume against the real one, each a fixed set of metrics, mask rule and window."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

import numpy as np

from medcycle.body import Modality, body_mask
from medcycle.errors import ConfigError, DataError
from medcycle.evaluation import metrics
from medcycle.evaluation.metrics import Window
from medcycle.volume import Array, Volume
from medcycle.words import meant

__all__ = [
    "CT_WINDOW",
    "DEFAULT_PROTOCOL",
    "PROTOCOLS",
    "Compared",
    "Protocol",
    "compared",
    "require_protocol",
    "score",
    "scores_of",
]

Scores = dict[str, float]


@dataclass(frozen=True)
class Protocol:
    """A way to score.

    Args:
        name: as `--protocol` takes it.
        modality: of the volumes that it is for.
        description: one line for a list.
        compute: `(real, synthetic, mask)` to the metrics by name; finite arrays of one shape, the mask boolean and not
            empty.
    """

    name: str
    modality: Modality
    description: str
    compute: Callable[[Array, Array, Array], Scores]


CT_WINDOW: Window = (-1024.0, 3000.0)
"""HU, to which both volumes are clipped."""


def _medcycle(real: Array, synthetic: Array, mask: Array) -> Scores:
    ssim, ms_ssim = metrics.similarities(real, synthetic, mask, CT_WINDOW)
    # the others don't depend on where voxels are, which are taken out of the volumes once for all of them
    true, made = (one[mask].astype(np.float64).clip(*CT_WINDOW) for one in (real, synthetic))
    return {
        "mae": metrics.mae(true, made, ...),
        "me": metrics.me(true, made, ...),
        "rmse": metrics.rmse(true, made, ...),
        "psnr": metrics.psnr(true, made, ..., CT_WINDOW),
        "ssim": ssim,
        "ms_ssim": ms_ssim,
        "ncc": metrics.ncc(true, made, ...),
    }


def _synthrad2023(real: Array, synthetic: Array, mask: Array) -> Scores:
    # The challenge's code casts every volume to float32 before it computes anything.
    real, synthetic = real.astype(np.float32), synthetic.astype(np.float32)
    return {
        "mae": metrics.mae(real, synthetic, mask),
        "psnr": metrics.psnr(real, synthetic, mask, CT_WINDOW),
        "ssim": metrics.ssim(real, synthetic, mask, CT_WINDOW),
    }


def _synthrad2025(window: Window) -> Callable[[Array, Array, Array], Scores]:
    def compute(real: Array, synthetic: Array, mask: Array) -> Scores:
        real, synthetic = real.astype(np.float64), synthetic.astype(np.float64)
        return {
            "mae": metrics.mae(real, synthetic, mask),
            "psnr": metrics.psnr(real, synthetic, mask, window),
            "ms_ssim": metrics.ms_ssim(real, synthetic, mask, window),
        }

    return compute


def _mr(real: Array, synthetic: Array, mask: Array) -> Scores:
    real, synthetic = real.astype(np.float64), synthetic.astype(np.float64)
    low, high = (float(value) for value in np.percentile(real[mask], MR_PERCENTILES))
    if high <= low:
        raise DataError("the true MR has the same value everywhere in the mask; give another mask")
    return {
        "nmae": metrics.mae(real, synthetic, mask) / (high - low),
        "psnr": metrics.psnr(real, synthetic, mask, (low, high)),
        "ssim": metrics.ssim(real, synthetic, mask, (low, high)),
        "ncc": metrics.ncc(real, synthetic, mask),
    }


MR_PERCENTILES = (1.0, 99.0)
"""Of the real MR in the mask, between which its signal lies: the unit of its errors, for MR has none of its own."""

DEFAULT_PROTOCOL: Mapping[Modality, str] = MappingProxyType({"ct": "medcycle", "mr": "mr"})

PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        protocol.name: protocol
        for protocol in (
            Protocol(
                "medcycle",
                "ct",
                "mae, me, rmse, psnr, ssim, ms_ssim and ncc in the mask, of HU clipped to [-1024, 3000]",
                _medcycle,
            ),
            Protocol(
                "synthrad2023",
                "ct",
                "mae (not clipped), psnr and ssim in [-1024, 3000] HU, as github.com/SynthRAD2023/metrics",
                _synthrad2023,
            ),
            Protocol(
                "synthrad2025",
                "ct",
                "mae (not clipped), psnr and ms_ssim in [-1024, 3000] HU, as github.com/SynthRAD2025/metrics",
                _synthrad2025(CT_WINDOW),
            ),
            Protocol(
                "synthrad2025_container",
                "ct",
                "mae (not clipped), psnr and ms_ssim in [-1024, 3071] HU, as the challenge's scoring container "
                "(github.com/SynthRAD2025/evaluation)",
                _synthrad2025((-1024.0, 3071.0)),
            ),
            Protocol(
                "mr",
                "mr",
                "nmae, psnr and ssim in the range from the 1st to the 99th percentile of the real MR in the mask; ncc",
                _mr,
            ),
        )
    }
)


@dataclass(frozen=True)
class Compared:
    """A true and a synthetic volume on one grid, and where they are scored.

    Args:
        real: the true volume.
        synthetic: in the same units, with the same axes.
        region: where they are scored; boolean, of their shape, not empty.
        valid: where the true volume is valid; boolean, of their shape.
        body: the patient in the true volume, if that was looked for; boolean, of their shape.
    """

    real: Volume
    synthetic: Volume
    region: Array
    valid: Array
    body: Array | None = None


def compared(
    real: Volume, synthetic: Volume, mask: Volume | None, modality: Modality, field_of_view: Volume | None = None
) -> Compared:
    """Bring a case's volumes onto the true one's axes, and find where to score.

    Args:
        real: what was measured.
        synthetic: on the real volume's grid, be it with other axes.
        mask: on that grid too, the region above zero counts; None for the body of the real volume
            (`medcycle.body.body_mask`).
        modality: of both.
        field_of_view: on that grid too; above zero where the real volume is valid. None for everywhere.

    Raises:
        GridMismatch: if the grids differ.
        DataError: if nothing is left to score, or a voxel is NaN or infinite.
    """
    synthetic = synthetic.with_axes(real.grid.orientation)
    real.grid.require_close(synthetic.grid, "real and synthetic volume")
    given = _above_zero(mask, real, "mask")
    valid = _above_zero(field_of_view, real, "field of view")
    _require_finite(real, "real")
    _require_finite(synthetic, "synthetic")
    body = None if given is not None else body_mask(real, modality).array
    region = cast(Array, given if body is None else body)
    found = "the real volume has no voxel of a body" if given is None else "the mask is empty"
    if valid is not None and region.any():
        region, found = region & valid, "the mask and the field of view have no voxel in common"
    if not region.any():
        raise DataError(f"{found}, so there is nothing to score; give a mask that covers the patient")
    return Compared(real, synthetic, region, np.ones_like(region) if valid is None else valid, body)


def _above_zero(mask: Volume | None, real: Volume, what: str) -> Array | None:
    if mask is None:
        return None
    mask = mask.with_axes(real.grid.orientation)
    real.grid.require_close(mask.grid, f"real volume and {what}")
    above: Array = mask.array > 0
    return above


def score(
    real: Volume,
    synthetic: Volume,
    mask: Volume | None,
    protocol: str = "medcycle",
    field_of_view: Volume | None = None,
) -> Scores:
    """Metrics of one case.

    Args:
        real: what was measured; HU, or MR signal for the protocol of MR.
        synthetic: what was synthesised, in the same units, on the real volume's grid, be it with other axes.
        mask: on that grid too, the region above zero counts; `None` takes the body outline of the real volume
            (`medcycle.body.body_mask`).
        protocol: a key of `PROTOCOLS`.
        field_of_view: on that grid too; above zero where the real volume is valid, which also must hold.

    Returns:
        Values by metric name: `mae`, `me` and `rmse` in HU, `psnr` in dB, the others without unit. One that is not
        defined, as `ms_ssim` of a mask too thin for its coarse scales, is NaN.

    Raises:
        ConfigError: if there is no such protocol.
        GridMismatch: if the grids differ.
        DataError: if the mask is empty, or a voxel is NaN or infinite.
    """
    require_protocol(protocol)
    return scores_of(compared(real, synthetic, mask, PROTOCOLS[protocol].modality, field_of_view), protocol)


def scores_of(case: Compared, protocol: str) -> Scores:
    """`score` of what is compared already."""
    return PROTOCOLS[protocol].compute(case.real.array, case.synthetic.array, case.region)


def require_protocol(protocol: str) -> None:
    """Raise `ConfigError` if there is no protocol of that name."""
    if protocol not in PROTOCOLS:
        hint = meant(protocol, PROTOCOLS)
        choose = f"{hint}{' ' if hint else ''}choose one of {', '.join(PROTOCOLS)}"
        raise ConfigError(f"no evaluation protocol is named {protocol!r}; {choose}")


def _require_finite(volume: Volume, what: str) -> None:
    bad = volume.array.size - int(np.isfinite(volume.array).sum())
    if bad:
        raise DataError(f"{bad} voxels of the {what} volume are NaN or infinite; replace them before scoring")
