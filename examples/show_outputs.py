"""Pictures of what medcycle writes besides a synthetic CT, of a generated head and the shipped model.

Run it with `python examples/show_outputs.py FOLDER`, which gets `uncertainty.png`, `maps.png`, `outlines.png`,
`registration.png` and `radiograph.png`, and all that they were drawn from.
"""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import medcycle as mc
from medcycle.phantom import HeadPhantom, head_grid

SEED = 4242

CT_WINDOW = -300.0, 1300.0
"""HU shown from black to white."""

ERROR = 600.0
"""HU of the brightest colour."""

SITE = """\
outlines: [external, bone, air]
couch: {width: 400, thickness: 30, shell: 3, shell_hu: -100, core_hu: -900, gap: 4}
"""

Shown = tuple[np.ndarray, float, float, str]
"""Values, those of the darkest and the brightest colour, and the name of the colours."""


def draw(picture: Path, columns: dict[str, Shown], slices: Sequence[tuple[int, int]], widths: Sequence[float]) -> None:
    """A column for each volume, a row for each slice (axis and number); `widths` of voxels are in mm."""
    figure = Figure(figsize=(2.6 * len(columns), 2.7 * len(slices) + 0.6), layout="constrained", facecolor="black")
    FigureCanvasAgg(figure)
    places = figure.subplots(len(slices), len(columns), squeeze=False)
    for column, (title, (values, low, high, colours)) in enumerate(columns.items()):
        places[0, column].set_title(title, color="white")
        for place, (axis, number) in zip(places[:, column], slices, strict=True):
            across, up = np.delete(widths, axis)
            pixels = np.take(values, number, axis).T
            image = place.imshow(pixels, cmap=colours, vmin=low, vmax=high, origin="lower", aspect=up / across)
            place.axis("off")
        bar = figure.colorbar(image, ax=places[:, column], orientation="horizontal", shrink=0.9, pad=0.02)
        bar.ax.tick_params(colors="white", labelsize=8)
    figure.savefig(picture, dpi=100)


def uncertainty(folder: Path, mr: mc.Volume, real: mc.Volume) -> mc.Volume:
    """Expected error beside the true one; the synthetic CT."""
    made = mc.synthesize(mr, "head", uncertainty=True)
    assert made.uncertainty is not None
    error = np.where(made.body.array, np.abs(made.volume.array - real.array), 0)
    columns: dict[str, Shown] = {
        "MR": (mr.array, 0.0, float(np.percentile(mr.array, 99.5)), "gray"),
        "synthetic CT, HU": (made.volume.array, *CT_WINDOW, "gray"),
        "expected error, HU": (made.uncertainty.array, 0.0, ERROR, "inferno"),
        "true error, HU": (error, 0.0, ERROR, "inferno"),
    }
    axial, sagittal = (round(share * size) for share, size in ((0.6, mr.grid.shape[2]), (0.5, mr.grid.shape[0])))
    draw(folder / "uncertainty.png", columns, ((2, axial), (0, sagittal)), mr.grid.spacing)
    return made.volume


def maps(folder: Path, ct: mc.Volume) -> None:
    """What `medcycle convert` makes of a synthetic CT."""
    mc.write_nifti(ct, folder / "sct.nii.gz")
    columns: dict[str, Shown] = {"synthetic CT, HU": (ct.array, *CT_WINDOW, "gray")}
    for title, to, name, high in (
        ("attenuation, 511 keV, 1/cm", "mu-map", "mu_511keV_per_cm", 0.16),
        ("relative electron density", "red", "red_relative_to_water", 1.8),
        ("skull: sound speed, m/s", "skull", "sound_speed_m_s", 3100.0),
    ):
        mc.convert(folder / "sct.nii.gz", folder / to, to=to)
        values = np.asarray(nib.load(folder / to / f"{name}.nii.gz").dataobj)
        columns[title] = (values, float(values.min()), high, "viridis")
    axial, sagittal = (round(share * size) for share, size in ((0.6, ct.grid.shape[2]), (0.5, ct.grid.shape[0])))
    draw(folder / "maps.png", columns, ((2, axial), (0, sagittal)), ct.grid.spacing)


def outlines(folder: Path, ct: mc.Volume) -> None:
    """A slice of the DICOM series with the contours of its structure set, and the couch."""
    (folder / "site.yaml").write_text(SITE)
    mc.write_dicom(ct, folder / "series", site=folder / "site.yaml", made_from="mr")
    files = sorted(path for path in (folder / "series").iterdir() if path.name != "outlines.dcm")
    slices = sorted((pydicom.dcmread(path) for path in files), key=lambda one: float(one.ImagePositionPatient[2]))
    structures = pydicom.dcmread(folder / "series" / "outlines.dcm")
    figure = Figure(figsize=(7.6, 4.4), layout="constrained", facecolor="black")
    FigureCanvasAgg(figure)
    for place, share in zip(figure.subplots(1, 2), (0.35, 0.6), strict=True):
        _slice(place, slices[round(share * len(slices))], structures)
    figure.savefig(folder / "outlines.png", dpi=100)


def _slice(place: Axes, dataset: pydicom.Dataset, structures: pydicom.Dataset) -> None:
    values = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
    left, front, height = map(float, dataset.ImagePositionPatient)
    down, across = map(float, dataset.PixelSpacing)
    rows, columns = values.shape
    around = (left - across / 2, left + (columns - 0.5) * across, front + (rows - 0.5) * down, front - down / 2)
    place.imshow(values, cmap="gray", vmin=CT_WINDOW[0], vmax=CT_WINDOW[1], extent=around)
    for roi in structures.ROIContourSequence:
        colour = [int(part) / 255 for part in roi.ROIDisplayColor]
        for contour in roi.get("ContourSequence", ()):
            points = np.reshape(np.array(contour.ContourData, float), (-1, 3))
            if abs(points[0, 2] - height) < 0.1:
                place.plot(*np.vstack([points, points[:1]])[:, :2].T, color=colour, linewidth=1)
    place.axis("off")


def registration(folder: Path, mr: mc.Volume, real: mc.Volume) -> None:
    """The picture that `medcycle register` draws of a pair, whose CT was moved."""
    affine = real.grid.affine.copy()
    affine[:3, 3] += (6.0, -9.0, 4.0)
    for kind, volume in (("mr", mr), ("ct", mc.Volume(real.array, mc.Grid(real.grid.shape, affine)))):
        (folder / kind).mkdir(exist_ok=True)
        mc.write_nifti(volume, folder / kind / "head.nii.gz")
    mc.register(folder / "mr", folder / "ct", output=folder / "pairs")
    shutil.copy(folder / "pairs" / "head.png", folder / "registration.png")


def radiograph(folder: Path, real: mc.Volume) -> None:
    """The lateral radiographs that `medcycle evaluate` draws."""
    mc.write_nifti(real, folder / "real.nii.gz")
    mc.evaluate(folder / "real.nii.gz", folder / "sct.nii.gz", output=folder / "scores")
    shutil.copy(next((folder / "scores" / "cases").glob("*-drr-lateral.png")), folder / "radiograph.png")


def main(folder: Path, spacing: tuple[float, float, float] = (1.0, 1.0, 2.0)) -> None:
    """Draw all pictures, of a head with voxels of `spacing` mm."""
    folder.mkdir(parents=True, exist_ok=True)
    head, grid = HeadPhantom.random(SEED), head_grid(spacing=spacing)
    mr, real = head.mr(grid), head.ct(grid)
    ct = uncertainty(folder, mr, real)
    maps(folder, ct)
    outlines(folder, ct)
    registration(folder, mr, real)
    radiograph(folder, real)
    print(f"written to {folder}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
