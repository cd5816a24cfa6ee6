"""A generated MR, the synthetic CT that a run makes of it, the true CT, and the error.

Run it with `python examples/show_result.py PICTURE.png RUN [SEED]`. SEED is that of the generated head, which the run
should not have been trained on. Rows are an axial, a sagittal and a coronal slice.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import medcycle as mc
from medcycle.phantom import HeadPhantom, head_grid

WINDOW = -300, 1300
ERROR = 500


def main(picture: Path, run: Path, seed: int = 4242, width: float = 1.0) -> None:
    """Draw the picture of a head with voxels of so many mm."""
    head, grid = HeadPhantom.random(seed), head_grid(spacing=(width,) * 3)
    mr, real = head.mr(grid), head.ct(grid)
    made = mc.synthesize(mr, run)
    body = made.body.array
    error = np.where(body, made.volume.array - real.array, 0)
    shown = {
        "MR (generated)": (mr.array, 0, float(np.percentile(mr.array[body], 99.5)), "gray"),
        "synthetic CT": (made.volume.array, *WINDOW, "gray"),
        "true CT": (real.array, *WINDOW, "gray"),
        f"error, ±{ERROR} HU": (error, -ERROR, ERROR, "RdBu_r"),
    }
    figure = Figure(figsize=(10, 7.6), layout="constrained", facecolor="black")
    FigureCanvasAgg(figure)
    middle = [int(np.median(np.flatnonzero(body.any(axis=tuple({0, 1, 2} - {axis}))))) for axis in range(3)]
    slices = ((2, middle[2] + round(20 / width)), (0, middle[0] + round(6 / width)), (1, middle[1]))
    for places, (title, (values, low, high, colours)) in zip(figure.subplots(3, 4).T, shown.items(), strict=True):
        places[0].set_title(title, fontsize=12, color="white")
        for place, (axis, number) in zip(places, slices, strict=True):
            place.imshow(np.take(values, number, axis).T, cmap=colours, vmin=low, vmax=high, origin="lower")
            place.axis("off")
    figure.savefig(picture, dpi=90)
    print(
        f"{np.abs(error[body]).mean():.0f} HU in the body; a constant {real.array[body].mean():.0f} HU is off by",
        end=" ",
    )
    print(f"{np.abs(real.array[body] - real.array[body].mean()).mean():.0f} HU")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:]))
