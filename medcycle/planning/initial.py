"""The shipped model that a training starts from, where its settings and the scans fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medcycle.cohort.cohort import PREPARATION_KEYS
from medcycle.config import Config, parse_stored
from medcycle.models import Description, shipped_file
from medcycle.planning.fingerprint import Fingerprint

__all__ = ["HEAD", "SHARED", "settings_of_head", "settings_shared", "why_not_head"]

HEAD = "head"

SHARED = (*PREPARATION_KEYS, "slices")
"""What two runs have in common of the section `data`, if the networks of one are to start the other."""

WIDTHS, DEPTHS = (120.0, 220.0), (150.0, 270.0)
"""mm right-left and front-back that heads measure, including children's, ears and hair."""


def settings_shared(config: Config) -> dict[str, Any]:
    """Dotted keys and values that a run shares with one of this configuration if it starts from its networks."""
    values = config.model_dump(mode="json")
    chosen = [("data", name) for name in SHARED] + [("network", name) for name in values["network"]]
    return {f"{section}.{name}": values[section][name] for section, name in chosen}


def settings_of_head() -> dict[str, Any]:
    """Those of the shipped model. Raises `BadCheckpoint` if its description is damaged."""
    path = shipped_file(HEAD)
    return settings_shared(parse_stored(Description.read(path).model["config"], where=str(path)))


def why_not_head(mr: Fingerprint | None, ct: Fingerprint, given: Mapping[str, Any]) -> str:
    """Why a training doesn't start from the shipped model for heads, or an empty string.

    Args:
        mr: the MR, if there are any.
        ct: the CT.
        given: dotted keys and their values that are set by hand.
    """
    if given.get("method.name") in {"unit", "munit"}:
        return f"{given['method.name']} needs other networks"
    shared = settings_of_head()
    if other := next((key for key, value in given.items() if key in shared and shared[key] != value), None):
        return f"{other} differs from the shipped model's"
    for one, kind in ((mr, "MR"), (ct, "CT")):
        if one and not (WIDTHS[0] <= one.body[0] <= WIDTHS[1] and DEPTHS[0] <= one.body[1] <= DEPTHS[1]):
            return f"bodies of {one.body[0]:.0f} by {one.body[1]:.0f} mm in {kind} are not heads alone"
    return ""
