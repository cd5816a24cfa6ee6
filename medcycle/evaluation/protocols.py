"""Named ways to score a synthetic volume against the real one, each a fixed set of metrics, mask rule and window."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from medcycle.body import body_mask
from medcycle.errors import ConfigError, DataError
from medcycle.evaluation import metrics
from medcycle.evaluation.metrics import Window
from medcycle.volume import Array, Volume

__all__ = ["DEFAULT_PROTOCOL", "PROTOCOLS", "Protocol", "score"]

Scores = dict[str, float]


@dataclass(frozen=True)
class Protocol:
    """A way to score.

    Args:
        name: as `--protocol` takes it.
        description: one line for a list.
        compute: `(real, synthetic, mask)` to the metrics by name; finite arrays of one shape, the mask boolean and not
            empty.
    """

    name: str
    description: str
    compute: Callable[[Array, Array, Array], Scores]


def _medcycle(real: Array, synthetic: Array, mask: Array) -> Scores:
    window = (-1024.0, 3000.0)
    real = real.astype(np.float64).clip(*window)
    synthetic = synthetic.astype(np.float64).clip(*window)
    return {
        "mae": metrics.mae(real, synthetic, mask),
        "me": metrics.me(real, synthetic, mask),
        "psnr": metrics.psnr(real, synthetic, mask, window),
        "ssim": metrics.ssim(real, synthetic, mask, window),
    }


def _synthrad2023(real: Array, synthetic: Array, mask: Array) -> Scores:
    window = (-1024.0, 3000.0)
    # The challenge's code casts every volume to float32 before it computes anything.
    real, synthetic = real.astype(np.float32), synthetic.astype(np.float32)
    return {
        "mae": metrics.mae(real, synthetic, mask),
        "psnr": metrics.psnr(real, synthetic, mask, window),
        "ssim": metrics.ssim(real, synthetic, mask, window),
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


DEFAULT_PROTOCOL = "medcycle"

PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        protocol.name: protocol
        for protocol in (
            Protocol("medcycle", "mae, me, psnr, ssim in the mask, all of HU clipped to [-1024, 3000]", _medcycle),
            Protocol(
                "synthrad2023",
                "mae (not clipped), psnr and ssim in [-1024, 3000] HU, as github.com/SynthRAD2023/metrics",
                _synthrad2023,
            ),
            Protocol(
                "synthrad2025",
                "mae (not clipped), psnr and ms_ssim in [-1024, 3000] HU, as github.com/SynthRAD2025/metrics",
                _synthrad2025((-1024.0, 3000.0)),
            ),
            Protocol(
                "synthrad2025_container",
                "mae (not clipped), psnr and ms_ssim in [-1024, 3071] HU, as the challenge's scoring container "
                "(github.com/SynthRAD2025/evaluation)",
                _synthrad2025((-1024.0, 3071.0)),
            ),
        )
    }
)


def score(real: Volume, synthetic: Volume, mask: Volume | None, protocol: str = DEFAULT_PROTOCOL) -> Scores:
    """Metrics of one case.

    Args:
        real: what was measured, HU.
        synthetic: what was synthesised, HU, on the real volume's grid.
        mask: on that grid too, the region above zero counts; `None` takes the body outline of the real CT
            (`medcycle.body.body_mask`).
        protocol: a key of `PROTOCOLS`.

    Returns:
        Values by metric name: `mae` and `me` in HU, `psnr` in dB, `ssim` and `ms_ssim` without unit.

    Raises:
        ConfigError: if there is no such protocol.
        GridMismatch: if the grids differ.
        DataError: if the mask is empty, or a voxel is NaN or infinite.
    """
    if protocol not in PROTOCOLS:
        raise ConfigError(f"no evaluation protocol is named {protocol!r}; choose one of {', '.join(PROTOCOLS)}")
    real.grid.require_close(synthetic.grid, "real and synthetic volume")
    if mask is not None:
        real.grid.require_close(mask.grid, "real volume and mask")
    _require_finite(real, "real")
    _require_finite(synthetic, "synthetic")
    region = body_mask(real, "ct").array if mask is None else mask.array > 0
    if not region.any():
        found = "the real volume has no voxel of a body" if mask is None else "the mask is empty"
        raise DataError(f"{found}, so that there is nothing to score; give a mask that covers the patient")
    return PROTOCOLS[protocol].compute(real.array, synthetic.array, region)


def _require_finite(volume: Volume, what: str) -> None:
    bad = volume.array.size - int(np.isfinite(volume.array).sum())
    if bad:
        raise DataError(f"{bad} voxels of the {what} volume are NaN or infinite; replace them by air before scoring")
