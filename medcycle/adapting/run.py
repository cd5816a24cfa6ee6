"""The run that adapts a model."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medcycle.adapting.blending import Pair, blended
from medcycle.adapting.pairs import registered_pairs
from medcycle.cohort.for_training import store_for_training
from medcycle.cohort.split import split_store
from medcycle.config import Config, check_override, parse_planned
from medcycle.dataset.registered import registered_cases
from medcycle.dataset.store import Store
from medcycle.errors import DataError, UsageError
from medcycle.io.files import seen_from, write_text
from medcycle.io.opening import read_json
from medcycle.methods.checkpoint import (
    BEST,
    LAST,
    MANIFEST,
    SavedMethod,
    load_method,
    read_checkpoint,
    save_method,
    told_of,
)
from medcycle.training.initial_model import InitialModel
from medcycle.training.loop import train
from medcycle.training.run_folder import cases_begun_on, require_run_folder, store_of_run
from medcycle.training.runtime import make_fabric

__all__ = ["Adaptation", "adapt"]

REPORT = "adaptation.json"

HELD_OUT = 0.25
"""The part of the patients who are held out; one at least of two or more."""

SETTINGS: dict[str, dict[str, Any]] = {
    "data": {"augmentation": "light", "deformed_ct": 0},
    "randomize": {"vary_bone": True, "measured_share": 0.5, "air_weight": 4.0, "bone_weight": 2.0},
    "method": {"name": "randomized", "registered_weight": 10.0},
    "training": {
        "max_steps": 600,
        "max_minutes": 10.0,
        "optimizer": "muon",
        "learning_rate": 3e-4,
        "decay": "cosine",
        "warm_up": 50,
        "betas": [0.9, 0.99],
        "ema_decay": 0.99,
        "validations": 0,
    },
}
"""What differs from the model's own configuration. Simulated pairs of the CT keep what the model knew."""

OF_SPLIT = ("validation_fraction", "folds", "fold", "split_file")


@dataclass(frozen=True)
class Adaptation:
    """What became of a model.

    Args:
        checkpoint: the adapted model; of a run that a signal ended, what it goes on from.
        pairs: registered pairs trained on.
        held_out: further pairs, which were held out.
        share: how far the weights went from the model's to the trained ones, 0 to 1; None if a signal ended the run.
        before: mean absolute error of the model in the bodies held out, HU; None without any.
        after: of the adapted model, on the pairs that its share was chosen on.
    """

    checkpoint: Path
    pairs: int
    held_out: int
    share: float | None
    before: float | None = None
    after: float | None = None

    @property
    def text(self) -> str:
        """In words."""
        if self.share is None:
            return "stopped before its end; resume it with --resume"
        if self.before is None or self.after is None:
            return (
                "adapted without a check: no patient was left to hold out, so the weights are halfway between the "
                "model and the trained one. Give at least two patients to have the result checked"
            )
        counted = f"{self.held_out} held-out pair{'s' if self.held_out > 1 else ''}"
        if not self.share:
            return f"nothing was gained on {counted} ({self.before:.1f} HU), so the model is kept as it is"
        return (
            f"adapted to {self.pairs} of {self.pairs + self.held_out} pairs; mean absolute error on {counted} "
            f"{self.before:.1f} HU before, {self.after:.1f} HU after"
        )


def adapt(  # noqa: PLR0913 - what can be told
    model: Path,
    output: Path,
    *,
    mr: Path,
    ct: Path,
    overrides: Sequence[str] = (),
    resume: bool = False,
    resample_irregular: bool = False,
    ct_offset: float = 0.0,
    progress: Callable[[float, str], None] | None = None,
    say: Callable[[str], None] = lambda _text: None,
) -> Adaptation:
    """Fit a model of MR to CT to the MR and CT of some patients.

    Pairs are found by patient and registered into `OUTPUT-registered` as `registered_pairs` has it. A quarter of the
    patients, one at least of two or more, is held out. The weights go so far towards the trained ones as the mean error
    on those gets less, and that of none of them more.

    Args:
        model: a run, checkpoint or shipped model.
        output: the run's folder, new or empty unless `resume`.
        mr: a folder of MR, or one MR.
        ct: the same of CT, of the same patients.
        overrides: `key=value`, above what is usual here.
        resume: go on with an interrupted training in `output`, on the pairs it was begun on.
        resample_irregular: rebuild irregular series.
        ct_offset: what to take off CT that have something added to their HU.
        progress: is called after every step with how much is done, 0 to 1, and a note.
        say: takes what is told.

    Returns:
        What became of it; the same is in `OUTPUT/adaptation.json`.

    Raises:
        UsageError: if the call is wrong, no patient is in both folders, or the model is not one of those that can be
            adapted.
        DataError: if no pair can be registered or used, or the training fails.
        BadCheckpoint: if the model can't be used.
    """
    require_run_folder(output, resume=resume)
    initial = InitialModel.load(model)
    settings = _settings(initial.saved, overrides)
    say(f"initialised from {told_of(initial.path)}: {', '.join(initial.require_fitting(settings))}")
    fabric = make_fabric(settings.training)
    with fabric.rank_zero_first():
        if resume:
            _require_same_model(initial, output)
            store = Store.open(store_of_run(output))
        else:
            folder = output.with_name(f"{output.name}-registered")
            how: dict[str, Any] = {"resample_irregular": resample_irregular, "ct_offset": ct_offset}
            store = store_for_training(settings.data, registered_pairs(mr, ct, folder, say=say, **how), output)
    settings = _with_split(settings, store, overrides)
    if not resume:
        counts = [len(_pairs(part)) for part in split_store(store, settings.data)]
        say(f"adapting to {counts[0]} registered pairs, {counts[1]} held out, prepared in {store.root}")
    start = None if resume else initial
    result = train(settings, store, output, resume=resume, init_from=start, fabric=fabric, progress=progress)
    trained_on, held_out = (_pairs(part) for part in cases_begun_on(read_checkpoint(output / LAST), store, output))
    if result.by_signal:
        return Adaptation(result.checkpoint, len(trained_on), len(held_out), None)
    found = blended(initial.saved, load_method(result.checkpoint), len(trained_on), held_out, fabric.device)
    made = Adaptation(output / BEST, len(trained_on), len(held_out), *found[1:])
    if fabric.is_global_zero:
        save_method(found.model, made.checkpoint)
        write_text(output / REPORT, json.dumps(asdict(made) | {"checkpoint": BEST.as_posix()}, indent=1))
    return made


def _settings(saved: SavedMethod, overrides: Sequence[str]) -> Config:
    """The model's own data and networks, and what is usual here."""
    own = saved.config.model_dump(mode="json")
    if own["method"]["name"] in {"unit", "munit"}:
        raise UsageError(f"models of method.name {own['method']['name']} can't be adapted; give another one")
    if own["data"].get("source") == "cbct":
        raise UsageError("models for CBCT can't be adapted; train one on registered pairs instead")
    if own["data"]["mr_normalisation"] == "nyul":
        raise UsageError(
            "models with data.mr_normalisation: nyul can't be adapted; their scale is that of all their MR"
        )
    planned = {section: dict(own[section]) for section in ("data", "randomize", "network")}
    for section, keys in SETTINGS.items():
        planned[section] = planned.get(section, {}) | keys
    planned["training"]["batch_size"] = 4 if own["network"]["spatial_dims"] == 2 else own["training"]["batch_size"]
    for key in OF_SPLIT:
        planned["data"].pop(key)
    by_hand: dict[str, dict[str, Any]] = {}
    for key, value in map(check_override, overrides):
        section, _, name = key.partition(".")
        by_hand.setdefault(section, {})[name] = value
    return parse_planned(planned, by_hand, "adapt")


def _with_split(settings: Config, store: Store, overrides: Sequence[str]) -> Config:
    """With patients held out, unless there is one alone, or the user has said which."""
    said = any(check_override(override)[0].removeprefix("data.") in OF_SPLIT for override in overrides)
    if said or len({case.record.patient for case in store.ct}) < 2:
        return settings
    return settings.model_copy(update={"data": settings.data.model_copy(update={"validation_fraction": HELD_OUT})})


def _require_same_model(initial: InitialModel, run: Path) -> None:
    """Raise `UsageError` if a run was begun from another model."""
    began = read_json(run / MANIFEST).get("init_from")
    if began != seen_from(run, initial.path):
        raise UsageError(f"{run}: was begun from {began}; give the same model to resume it")


def _pairs(store: Store) -> list[Pair]:
    try:
        return registered_cases(store)
    except DataError:
        return []
