"""A synthetic CT of a head MR by the model that ships with medcycle, a verdict on it, and a picture.

Run it with `python examples/first_result.py OUTPUT [MR]`. MR is an image file or a DICOM series folder; without it, a
head is generated. OUTPUT gets `sct.nii.gz` and `result.png`, and the MR if it was generated.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import medcycle as mc
from medcycle.phantom import HeadPhantom, head_grid

WINDOW = -300, 1300
"""HU shown from black to white."""


def generated(path: Path, spacing: tuple[float, float, float]) -> mc.Volume:
    """The MR of a generated head, also written to a file."""
    mr = HeadPhantom.random(1).mr(head_grid(spacing=spacing))
    mc.write_nifti(mr, path)
    return mr


def draw(picture: Path, mr: mc.Volume, ct: mc.Volume) -> None:
    """An axial, a sagittal and a coronal slice through the middle, of the MR and of the CT."""
    figure = Figure(figsize=(8, 5.6), layout="constrained", facecolor="black")
    FigureCanvasAgg(figure)
    bright = float(np.percentile(mr.array, 99.5))
    shown = {"MR": (mr.to_ras(), 0.0, bright), "synthetic CT": (ct.to_ras(), *WINDOW)}
    for places, (title, (volume, low, high)) in zip(figure.subplots(2, 3), shown.items(), strict=True):
        places[1].set_title(title, color="white")
        for place, axis in zip(places, (2, 0, 1), strict=True):
            width, height = np.delete(volume.grid.spacing, axis)
            pixels = volume.array.take(volume.grid.shape[axis] // 2, axis).T
            place.imshow(pixels, cmap="gray", vmin=low, vmax=high, origin="lower", aspect=height / width)
            place.axis("off")
    figure.savefig(picture)


def main(output: Path, source: Path | None = None, spacing: tuple[float, float, float] = (1.0, 1.0, 2.0)) -> None:
    """Make the CT, judge it and draw it; a generated head has voxels of `spacing` mm."""
    output.mkdir(parents=True, exist_ok=True)
    mr = mc.read(source) if source else generated(output / "mr.nii.gz", spacing)
    made = mc.synthesize(mr, "head", uncertainty=True)
    mc.write_nifti(made.volume, output / "sct.nii.gz")
    verdict = mc.judge(mr, made.volume, made.uncertainty)["verdict"]
    print("verdict:", verdict["grade"], *verdict["reasons"], sep="\n  ")
    draw(output / "result.png", mr, made.volume)
    print(f"written to {output}; research use only")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))
