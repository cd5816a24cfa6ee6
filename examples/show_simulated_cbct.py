"""A CT, CBCT that are simulated of it, and what a model makes of them.

Run it with `python examples/show_simulated_cbct.py PICTURE.png [RUN [CT]]`, where RUN is a model of the configuration
`cbct`, and CT an image file or a DICOM series folder; without it, a generated head is taken. Rows are scans: two CBCT,
then with RUN the synthetic CT of both; the first column is the CT.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import medcycle as mc
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.volume import Volume

HEIGHTS = (0.35, 0.65)
"""of the slices, from the feet."""

WINDOW = (-200.0, 400.0)
"""HU"""


def slices(volume: Volume) -> np.ndarray:
    """Some axial slices beside each other, rows going up."""
    depth = volume.grid.shape[2]
    return np.concatenate([volume.array[:, :, int(part * depth)].T for part in HEIGHTS], axis=1)


def main(picture: Path, run: Path | None = None, ct_file: Path | None = None) -> None:
    """Draw the picture."""
    true = mc.read(ct_file) if ct_file else HeadPhantom.random(21).ct(head_grid(spacing=(1.0, 1.0, 2.0)))
    rows = []
    for seed in (0, 9):
        cbct, ct = mc.simulate_cbct(true, seed=seed)
        shown = {"CT": ct, f"CBCT, seed {seed}": cbct}
        rows.append(shown | ({"synthetic CT": mc.synthesize(cbct, run).volume} if run else {}))
    figure = Figure(figsize=(5 * len(rows[0]), 6.2), layout="constrained")
    FigureCanvasAgg(figure)
    for places, shown in zip(figure.subplots(len(rows), len(rows[0])), rows, strict=True):
        for place, (title, volume) in zip(places, shown.items(), strict=True):
            place.imshow(slices(volume), cmap="gray", vmin=WINDOW[0], vmax=WINDOW[1], origin="lower")
            place.set_title(title, fontsize=10)
            place.axis("off")
    figure.savefig(picture, dpi=80)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3, 4):
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))
