"""Pictures of what a method makes of a few images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from medcycle.io.files import atomic_path

__all__ = ["draw_preview"]

TITLES = {
    "source": "MR",
    "synthetic_target": "synthetic CT",
    "restored_source": "cycle MR",
    "target": "CT",
    "synthetic_source": "synthetic MR",
    "restored_target": "cycle CT",
    "simulated_mr": "simulated MR, from CT",
    "recovered_target": "CT from it",
    "registered_source": "paired MR",
    "registered_synthetic": "synthetic CT",
    "moved": "registered",
    "registered_target": "paired CT",
    "styled_target": "in the CT's style",
    "styled_source": "in the MR's style",
    "same_target": "CT of CT",
    "same_source": "MR of MR",
}
"""What a method's views are called in previews."""


def draw_preview(
    views: Mapping[str, Tensor], path: Path, domains: tuple[str, str] | None = None
) -> npt.NDArray[np.uint8]:
    """Draw a method's views of a batch, a row an image.

    3D patches, and neighbouring slices, are shown by the middle slice. All columns share the grey scale of [−1, 1].

    Args:
        views: by name, of shape (batch, slices, *sizes).
        path: a PNG file.
        domains: of pictures, whose three slices are colours: what MR and CT are called.

    Returns:
        The picture, RGB, shape (height, width, 3).
    """
    shown = _axial if domains is None else _coloured
    images = [[shown(image) for image in column] for column in views.values()]
    rows = len(images[0])
    figure = Figure(figsize=(2 * len(images), 2.1 * rows + 0.3), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(rows, len(images), squeeze=False)
    for column, name in enumerate(views):
        axes[0, column].set_title(_title(name, domains), fontsize=9)
        for row in range(rows):
            axes[row, column].imshow(images[column][row], cmap="gray", vmin=-1, vmax=1)
            axes[row, column].axis("off")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=100)
    return np.asarray(canvas.buffer_rgba())[..., :3]


def _title(name: str, domains: tuple[str, str] | None) -> str:
    if domains is None:
        return TITLES[name]
    first, second = domains
    return TITLES[name].replace("MR", first).replace("CT", second)


def _coloured(image: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    array = image.float().cpu().numpy().transpose(2, 1, 0)  # colours are (channels, columns, rows)
    return np.asarray((array.clip(-1, 1) + 1) / 2)


def _axial(image: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    array = image[len(image) // 2].float().cpu().numpy()
    if array.ndim == 3:
        array = array[:, :, array.shape[2] // 2]
    return np.asarray(array.T[::-1, ::-1])  # anterior on top, the patient's right on the left, as radiologists look
