"""What a trained method needs to be used: the part of a checkpoint that is not about training."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from medcycle import __version__
from medcycle.body import Modality
from medcycle.config import Config, parse_stored
from medcycle.errors import BadCheckpoint, MedcycleError, RemovedVariant, UsageError
from medcycle.intensity import IntensityMap
from medcycle.io.files import atomic_path
from medcycle.methods.base import Method
from medcycle.methods.build import build_method
from medcycle.methods.checkpoint_archive import require_sound_archive
from medcycle.methods.checkpoint_contents import checked, require_fitting_weights
from medcycle.methods.model_file import read_model
from medcycle.models import model_in, shipped_file, shipped_names
from medcycle.models.description import SUFFIX as DESCRIPTION
from medcycle.words import meant

__all__ = [
    "BEST",
    "LAST",
    "MANIFEST",
    "Facts",
    "SavedMethod",
    "checkpoint_of",
    "doubts_of",
    "facts_of",
    "load_method",
    "read_checkpoint",
    "save_method",
    "state_of",
    "told_of",
    "without_places",
]

FORMAT = "medcycle checkpoint 1"

MANIFEST = "manifest.json"
"""What a run was trained with and on, in its folder."""

LAST = Path("checkpoints", "last.pt")
BEST = Path("checkpoints", "best.pt")
"""Checkpoints of a run, in its folder."""


@dataclass(frozen=True)
class Facts:
    """How much a method has learned, and from what, as far as its checkpoint says; None for what it doesn't.

    Args:
        step: steps of training.
        mr: MR that were trained on.
        ct: CT that were trained on, without what was made of them.
        source: what CT is made from; `cbct` takes the place of MR.
        score: the best in validation up to then, HU.
        kind: what that score is: "mae", the error of CT from registered MR; or "unpaired", put together without pairs.
        constant: the score that one CT number for all of the body, its mean, has in the same validation, HU.
    """

    step: int
    mr: int | None = None
    ct: int | None = None
    score: float | None = None
    kind: Literal["mae", "unpaired"] | None = None
    constant: float | None = None
    source: Literal["mr", "cbct"] = "mr"

    @property
    def beats_a_constant(self) -> bool | None:
        """Whether it is better than one CT number for all of the body; None if that is not known."""
        return None if self.score is None or self.constant is None else self.score < self.constant

    @property
    def text(self) -> str:
        """In words."""
        counts = " and ".join(f"{n} {kind}" for n, kind in ((self.mr, self.source.upper()), (self.ct, "CT")) if n)
        trained = f"{self.step} steps of training{f' on {counts}' if counts else ''}"
        if self.score is None:
            return f"{trained}; never validated" if counts else trained
        what = "mean absolute error of held-out pairs" if self.kind == "mae" else "score without pairs, lower is better"
        unit = " HU" if self.kind == "mae" else ""
        than = f"; {self.constant:.0f}{unit} for a constant CT number" if self.constant is not None else ""
        return f"{trained}; best validation: {self.score:.0f}{unit} ({what}{than})"

    @property
    def warning(self) -> str:
        """Why it may have learned nothing, or an empty string."""
        if self.beats_a_constant is False:
            return f"no better than a single CT number for the whole body ({self.text}); train for longer"
        if self.score is None and (self.mr or self.ct):
            advice = "train until it is validated" if self.source == "mr" else "score it by `medcycle evaluate`"
            return f"it is unknown whether the model has learned anything ({self.text}); {advice}"
        return ""


@dataclass(frozen=True)
class SavedMethod:
    """A trained method and what ties it to real units.

    Args:
        method: the networks, on the CPU, in evaluation mode.
        config: the configuration it was trained with.
        intensity: for `mr` and `ct`, a map whose inverse gives real units. For MR it is a typical one of the
            training data, since MR signal has no unit of its own.
        step: how many steps it was trained.
        profiles: for `mr` and `ct`, what the scans trained on are like, as `medcycle.dataset.profile` has it.
        calibration: what errors of CT go with standard deviations over passes, by class of voxels, as
            `Calibration.to_dict` has it; None if that was never found out.
        learned: those of `Facts` that are known, but for the step; none in older checkpoints.
    """

    method: Method
    config: Config
    intensity: Mapping[str, IntensityMap]
    step: int
    profiles: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    calibration: Mapping[str, Any] | None = None
    learned: Mapping[str, Any] = field(default_factory=dict)


def made_from(saved: SavedMethod, to: Modality) -> Literal["mr", "ct", "cbct"]:
    """What a method makes a modality from."""
    return saved.config.data.source if to == "ct" else "ct"


def facts_of(saved: SavedMethod) -> Facts:
    """How much a method has learned, and from what."""
    return Facts(saved.step, **saved.learned, source=saved.config.data.source)


def doubts_of(models: Sequence[SavedMethod], to: Modality) -> list[str]:
    """Why models may have learned nothing; empty where that is not known to be so. What they learn is scored on CT."""
    return list(dict.fromkeys(filter(None, (facts_of(one).warning for one in models)))) if to == "ct" else []


def without_places(config: Config) -> dict[str, Any]:
    """A configuration's plain values, of files their names alone: checkpoints travel, and folders may name patients."""
    values = config.model_dump(mode="json")
    if path := values["data"]["split_file"]:
        values["data"]["split_file"] = Path(path).name
    if path := values["training"]["init_from"]:
        values["training"]["init_from"] = Path(path).name
    return values


def state_of(saved: SavedMethod) -> dict[str, Any]:
    """A dictionary of tensors and plain values that `load_method` reads back once it is saved by torch."""
    return {
        "format": FORMAT,
        "medcycle": __version__,
        "config": without_places(saved.config),
        "intensity": {modality: item.to_dict() for modality, item in saved.intensity.items()},
        "step": saved.step,
        "profiles": {modality: list(seen) for modality, seen in saved.profiles.items()},
        "calibration": saved.calibration,
        "learned": dict(saved.learned),
        "method": saved.method.state_dict(),
    }


def save_method(saved: SavedMethod, path: Path, extra: Mapping[str, Any] | None = None) -> None:
    """Write a checkpoint, whole or not at all; `extra` holds what training needs to go on.

    Raises:
        OSError: if it can't be written, as when the disk is full.
    """
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        try:
            torch.save(state_of(saved) | dict(extra or {}), stream)
        except RuntimeError as error:  # torch's word for what the stream raised
            raise _behind(error) from error


def _behind(error: BaseException) -> BaseException:
    """The error of the operating system that led to another one, if there was any."""
    seen: BaseException | None = error
    while seen and not isinstance(seen, OSError):
        seen = seen.__cause__ or seen.__context__
    return seen or error


def checkpoint_of(run_or_checkpoint: Path, *, to: Modality = "ct") -> Path:
    """The checkpoint meant by a path: the file itself, or of a run the best, or the last if it was never validated.

    How good synthetic MR is, validation doesn't say: to make it, the last is meant. Of a folder that `medcycle models
    export` wrote, the model in it. A name alone, where there is neither, means the model that ships with medcycle.

    Raises:
        UsageError: if there is none.
    """
    path = run_or_checkpoint
    if path.is_dir():
        if exported := model_in(path):
            return exported
        path = path / BEST if to == "ct" and (path / BEST).is_file() else path / LAST
    if path.is_file():
        return path
    if run_or_checkpoint.name == str(run_or_checkpoint) and run_or_checkpoint.name in shipped_names():
        return shipped_file(run_or_checkpoint.name)
    names, hint = ", ".join(shipped_names()), meant(str(run_or_checkpoint), shipped_names())
    raise UsageError(
        f"{path}: no such checkpoint; {hint}{' ' if hint else ''}give a run folder, a .pt file that `medcycle train` "
        f"wrote{f', or a model that ships with medcycle: {names}' if names else ''}"
    )


def told_of(checkpoint: Path) -> str:
    """What a checkpoint is called in messages: its path, or the name of a model that ships with medcycle."""
    is_shipped = checkpoint in map(shipped_file, shipped_names())
    return f"{checkpoint.stem}, which ships with medcycle" if is_shipped else str(checkpoint)


def read_checkpoint(path: Path, *, mapped: bool = False) -> dict[str, Any]:
    """All of a checkpoint's tensors and plain values; nothing in the file is executed.

    Args:
        path: the file.
        mapped: leave tensors in the file until they are used, which is fast where only plain values are.

    Raises:
        BadCheckpoint: if the file is torn, of another kind or of another format.
    """
    try:
        require_sound_archive(path)
        with warnings.catch_warnings(action="ignore"):
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except MedcycleError:
        raise
    except Exception as error:  # on foreign bytes the unpickler raises what it likes
        raise BadCheckpoint(
            f"{path}: not a medcycle checkpoint, or damaged; give one written by `medcycle train`"
        ) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise BadCheckpoint(
            f"{path}: not a medcycle checkpoint (no '{FORMAT}' in it); give one written by `medcycle train`"
        )
    return state


def load_method(path: Path) -> SavedMethod:
    """The method in a checkpoint, or in a model's description and weights.

    Raises:
        BadCheckpoint: if the file is not a checkpoint, its parts don't fit each other, or this version has no such
            networks any more.
    """
    state = read_model(path) if path.suffix == DESCRIPTION else read_checkpoint(path)
    try:
        contents = checked(state)
        config = parse_stored(contents.config, where=str(path))
        require_fitting_weights(config, contents.method)
        method = build_method(config)
        method.load_state_dict(contents.method)
    except RemovedVariant as error:
        raise BadCheckpoint(str(error)) from error
    except (KeyError, TypeError, ValueError, RuntimeError, MedcycleError) as error:
        reason = " ".join(str(error).split())[:200]
        raise BadCheckpoint(f"{path}: the checkpoint's parts don't fit each other ({reason}); train again") from error
    plain = contents.model_dump(mode="python", include={"profiles", "calibration", "learned"})
    learned = {name: value for name, value in plain["learned"].items() if value is not None}
    return SavedMethod(
        method.eval(), config, contents.maps(), contents.step, plain["profiles"], plain["calibration"], learned
    )
