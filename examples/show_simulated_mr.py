"""Simulated MR, made from CT: what the method `randomized` learns from, and others beside their scans.

Run it with `python examples/show_simulated_mr.py PICTURE.png [CT]`, where CT is an image file or a DICOM series folder
of a head; without one, a generated head is taken. The first picture shows random contrasts beside their CT; a second
one, PICTURE-effects.png, every effect alone and strong.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from medcycle.config import RandomizeConfig, load_config
from medcycle.dataset.preparation import hounsfield_map, prepare_volume
from medcycle.io import read_volume
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.simulation import ContrastRandomizer, Effects

CONFIG = load_config("head_ct_only")
DRAWS = 12
HEIGHTS = (0.5, 0.62, 0.8)
"""of the slices shown, from the feet."""

NONE = {"rotation": 0, "scaling": 0, "bending": 0, "filled_share": 0, "cut_share": 0, "inner_share": 0, "vessels": 0}
NONE |= {"templates": 0, "texture": 0, "shift_share": 0, "void_share": 0, "bias": 0, "blur": 0, "ringing_share": 0}
NONE |= {"ghost_share": 0, "noise": 0, "gain": (1, 1), "gamma": 0, "families": ("t1",), "physical_share": 1}
NONE |= {"suppressed_share": 0, "bone_growth": 0, "bone_density": 0, "bone_signal": 0}
NONE |= {"smoothing": 0}

EFFECTS = {
    "contrast alone": {},
    "fat suppressed": {"suppressed_share": 1},
    "rotation, scaling": {"rotation": 30, "scaling": 0.3},
    "bending": {"bending": 0.05},
    "thicker, thinner bone": {"bone_growth": 1},
    "denser, lighter bone": {"bone_density": 1},
    "bone's own signal": {"bone_signal": 1},
    "filled cavities": {"filled_share": 1},
    "cut off": {"cut_share": 1, "cut": 0.49},
    "inner field": {"inner_share": 1, "inner": (0.3, 0.5)},
    "generated brain": {"templates": 1},
    "vessels, septa": {"vessels": 1},
    "texture": {"texture": 0.3},
    "chemical shift": {"shift": 6, "shift_share": 1},
    "void of metal": {"void_share": 1, "void_size": (0.05, 0.1)},
    "receive field": {"bias": 0.6},
    "blur": {"blur": 3},
    "Gibbs ringing": {"ringing_share": 1, "ringing_kept": 0.1},
    "ghosts": {"ghost_share": 1, "ghosts": 0.6},
    "Rician noise": {"noise": 0.25},
    "smoothed noise": {"noise": 0.25, "smoothing": 2},
    "gain": {"gain": (0.5, 0.5)},
    "gamma": {"gamma": 1.2},
}
"""Settings of `Effects` that show one each, much stronger than in training."""


def slices_of(ct: Path | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Prepared axial slices of a CT, and their bodies; shape (slices, 1, height, width)."""
    volume = read_volume(ct) if ct else HeadPhantom.random(4).ct(head_grid(spacing=(1.0, 1.0, 3.0)), couch=True)
    prepared = prepare_volume(volume, "ct", CONFIG.data)
    filled = np.flatnonzero(prepared.body.array.any(axis=(0, 1)))
    chosen = [filled[int(part * (len(filled) - 1))] for part in HEIGHTS]
    image, body = (torch.from_numpy(part.array[:, :, chosen].copy()) for part in (prepared.image, prepared.body))
    return image.movedim(-1, 0)[:, None], body.movedim(-1, 0)[:, None]


def draw(path: Path, rows: list[list[torch.Tensor]], titles: list[str]) -> None:
    """Images in rows, anterior on top."""
    figure = Figure(figsize=(1.6 * len(rows[0]), 1.75 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(rows), len(rows[0]), squeeze=False)
    for place in axes.flat:
        place.axis("off")
    for number, (row, places) in enumerate(zip(rows, axes, strict=True)):
        for column, (image, place) in enumerate(zip(row, places, strict=False)):  # the last row may be shorter
            place.imshow(image.numpy().T[::-1, ::-1], cmap="gray", vmin=-1, vmax=1)
            place.set_title(titles[number * len(rows[0]) + column], fontsize=8)
    figure.savefig(path, dpi=80)


def contrasts(image: torch.Tensor, body: torch.Tensor, columns: int = 8) -> tuple[list[list[torch.Tensor]], list[str]]:
    """A row a slice: the CT, and random simulated MR of it."""
    randomizer = ContrastRandomizer(hounsfield_map(CONFIG.data), Effects.of(CONFIG.randomize))
    generator = torch.Generator().manual_seed(1)
    made = [randomizer(image, body, generator).source for _ in range(columns)]
    rows = [[image[row, 0], *(simulated[row, 0] for simulated in made)] for row in range(len(image))]
    return rows, ["CT", *[""] * columns] * len(rows)


def effects(image: torch.Tensor, body: torch.Tensor, columns: int = 6) -> tuple[list[list[torch.Tensor]], list[str]]:
    """A CT slice, and every effect on it alone: of some draws the one that changes it most."""
    shown = [image[0, 0]]
    slices, bodies = (tensor[:1].expand(DRAWS, -1, -1, -1) for tensor in (image, body))
    plain = None
    for settings in EFFECTS.values():
        alone = Effects.of(RandomizeConfig(), **NONE | settings)
        randomizer = ContrastRandomizer(hounsfield_map(CONFIG.data), alone)
        made = randomizer(slices, bodies, torch.Generator().manual_seed(5)).source[:, 0]
        plain = made if plain is None else plain
        change = (made - plain).abs().mean((1, 2))
        shown.append(made[int(change.argmax())])
    return [shown[start : start + columns] for start in range(0, len(shown), columns)], ["CT", *EFFECTS]


def main(picture: Path, ct: Path | None = None) -> None:
    """Draw both pictures."""
    image, body = slices_of(ct)
    draw(picture, *contrasts(image, body))
    draw(picture.with_stem(f"{picture.stem}-effects"), *effects(image, body))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
