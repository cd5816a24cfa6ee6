"""Pictures of a pair, to see whether one volume lies on the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from medcycle.body import Modality
from medcycle.io.files import atomic_path
from medcycle.volume import Volume

__all__ = ["draw_pair"]

Section = npt.NDArray[np.float32]


def draw_pair(fixed: Volume, placed: Sequence[tuple[str, Volume]], placed_is: Modality, told: str, path: Path) -> None:
    """Draw middle sections of a volume, of others on its grid, and of it and each in a chequerboard.

    Args:
        fixed: the volume that stays where it is.
        placed: the moved one by each opinion, and what the opinion is called.
        placed_is: its modality.
        told: the picture's title.
        path: a PNG file.
    """
    figure = Figure(figsize=(3 + 6 * len(placed), 9), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(told, fontsize=9, wrap=True)
    still, others = fixed.to_ras(), [(name, volume.to_ras()) for name, volume in placed]
    rows = figure.subplots(3, 1 + 2 * len(placed))
    for row, axis in zip(rows, (2, 1, 0), strict=True):
        width, height = (still.grid.spacing[n] for n in range(3) if n != axis)
        first = _section(still, axis, is_ct=placed_is == "mr")
        _show(row[0], first, height / width)
        for number, (name, volume) in enumerate(others):
            second = _section(volume, axis, is_ct=placed_is == "ct")
            _show(row[1 + 2 * number], second, height / width, name if axis == 2 else "")
            _show(row[2 + 2 * number], _chequerboard(first, second), height / width)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=80)


def _section(volume: Volume, axis: int, *, is_ct: bool) -> Section:
    section = np.take(volume.array, volume.grid.shape[axis] // 2, axis)
    low, high = (-300.0, 500.0) if is_ct else (0.0, max(float(np.percentile(section, 99.5)), 1e-6))
    grey: Section = np.clip((section - low) / (high - low), 0, 1)
    return grey


def _chequerboard(first: Section, second: Section) -> Section:
    fields = np.indices(first.shape) // np.array([max(1, n // 6) for n in first.shape])[:, None, None]
    board: Section = np.where(fields.sum(0) % 2, first, second)
    return board


def _show(place: Axes, section: Section, aspect: float, title: str = "") -> None:
    # the patient's right on the left, as radiologists look
    place.imshow(section.T[:, ::-1], cmap="gray", vmin=0, vmax=1, origin="lower", aspect=aspect)
    place.set_title(title, fontsize=9)
    place.axis("off")
