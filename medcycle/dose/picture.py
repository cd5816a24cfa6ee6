"""A picture of two doses and their difference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from medcycle.io.files import atomic_path
from medcycle.resample import resample_to
from medcycle.volume import Array, Volume

__all__ = ["write_picture"]

WINDOW = (-200.0, 400.0)
"""HU from black to white."""

LEAST = 0.1
"""Part of the highest dose from which on a dose is drawn."""

LARGEST_DIFFERENCE = 0.05
"""Part of the highest dose at which a difference has its full colour."""


def write_picture(ct: Volume, real: Volume, synthetic: Volume, path: Path, target: Array | None) -> None:
    """Draw both doses over the real CT, and their difference, in three planes through the target.

    Args:
        ct: HU, with axes to the nearest RAS.
        real: Gy.
        synthetic: Gy, on the same grid as `real`.
        path: a PNG file.
        target: booleans on the CT's grid, whose outline is drawn; None for planes through the highest dose.
    """
    doses = [resample_to(dose, ct.grid, background=0.0).array for dose in (real, synthetic)]
    centre = np.argwhere(target if target is not None else doses[0] >= 0.9 * doses[0].max()).mean(axis=0)
    highest = float(doses[0].max())
    figure = Figure(figsize=(12, 12), layout="constrained")
    FigureCanvasAgg(figure)
    for row, axis in zip(figure.subplots(3, 3), (2, 1, 0), strict=True):
        at = round(float(centre[axis]))
        grey, outline, first, second = (
            np.take(array, at, axis).T for array in (ct.array, ct.array if target is None else target, *doses)
        )
        width, height = (ct.grid.spacing[n] for n in range(3) if n != axis)
        titles = ("dose on the real CT (Gy)", "on the synthetic CT (Gy)", "synthetic − real (Gy)")
        for place, title, values in zip(row, titles, (first, second, second - first), strict=True):
            _show_ct(place, grey, height / width)
            limit = LARGEST_DIFFERENCE * highest if title == titles[2] else highest
            drawn = np.ma.masked_where(np.maximum(first, second) < LEAST * highest, values)
            colours, low = ("RdBu_r", -limit) if title == titles[2] else ("turbo", 0.0)
            shown = place.imshow(
                drawn, cmap=colours, vmin=low, vmax=limit, alpha=0.6, origin="lower", aspect=height / width
            )
            if target is not None and outline.any() and not outline.all():
                place.contour(outline, levels=[0.5], colors="white", linewidths=1)
            if axis == 2:
                place.set_title(title, fontsize=10)
            figure.colorbar(shown, ax=place, shrink=0.7)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=80)


def _show_ct(place: Axes, grey: Array, aspect: float) -> None:
    place.imshow(grey, cmap="gray", vmin=WINDOW[0], vmax=WINDOW[1], origin="lower", aspect=aspect)
    place.set_axis_off()
