"""A CT in the shape of another, as `data.deformed_ct` makes more CT of few.

Run it with `python examples/show_deformed_ct.py PICTURE.png [CT CT]`, where each CT is an image file or a DICOM series
folder of a head; without them, generated heads are taken. Rows are the first, the second, and the first in the shape
of the second; columns axial slices, a sagittal and a coronal one.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from medcycle.config import load_config
from medcycle.dataset.preparation import Prepared, prepare_volume
from medcycle.io import read_volume
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.simulation.deformed_ct import deformed
from medcycle.volume import Volume

CONFIG = load_config("head_ct_only")
HEIGHTS = (0.3, 0.5, 0.7)
"""of the axial slices, from the feet."""


def heads(paths: list[Path]) -> list[Prepared]:
    """Two CT, prepared as for training."""
    grid = head_grid(spacing=(1.0, 1.0, 2.0))
    volumes = [read_volume(path) for path in paths] or [HeadPhantom.random(seed).ct(grid) for seed in (3, 8)]
    return [prepare_volume(volume, "ct", CONFIG.data) for volume in volumes]


def views(image: Volume) -> list[tuple[np.ndarray, float]]:
    """Slices with their rows going up, and how high a pixel is for its width."""
    across, along, up = image.grid.spacing
    array, (width, depth, height) = image.array, image.grid.shape
    axial = [(array[:, :, int(part * height)].T, along / across) for part in HEIGHTS]
    return [*axial, (array[width // 2].T, up / along), (array[:, depth // 2].T, up / across)]


def main(picture: Path, *paths: Path) -> None:
    """Draw the picture."""
    one, other = heads(list(paths))
    rows = {"first": one, "second": other, "first as second": deformed(one, other)}
    figure = Figure(figsize=(11, 6.6), layout="constrained")
    FigureCanvasAgg(figure)
    for places, (title, shown) in zip(figure.subplots(3, 5), rows.items(), strict=True):
        for place, (pixels, aspect) in zip(places, views(shown.image), strict=True):
            place.imshow(pixels, cmap="gray", vmin=-1, vmax=1, origin="lower", aspect=aspect)
            place.axis("off")
        places[0].set_title(title, fontsize=10)
    figure.savefig(picture, dpi=80)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 4):
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))
