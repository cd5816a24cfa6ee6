"""Checkpoints of which one part is not what it should be."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import torch

from tests.attack import Attack
from tests.attack.archives import saved
from tests.attack.small import drawn, model

NUMBERS: dict[str, Any] = {
    "not a number": float("nan"),
    "infinite": float("inf"),
    "huge": 1e300,
    "a huge integer": 10**400,
    "a text": "many",
    "nothing": None,
    "a list": [1.0],
    "a tensor": torch.zeros(1),
}
"""What may stand for a number."""

LANDMARKS = {"kind": "MrLandmarks", "signal": [0.0, 1.0, 2.0], "mapped": [-0.8, 0.0, 1.0]}
CURVE = {
    "kind": "HounsfieldCurve",
    "low": -1000.0,
    "high": 1800.0,
    "soft_low": -200.0,
    "soft_high": 200.0,
    "share": 0.5,
}
PROFILE = {"spacing": [1.0] * 3, "field": [200.0] * 3, "body": [150.0] * 3, "section": 0.5, "deciles": [0.0] * 9}
CURVED = {"deviation": [0.0, 1.0], "error": [0.0, 1.0]}
FALLING = CURVED | {"error": [1.0, 0.0]}

Change = tuple[str, Any, str]
"""A dotted place, what is put there, and what has to be named."""

GONE = object()


def checkpoints() -> Iterator[Attack]:
    """Every part damaged, to be translated with."""
    for kind in (_intensity, _others, _config, _weights):
        for name, (place, value, part) in kind().items():
            yield _attack(name, place, value, part)
    for kind in ("float64", "float16"):
        weights = {name: tensor.to(getattr(torch, kind)) for name, tensor in _sound()["method"].items()}
        yield Attack(f"weights of {kind}", _lay("method", weights), CALL, harmless=True, status=0)
    yield Attack("as it is", _lay("step", 1), CALL, harmless=True, status=0)


CALL = ("synthesize", "IN/model.pt", "IN/case.nii", "OUT")


def _attack(name: str, place: str, value: Any, part: str) -> Attack:
    return Attack(name, _lay(place, value), CALL, names=part, status=1)


@cache
def _sound() -> dict[str, Any]:
    state: dict[str, Any] = torch.load(io.BytesIO(model()), weights_only=True)
    return state


def damaged(place: str, value: Any) -> dict[str, Any]:
    """The checkpoint with something else, or nothing, in a dotted place; names of weights have a colon before them."""
    state = copy.deepcopy(_sound())
    above, colon, last = place.partition(":")
    parts = [*above.split("."), last] if colon else above.split(".")
    inner: Any = state
    for part in parts[:-1]:
        inner = inner[part]
    if value is GONE:
        del inner[parts[-1]]
    else:
        inner[parts[-1]] = value(inner[parts[-1]]) if callable(value) else value
    return state


def _lay(place: str, value: Any) -> Callable[[Path], None]:
    def lay(folder: Path) -> None:
        (folder / "model.pt").write_bytes(saved(damaged(place, value)))
        (folder / "case.nii").write_bytes(drawn()["mr/c0.nii"])

    return lay


def _intensity() -> dict[str, Change]:
    found: dict[str, Change] = {
        "no intensity": ("intensity", GONE, "intensity"),
        "intensity of nothing": ("intensity", None, "intensity"),
        "intensity of a list": ("intensity", [1], "intensity"),
        "intensity without maps": ("intensity", {}, "intensity"),
        "no CT": ("intensity.ct", GONE, "intensity"),
        "CT of nothing": ("intensity.ct", None, "intensity.ct"),
        "CT of a number": ("intensity.ct", 5, "intensity.ct"),
        "a third modality": ("intensity.pet", {"kind": "HounsfieldWindow", "low": 0.0, "high": 1.0}, "intensity.pet"),
        "no kind": ("intensity.ct.kind", GONE, "intensity.ct"),
        "an unknown kind": ("intensity.ct.kind", "Window", "intensity.ct"),
        "a kind of escapes": ("intensity.ct.kind", "\x1b[2J", "intensity.ct"),
        "a long kind": ("intensity.ct.kind", "k" * 10**6, "intensity.ct"),
        "a kind of a list": ("intensity.ct.kind", ["HounsfieldWindow"], "intensity.ct"),
        "a kind that is private": ("intensity.ct.kind", "_Linear", "intensity.ct"),
        "no low": ("intensity.ct.low", GONE, "intensity.ct"),
        "low above high": ("intensity.ct.low", 9e9, "intensity.ct"),
        "low and high alike": ("intensity.ct.low", 2000.0, "intensity.ct"),
        "a value more": ("intensity.ct.middle", 0.0, "intensity.ct"),
        "a bottom out of range": ("intensity.mr.bottom", 5.0, "intensity.mr"),
        "landmarks of two lengths": ("intensity.mr", LANDMARKS | {"signal": [0.0, 1.0]}, "intensity.mr"),
        "landmarks that fall": ("intensity.mr", LANDMARKS | {"signal": [2.0, 1.0, 0.0]}, "intensity.mr"),
        "landmarks of none": ("intensity.mr", LANDMARKS | {"signal": [], "mapped": []}, "intensity.mr"),
        "landmarks that are none": ("intensity.mr", LANDMARKS | {"signal": [0.0, float("nan"), 2.0]}, "intensity.mr"),
        "landmarks in lists": ("intensity.mr", LANDMARKS | {"signal": [[0.0], [1.0], [2.0]]}, "intensity.mr"),
        "landmarks of one number": ("intensity.mr", LANDMARKS | {"signal": 1.0}, "intensity.mr"),
        "landmarks beyond": ("intensity.mr", LANDMARKS | {"mapped": [-5.0, 0.0, 5.0]}, "intensity.mr"),
        "a curve of all": ("intensity.ct", CURVE | {"share": 1.0}, "intensity.ct"),
        "a curve turned": ("intensity.ct", CURVE | {"soft_low": 300.0}, "intensity.ct"),
    }
    for what, value in NUMBERS.items():
        found[f"low is {what}"] = ("intensity.ct.low", value, "intensity.ct")
    for what in ("not a number", "huge", "a text"):
        found[f"MR's high is {what}"] = ("intensity.mr.high", NUMBERS[what], "intensity.mr")
        found[f"a share is {what}"] = ("intensity.ct", CURVE | {"share": NUMBERS[what]}, "intensity.ct")
    return found


def _others() -> dict[str, Change]:
    steps = {what: value for what, value in NUMBERS.items() if what != "huge"} | {"negative": -1, "many": 10**12}
    found: dict[str, Change] = {f"step is {what}": ("step", value, "step") for what, value in steps.items()}
    found |= {
        "no step": ("step", GONE, "step"),
        "profiles of a text": ("profiles", "mr", "profiles"),
        "profiles of a number": ("profiles", {"mr": 5}, "profiles.mr"),
        "profiles of numbers": ("profiles", {"mr": [5]}, "profiles.mr"),
        "profiles of another": ("profiles", {"pet": []}, "profiles.pet"),
        "calibration of a list": ("calibration", [], "calibration"),
        "calibration of a text": ("calibration", "none", "calibration"),
        "calibration without errors": ("calibration", {"deviation": [0.0]}, "calibration.error"),
        "calibration of two lengths": ("calibration", CURVED | {"error": [0.0]}, "calibration"),
        "calibration that falls": ("calibration", FALLING, "calibration"),
        "calibration that stands": ("calibration", CURVED | {"deviation": [1.0, 1.0]}, "calibration"),
        "calibration of none": ("calibration", {"deviation": [], "error": []}, "calibration"),
        "calibration of many": ("calibration", {"deviation": [0.0] * 2000, "error": [0.0] * 2000}, "calibration"),
        "calibration below nothing": ("calibration", CURVED | {"deviation": [-1.0, 1.0]}, "calibration"),
        "calibration that is no number": ("calibration", CURVED | {"error": [0.0, float("nan")]}, "calibration"),
        "classes of a list": ("calibration", CURVED | {"classes": []}, "calibration.classes"),
        "a class of a text": ("calibration", CURVED | {"classes": {"air": "none"}}, "calibration.classes.air"),
        "a class that falls": ("calibration", CURVED | {"classes": {"air": FALLING}}, "calibration.classes.air"),
        "a floor of a text": ("calibration", CURVED | {"floor": "low"}, "calibration.floor"),
        "a floor below nothing": ("calibration", CURVED | {"floor": -1.0}, "calibration.floor"),
        "learned of a list": ("learned", [], "learned"),
        "learned more": ("learned", {"pet": 5}, "learned.pet"),
        "learned less than nothing": ("learned", {"mr": -1}, "learned.mr"),
        "learned from a text": ("learned", {"ct": "many"}, "learned.ct"),
        "learned from a tensor": ("learned", {"ct": torch.zeros(3)}, "learned.ct"),
        "a score that is none": ("learned", {"score": float("nan")}, "learned.score"),
        "an endless score": ("learned", {"constant": float("inf")}, "learned.constant"),
        "another score": ("learned", {"kind": "\x1b[2J"}, "learned.kind"),
    }
    wrong = {
        "spacing": (GONE, [1.0, 1.0], [1.0, float("nan"), 1.0], [-1.0, 1.0, 1.0], "mm", [1e300] * 3),
        "section": (2.0, float("nan")),
        "deciles": ([0.0] * 8, [5.0] * 9, [[0.0]] * 9),
        "body": ([0.0] * 3, None),
        "more": (1,),
        "tissues": ([1.0], {"air_hu": float("nan")}, {"\x1b[2J": 1.0}, {"bone_hu": "dense"}),
    }
    for key, values in wrong.items():
        for number, value in enumerate(values):
            one = {name: known for name, known in PROFILE.items() if name != key}
            one |= {} if value is GONE else {key: value}
            found[f"{key} of a profile, {number}"] = ("profiles", {"mr": [one]}, f"profiles.mr.0.{key}")
    return found


def _config() -> dict[str, Change]:
    deep: Any = 1
    for _ in range(300):
        deep = {"a": deep}
    found: dict[str, Change] = {
        "no config": ("config", GONE, "config"),
        "config of nothing": ("config", None, "config"),
        "config of a list": ("config", [], "config"),
        "config of a text": ("config", "demo", "config"),
        "an unknown section": ("config.more", {}, "more"),
        "an unknown key": ("config.network.more", 1, "network.more"),
        "a section that is a number": ("config.training", 5, "training"),
        "a section that is a list": ("config.data", [1], "data"),
        "a deep section": ("config.training", deep, "training"),
        "a deep value": ("config.training.max_steps", deep, "training.max_steps"),
        "a tensor as a value": ("config.training.max_steps", torch.zeros(5), "training.max_steps"),
        "a number as a section": ("config", {5: {}}, "config"),
        "an unknown network": ("config.network.name", "\x1b[2Junet", "network.name"),
        "an unknown method": ("config.method.name", "m" * 10_000, "method.name"),
        "no network": ("config.network.name", None, "network"),
        "another network": ("config.network", {"name": "unet", "filters": 2048, "levels": 8}, "method"),
        "a wide transformer": (
            "config.network",
            {"name": "monai", "type": "SwinUNETR", "arguments": {"feature_size": 1536}, "spatial_dims": 3},
            "patch_size",
        ),
        "a wide network of MONAI": (
            "config.network",
            {"name": "monai", "type": "UNet", "arguments": {"channels": [4096] * 8, "strides": [2] * 7}},
            "(method",
        ),
        "another library": ("config.network", {"name": "monai", "type": "DenseNet121"}, "network.type"),
        "code as an argument": (
            "config.network", {"name": "monai", "arguments": {"norm": "__import__('os').system('touch fallen')"}}, "net"
        ),
    }  # fmt: skip
    sizes: dict[str, Any] = {"filters": 10**9, "blocks": 10**6, "discriminator_layers": 99}
    for key, huge in sizes.items():
        for what, value in {"huge": huge, "negative": -1, "none": float("nan"), "a text": "x", "a list": [4]}.items():
            found[f"{key} is {what}"] = (f"config.network.{key}", value, f"network.{key}")
    for key, value in {"filters": 2048, "blocks": 64, "discriminator_filters": 2048}.items():
        found[f"{key} as many as there may be"] = (f"config.network.{key}", value, "(method")
    found["patches without an end"] = ("config.data.patch_size", [10**9, 10**9], "data.patch_size")
    found["spacing of nothing"] = ("config.data.spacing", [1e-9, 1e-9, 1e-9], "data.spacing")
    found["a window turned"] = ("config.data.hu_window", [2000.0, -1000.0], "data.hu_window")
    return found


def _weights() -> dict[str, Change]:
    name, *_, last = _sound()["method"]

    def filled(value: float) -> Callable[[torch.Tensor], torch.Tensor]:
        def fill(tensor: torch.Tensor) -> torch.Tensor:
            tensor = tensor.clone()
            tensor.view(-1)[-1] = value
            return tensor

        return fill

    one = f"method:{name}"
    return {
        "no weights": ("method", GONE, "method"),
        "weights of nothing": ("method", None, "method"),
        "weights of a list": ("method", [torch.zeros(3)], "method"),
        "weights of none": ("method", {}, "method: no "),
        "a weight missing": (one, GONE, name),
        "the last weight missing": (f"method:{last}", GONE, last),
        "a foreign weight": ("method:more", torch.zeros(3), "more"),
        "a foreign weight of escapes": ("method:\x1b[2J", torch.zeros(3), "method"),
        "a foreign weight with a long name": ("method:" + "w" * 10**5, torch.zeros(3), "method"),
        "a weight of a number": ("method:5", 5, "method"),
        "a number for a weight": (one, 5.0, "method"),
        "a list for a weight": (one, [0.0], "method"),
        "a text for a weight": (one, "weight", "method"),
        "nothing for a weight": (one, None, "method"),
        "weights in weights": (one, {"weight": torch.zeros(3)}, "method"),
        "a weight of another shape": (one, lambda tensor: tensor[..., :-1].clone(), name),
        "a flat weight": (one, lambda tensor: tensor.flatten(), name),
        "a turned weight": (one, lambda tensor: tensor.transpose(0, 1).clone(), name),
        "a weight without axes": (one, torch.tensor(0.0), name),
        "an empty weight": (one, torch.zeros(0), name),
        "a weight of integers": (one, lambda tensor: tensor.long(), name),
        "a weight of truths": (one, lambda tensor: tensor > 0, name),
        "a complex weight": (one, lambda tensor: tensor.to(torch.complex64), name),
        "a weight that is no number": (one, filled(float("nan")), name),
        "an endless weight": (one, filled(float("inf")), name),
        "the last weight is no number": (f"method:{last}", filled(float("nan")), last),
    }
