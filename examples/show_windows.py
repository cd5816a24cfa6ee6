"""Windows of a 3D network, before and after they fade into each other.

Run it with `python examples/show_windows.py PICTURE.png RUN [MR]`, where RUN is a training run of a 3D network and MR
an image file or a DICOM series folder; without it, a generated T1 of a head is taken. Columns are windows by MONAI, of
even weights and of Gaussian ones; those of medcycle; and the whole head in one pass. Each has the seam score at the
borders of its windows, over that of the one pass at the same places. Rows are a sagittal and a coronal slice.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from monai.data.utils import dense_patch_slices
from monai.inferers import SlidingWindowInferer

from medcycle.dataset.preparation import Prepared, prepare_volume
from medcycle.inference import Translator
from medcycle.inference.quality import seam_score
from medcycle.inference.windows import box_of
from medcycle.io import read_volume
from medcycle.methods.checkpoint import SavedMethod, checkpoint_of, load_method
from medcycle.patch_geometry import DOWNSAMPLING
from medcycle.phantom import HeadPhantom, head_grid

LOWEST_HU, HIGHEST_HU = -300, 1000
OVERLAP = 0.25
"""of MONAI's windows, its default"""

Borders = list[list[int]]


def by_monai(saved: SavedMethod, mr: Prepared, mode: str) -> tuple[np.ndarray, Borders]:
    """Values in [−1, 1], and where windows begin and end."""
    window, image = saved.config.data.patch_size, mr.image.array
    inferer = SlidingWindowInferer(window, overlap=OVERLAP, mode=mode, padding_mode="constant", cval=-1)
    with torch.inference_mode():
        made = inferer(torch.from_numpy(image)[None, None], saved.method.translate)[0, 0].numpy()
    steps = [int(size * (1 - OVERLAP)) for size in window]
    placed = dense_patch_slices(image.shape, window, steps)
    inner = [
        {end for one in placed for end in (one[axis].start, one[axis].stop)} - {0, length}
        for axis, length in enumerate(image.shape)
    ]
    return made, [sorted(ends) for ends in inner]


def ours(saved: SavedMethod, mr: Prepared, window: tuple[int, ...]) -> tuple[np.ndarray, Borders]:
    """The same by medcycle, with windows of a size."""
    translator = Translator(replace(saved.config.geometry, size=window), torch.device("cpu"))
    made = translator.translate(mr.image.array, mr.body.array, saved.method.translate)
    return made, translator.borders(mr.body.array)


def main(picture: Path, run: Path, source: Path | None = None) -> None:
    """Draw the picture."""
    saved = load_method(checkpoint_of(run))
    if saved.config.network.spatial_dims != 3:
        sys.exit(f"{run}: its network takes slices, which are not translated by windows")
    saved.method.eval()
    volume = read_volume(source) if source else HeadPhantom.random(8).mr(head_grid(spacing=(1.0, 1.0, 1.0)))
    mr = prepare_volume(volume, "mr", saved.config.data, saved.intensity["mr"].corners[1])
    window, body, units = saved.config.data.patch_size, mr.body.array, saved.intensity["ct"].inverse
    one_pass, _ = ours(saved, mr, box_of(body, window, DOWNSAMPLING).sizes)
    found = {
        "MONAI, even weights": by_monai(saved, mr, "constant"),
        "MONAI, Gaussian": by_monai(saved, mr, "gaussian"),
        "medcycle": ours(saved, mr, window),
        "one pass": (one_pass, []),
    }
    middle = tuple(length // 2 for length in mr.image.grid.shape)
    across, along, up = mr.image.grid.spacing
    figure = Figure(figsize=(11, 6), layout="constrained")
    FigureCanvasAgg(figure)
    for places, (title, (made, borders)) in zip(figure.subplots(2, 4).T, found.items(), strict=True):
        score, usual = (seam_score(units(image), body, borders) for image in (made, one_pass))
        told = f": seams {score / usual:.2f}" if score and usual else ""
        places[0].set_title(f"{title}{told}", fontsize=10)
        shown = units(np.where(body, made, -1))
        for place, axis, aspect in zip(places, range(2), (up / along, up / across), strict=True):
            pixels = np.take(shown, middle[axis], axis).T
            place.imshow(pixels, cmap="gray", vmin=LOWEST_HU, vmax=HIGHEST_HU, origin="lower", aspect=aspect)
            place.axis("off")
    figure.savefig(picture, dpi=80)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))
