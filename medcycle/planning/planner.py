"""A configuration for a cohort and a device, with the reason of every choice."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from medcycle.config import NETWORKS
from medcycle.patch_geometry import AXES
from medcycle.planning.fingerprint import Fingerprint
from medcycle.planning.memory import SIDES_3D, filters_of, fitting_batch, fitting_filters, largest_side
from medcycle.planning.plan import BY_HAND, INIT_FROM, Choices, Device, Plan

__all__ = ["plan"]

PLANES: dict[str, tuple[int, ...]] = {
    plane: tuple("RAS".index(axis) for axis in axes) for plane, axes in AXES.items() if plane != "all"
}
"""Which of right-left, front-back and foot-head lie in a plane, and the one across it."""

MARGIN = 1.05
"""of the body's extent: nine of ten bodies fit, and heads nod."""

PIXELS_CPU, PIXELS_GPU = 160, 320
"""The largest side of a patch of 2D slices, on a processor and on a GPU."""

MIN_VOLUMES_3D, MAX_SLICE_3D = 10, 2.5
"""3D networks need this many volumes of each modality, and slices no thicker (mm)."""

MOST_WORKERS = 4
"""Reading takes little beside a step."""

MAX_NEIGHBOUR, MAX_NEIGHBOUR_RATIO = 3.0, 1.5
"""mm between slices, and between MR and CT: beyond, neighbours show other things, or other ones in MR than in CT."""

PASSES = 200
"""over all slices, as in Zhu et al. 2017."""

STEPS = (20_000, 200_000)
"""The least and the most."""

PATCHES_3D = 100_000

BONE = (1500.0, 3000.0)
"""The least and the most that the HU window ends at."""


def plan(
    mr: Fingerprint | None,
    ct: Fingerprint,
    device: Device,
    given: Mapping[str, Any] | None = None,
    init_from: Mapping[str, Any] | None = None,
) -> Plan:
    """Choose plane, spacing, patch, network, batch and steps for two cohorts and a device.

    Without a GPU: slices of some 160 pixels, a small network and an hour. With one: whole slices, of the coarser
    modality's pixels, or 3D patches if there are volumes enough, their slices are thin, and 96³ or more fit in memory.

    Args:
        mr: the MR; None where there is CT alone, which slices are learned from then, whatever slices MR will have.
            The settings of heads are taken, whatever region the CT show.
        ct: the CT.
        device: what is trained on.
        given: dotted keys and their values that are set by hand. What follows from them is chosen accordingly.
        init_from: the same of what the networks of another run ask for; what is set by hand goes before.
    """
    by_hand: Choices = {key: (value, INIT_FROM) for key, value in (init_from or {}).items()}
    by_hand |= {key: (value, BY_HAND) for key, value in (given or {}).items()}
    alone = mr is None or by_hand.get("method.name", ("",))[0] == "randomized"
    seen = mr or ct
    against_3d = _against_3d(mr, ct, device, by_hand)
    if against_3d:
        most = PIXELS_CPU if device.kind == "cpu" else PIXELS_GPU
        shape = _slices(seen, ct, device, against_3d, by_hand, most)
    else:
        shape = _patches(seen, ct, device, by_hand)
    if alone and against_3d:
        shape |= {"data.slices": (3, "for MR with slices 1 to 6 mm apart; use 1 for other spacings")}
    shape |= _network(shape, device, by_hand, alone=alone)
    choices = shape | _window(ct) | (_method_of_ct(mr) if alone else _method(shape, device, by_hand)) | by_hand
    choices |= fitting_filters(choices, device) | by_hand
    choices |= fitting_batch(choices, device) | by_hand
    return Plan(choices | _length(choices, seen, ct, device) | _loading(device) | by_hand)


def _network(shape: Choices, device: Device, by_hand: Choices, *, alone: bool) -> Choices:
    """The generator and its size."""
    flat = shape["network.spatial_dims"][0] == 2
    usual: tuple[Any, str] = ("resnet", "as in Zhu et al. 2017")
    if by_hand.get("method.name", ("",))[0] in {"unit", "munit"}:
        usual = ("resnet", "required by the method")
    elif alone or (flat and device.kind == "cpu"):
        usual = ("unet", "learns faster from simulated pairs and preserves edges")
    name = by_hand.get("network.name", _having(usual, by_hand))
    if name[0] == "unet":
        return {"network.name": name, **filters_of(32, "enough for simulated pairs")}
    if name[0] != "resnet":
        return {"network.name": name}
    if not flat:
        return {"network.name": name, "network.blocks": (6, "9 only for larger patches"), **filters_of(32)}
    wide = max(shape["data.patch_size"][0]) >= 256
    blocks = (9 if wide else 6, "9 for 256 pixels or more, else 6, as in Zhu et al. 2017")
    return {"network.name": name, "network.blocks": blocks, **filters_of(64)}


def _having(usual: tuple[str, str], by_hand: Choices) -> tuple[str, str]:
    """The usual network, or another one, if keys that are set by hand are of that alone."""
    keys = {key.partition(".")[2] for key in by_hand if key.startswith("network.")}
    missing = sorted(keys - NETWORKS[usual[0]].model_fields.keys())
    others = [name for name, network in NETWORKS.items() if keys <= network.model_fields.keys()]
    if not missing or not others:
        return usual
    return others[0], f"network.{missing[0]} is set by the user"


def _pairs(*, measured: bool) -> Choices:
    """How errors count in the pairs that are made from CT, and whether their contrasts follow the MR."""
    why = "few voxels, but among the ones that matter most"
    weights: Choices = {"randomize.air_weight": (4.0, why), "randomize.bone_weight": (2.0, why)}
    if not measured:
        return weights
    why = "measured on the MR; the random ones keep the model applicable to other contrasts"
    return weights | {"randomize.measured_share": (0.5, why)}


def _supervised() -> Choices:
    """How a network that learns mostly from pairs learns."""
    return {
        "data.augmentation": ("none", "simulated pairs already vary the anatomy"),
        "data.bone_air_sampling": (0.6, "slices with much air and bone are harder to learn"),
        "data.deformed_ct": (30, "adds anatomical variety to few CT"),
        "randomize.vary_bone": (True, "prevents overfitting to few CT"),
        "training.learning_rate": (1e-3, "simulated pairs allow a higher rate than adversarial training"),
        "training.warm_up": (100, "rises from zero to the high rate"),
        "training.ema_decay": (0.998, "suits short runs too"),
    }


def _method_of_ct(mr: Fingerprint | None) -> Choices:
    """The method that learns from pairs alone, in the contrasts of the MR if there are any."""
    return {
        "method.name": ("randomized", "learns from CT alone"),
        **_pairs(measured=mr is not None),
        **_supervised(),
        "training.betas": ([0.9, 0.99], "usual without a discriminator"),
        "training.optimizer": ("muon", "learns several times faster from simulated pairs"),
        "training.decay": ("cosine", "falls from the start"),
    }


def _against_3d(mr: Fingerprint | None, ct: Fingerprint, device: Device, by_hand: Choices) -> str:
    """Why not 3D, or an empty string."""
    if "network.spatial_dims" in by_hand:
        return "" if by_hand["network.spatial_dims"][0] == 3 else "set by the user"
    if mr is None:
        return "accepts MR with any slice spacing, including thick slices"
    thickest = max(*mr.spacing, *ct.spacing)
    obstacles = {
        "slices were set by the user": bool(by_hand.keys() & {"data.plane", "data.slices"}),
        "3D needs a GPU": device.kind != "cuda",
        f"3D needs {MIN_VOLUMES_3D} volumes of each modality; there are {mr.volumes} MR and {ct.volumes} CT": (
            min(mr.volumes, ct.volumes) < MIN_VOLUMES_3D
        ),
        f"slices of {thickest:.2g} mm are too thick for 3D": thickest > MAX_SLICE_3D,
    }
    against = next((why for why, holds in obstacles.items() if holds), "")
    if not against and largest_side(device) is None:
        return f"3D patches of {SIDES_3D[-1]} voxels don't fit on a {device}"
    return against


def _slices(mr: Fingerprint, ct: Fingerprint, device: Device, against_3d: str, by_hand: Choices, most: int) -> Choices:
    """Plane, spacing, patch and network of a 2D training, of `most` pixels a side."""
    sizes = {plane: max(one.spacing[axis] for one in (mr, ct) for axis in PLANES[plane][:2]) for plane in PLANES}
    # another plane than axial has to be clearly better: CT is made in axial slices
    best = min(sizes, key=lambda name: sizes[name] * (1 if name == "axial" else 1.1))
    plane = str(by_hand.get("data.plane", (best,))[0])
    inside = (0, 1, 2) if plane == "all" else PLANES[plane][:2]
    extents = [_extent(mr, ct, axis) for axis in inside]
    # slices of all planes: right-left or front-back by front-back or foot-head
    body = [max(extents[:-1]), max(extents[1:])]
    scanned, why = sizes.get(plane, max(sizes.values())), "in-plane spacing of the coarser modality"
    width = _upwards(scanned)
    if device.kind == "cpu" and max(body) / most > width:
        width, why = _upwards(max(body) / most), f"a body fits in {most} pixels; the scans have {scanned:.2g} mm"
    spacing = by_hand.get("data.spacing", ([width if axis in inside else None for axis in range(3)],))[0]
    widths = [spacing[axis] or width for axis in inside[:2]]
    sides = [min(PIXELS_GPU, _multiple(length / pixel)) for length, pixel in zip(body, widths, strict=True)]
    return {
        "data.plane": (plane, "largest pixels, mm: " + ", ".join(f"{name} {size:.2g}" for name, size in sizes.items())),
        "data.spacing": (spacing, why if len(inside) == 3 else f"{why}; slices keep their own spacing"),
        "data.slices": _neighbours(mr, ct, device, _across(plane)),
        "data.patch_size": (sides, f"bodies are up to {body[0]:.0f} by {body[1]:.0f} mm with a margin"),
        "network.spatial_dims": (2, against_3d),
    }


def _neighbours(mr: Fingerprint, ct: Fingerprint, device: Device, across: int) -> tuple[int, str]:
    """How many slices are seen at once, and why."""
    low, high = sorted(one.spacing[across] for one in (mr, ct))
    if device.kind == "cpu":
        return 1, "faster without neighbouring slices; use 3 or 5 for 2.5D"
    if high > MAX_NEIGHBOUR or high > MAX_NEIGHBOUR_RATIO * low:
        return 1, f"slice spacings of {low:.2g} and {high:.2g} mm differ too much; use 3 or 5 for 2.5D"
    return 3, f"2.5D: neighbours {low:.2g} and {high:.2g} mm away in MR and CT"


def _patches(mr: Fingerprint, ct: Fingerprint, device: Device, by_hand: Choices) -> Choices:
    """Spacing, patch and network of a 3D training."""
    width = _upwards(max(*mr.spacing, *ct.spacing))
    spacing = by_hand.get("data.spacing", ([width] * 3,))[0]
    side = largest_side(device) or SIDES_3D[-1]
    sides = [min(side, _multiple(_extent(mr, ct, axis) / (spacing[axis] or width))) for axis in range(3)]
    return {
        "data.spacing": (spacing, "spacing of the coarsest axis"),
        "data.patch_size": (sides, f"at most {side} for a {device}, and no larger than the bodies"),
        "network.spatial_dims": (3, f"{mr.volumes} MR and {ct.volumes} CT with thin slices, and enough memory"),
    }


def _window(ct: Fingerprint) -> Choices:
    top = min(max(math.ceil(ct.brightest / 100) * 100.0, BONE[0]), BONE[1])
    return {"data.hu_window": ([-1024.0, top], f"bone reaches {ct.brightest:.0f} HU in these CT")}


def _method(shape: Choices, device: Device, by_hand: Choices) -> Choices:
    choices: Choices = {
        "method.name": ("cyclegan", "learns from unpaired scans"),
        "method.identity_weight": (0.0, "adds nothing to simulated pairs and costs two passes"),
        "method.simulated_pair_weight": (10.0, "simulated pairs keep bone off the scalp"),
        "method.mind_weight": (2.0, "synthetic MR keeps the structure of its CT"),
        "training.warm_start": (0.2, "fraction of the run on simulated pairs only, with several times faster steps"),
        **_pairs(measured=True),
    }
    if device.kind == "cpu" and shape["network.name"][0] == "unet":
        choices |= _supervised() | {
            "training.warm_start": (0.5, choices["training.warm_start"][1]),
            "training.betas": ([0.5, 0.99], "between those of Zhu et al. 2017 and those for simulated pairs"),
        }
        if by_hand.get("method.name", ("",))[0] == "pix2pix":
            choices["data.deformed_ct"] = (0, "deformed CT have no registered MR")
    return choices


def _loading(device: Device) -> Choices:
    if device.kind == "cpu":
        return {}  # reading takes next to nothing beside a step
    why = f"loading runs in parallel with the GPU; {device.processors} CPU cores"
    return {"training.workers": (min(MOST_WORKERS, device.processors - 1), why)}


def _length(choices: Choices, mr: Fingerprint, ct: Fingerprint, device: Device) -> Choices:
    """Steps, and minutes without a GPU."""
    batch = choices["training.batch_size"][0]
    if choices["network.spatial_dims"][0] == 3:
        return {"training.max_steps": (PATCHES_3D // batch, f"{PATCHES_3D} patches")}
    across = _across(choices["data.plane"][0])
    slices = max(mr.slices[across], ct.slices[across])
    steps = min(max(PASSES * slices // batch, STEPS[0]), STEPS[1])
    why = f"{PASSES} passes over {slices} slices, limited to {STEPS[0]} to {STEPS[1]}"
    minutes: Choices = {"training.max_minutes": (60.0, "no GPU; longer is better")}
    return {"training.max_steps": (steps, why)} | (minutes if device.kind == "cpu" else {})


def _across(plane: str) -> int:
    """The axis across the slices; of all planes, across axial ones."""
    return PLANES["axial" if plane == "all" else plane][2]


def _extent(mr: Fingerprint, ct: Fingerprint, axis: int) -> float:
    """Of the larger bodies, with a margin, mm."""
    return MARGIN * max(mr.body[axis], ct.body[axis])


def _upwards(width: float) -> float:
    """To a multiple of 0.05 mm, 0.5 mm at least."""
    return max(0.5, math.ceil(width * 20 - 1e-6) / 20)


def _multiple(voxels: float) -> int:
    """The next multiple of 16, 32 at least."""
    return max(32, 16 * math.ceil(voxels / 16))
