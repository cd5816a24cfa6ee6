"""An MR, the synthetic CT that a run makes of it, the true CT, and the error.

Run it with `python examples/show_result.py PICTURE.png RUN [SEED or CT]`. SEED is that of a generated head. From a CT,
an image file or a DICOM series folder, an MR is simulated. The run should not have been trained on either. Rows are an
axial, a sagittal and a coronal slice.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import medcycle as mc
from medcycle.config import RandomizeConfig, load_config
from medcycle.dataset.preparation import hounsfield_map, prepare_volume
from medcycle.intensity import MrPercentile
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.simulation import ContrastRandomizer, Effects
from medcycle.volume import Volume

WINDOW = -300, 1300
ERROR = 500


STILL = ("rotation", "scaling", "bending", "bone_growth", "bone_density", "filled_share", "cut_share", "inner_share")
"""Effects that would change the anatomy."""


def generated(seed: int, width: float) -> tuple[Volume, Volume]:
    """MR and CT of a generated head, with voxels of so many mm."""
    head, grid = HeadPhantom.random(seed), head_grid(spacing=(width,) * 3)
    return head.mr(grid), head.ct(grid)


def simulated(ct: Path, width: float, seed: int = 7) -> tuple[Volume, Volume]:
    """A simulated T1 MR of a CT, and the CT, with voxels of so many mm."""
    settings = load_config("head_ct_only", [f"data.spacing=[{width}, {width}, {width}]"]).data
    prepared, scale = prepare_volume(mc.read(ct), "ct", settings), MrPercentile(0.0, 1000.0)
    effects = Effects.of(RandomizeConfig(families=("t1",)), **dict.fromkeys(STILL, 0))
    image, body = (torch.from_numpy(part.array)[None, None] for part in (prepared.image, prepared.body))
    randomizer = ContrastRandomizer(hounsfield_map(settings), effects, scale)
    made = randomizer(image, body, torch.Generator().manual_seed(seed)).source[0, 0].numpy()
    signal = np.where(prepared.body.array, scale.inverse(made), 0).astype(np.float32)
    return prepared.image.with_array(signal), prepared.image.with_array(
        prepared.intensity.inverse(prepared.image.array)
    )


def main(picture: Path, run: Path, head: str = "4242", width: float = 1.0) -> None:
    """Draw the picture, of a generated head by its seed, or of a CT."""
    mr, real = generated(int(head), width) if head.isdigit() else simulated(Path(head), width)
    made = mc.synthesize(mr, run)
    body = made.body.array
    error = np.where(body, made.volume.array - real.array, 0)
    shown = {
        "generated MR" if head.isdigit() else "simulated MR": (
            mr.array,
            0,
            float(np.percentile(mr.array[body], 99.5)),
            "gray",
        ),
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
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
