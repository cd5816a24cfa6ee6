"""Prepared volumes through networks, slice by slice or window by window."""

from medcycle.inference.calibration import Calibration
from medcycle.inference.device import Precision, autocast_on, best_device, best_precision, devices_of
from medcycle.inference.passes import Pass, passes_of, probes_of, with_flips_and_shifts
from medcycle.inference.translate import Windows, translate_array, voxels_through, window_borders

__all__ = [
    "Calibration",
    "Pass",
    "Precision",
    "Windows",
    "autocast_on",
    "best_device",
    "best_precision",
    "devices_of",
    "passes_of",
    "probes_of",
    "translate_array",
    "voxels_through",
    "window_borders",
    "with_flips_and_shifts",
]
