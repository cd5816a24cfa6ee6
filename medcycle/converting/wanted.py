"""What a CT is to become, with all that the result depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from medcycle.converting.acoustics import RELATIONS, Relation
from medcycle.converting.attenuation import BONE_LINES, DEFAULT_KVP
from medcycle.errors import UsageError
from medcycle.evaluation.density import HuTable, read_table, table

__all__ = ["TARGETS", "MuMap", "Relative", "Skull", "Target", "Wanted", "wanted"]

Target = Literal["mu-map", "red", "spr", "skull"]

TARGETS: tuple[Target, ...] = get_args(Target)

TAKES: Mapping[Target, tuple[str, ...]] = {
    "mu-map": ("kvp", "like", "fwhm"),
    "red": ("hlut", "like"),
    "spr": ("hlut", "like"),
    "skull": ("spacing", "threshold", "acoustics"),
}
"""The options that each of them has."""

BONE_HU = 250.0
"""Where bone begins by default, as in skull2medium by B. E. Treeby."""

CHOICES: Mapping[str, tuple[Any, ...]] = {"kvp": tuple(BONE_LINES), "acoustics": RELATIONS}

BOUNDS: Mapping[str, tuple[float, float]] = {"fwhm": (0.5, 20), "spacing": (0.1, 5), "threshold": (100, 1500)}


@dataclass(frozen=True)
class MuMap:
    """Linear attenuation at 511 keV.

    Args:
        kvp: tube voltage of the CT.
        fwhm: of a Gaussian that the map is blurred by, mm; None for none.
    """

    kvp: int = DEFAULT_KVP
    fwhm: float | None = None


@dataclass(frozen=True)
class Relative:
    """Electron density or stopping power relative to water, by a table."""

    by: HuTable


@dataclass(frozen=True)
class Skull:
    """The skull, with acoustic properties.

    Args:
        spacing: of isotropic voxels, mm; None for the CT's own.
        threshold: HU from which on tissue is bone.
        acoustics: how bone gets its properties.
    """

    spacing: float | None = None
    threshold: float = BONE_HU
    acoustics: Relation = "kwave"


Wanted = MuMap | Relative | Skull


def wanted(to: str, options: Mapping[str, Any]) -> Wanted:
    """What is wanted, from what was given; None is an option that was not.

    Raises:
        UsageError: if an option has no effect on it, is out of its range, or `spr` comes without a table.
        ConfigError: if the table can't be used, or is of the other quantity.
    """
    target = next((one for one in TARGETS if one == to), None)
    if target is None:
        raise UsageError(f"nothing is known of {to!r}; choose {', '.join(TARGETS)}")
    given = {name: value for name, value in options.items() if value is not None}
    for name, value in given.items():
        _require_fitting(target, name, value)
    given.pop("like", None)
    given |= {name: float(value) for name, value in given.items() if name in BOUNDS}
    match target:
        case "mu-map":
            return MuMap(**given)
        case "skull":
            return Skull(**given)
        case "red" | "spr":
            return Relative(_table(target, given.get("hlut")))


def _require_fitting(target: Target, name: str, value: Any) -> None:
    flag = f"--{name}"
    if name not in TAKES[target]:
        others = ", ".join(one for one in TARGETS if name in TAKES[one])
        raise UsageError(f"{flag} is of --to {others}, and has no effect on {target}; leave it out")
    low, high = BOUNDS.get(name, (0, 0))
    if name in BOUNDS and not low <= value <= high:
        raise UsageError(f"{flag} {value:g}: give a number from {low:g} to {high:g}")
    choices = CHOICES.get(name)
    if choices and value not in choices:
        raise UsageError(f"{flag} {value}: give one of {', '.join(map(str, choices))}")


def _table(target: Literal["red", "spr"], path: Path | None) -> HuTable:
    if path is None and target == "spr":
        raise UsageError(
            "--to spr needs --hlut FILE: stopping power depends on the scanner and its protocol, and no table fits "
            "all; give your clinic's own, of HU and stopping-power ratio"
        )
    return read_table(path, target) if path else table("generic")
