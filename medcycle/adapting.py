"""A trained model fitted to a few registered pairs of a hospital's own."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from medcycle.cohort.cohort import Cohort, find_cohort
from medcycle.cohort.for_training import store_for_training
from medcycle.cohort.split import split_store
from medcycle.config import Config, check_override, parse_planned
from medcycle.dataset.registered import registered_cases
from medcycle.dataset.store import Store, StoredCase
from medcycle.errors import DataError, UsageError
from medcycle.inference import ImagePredictor, Options
from medcycle.io.discover import Source, registered_name, stem
from medcycle.io.files import write_text
from medcycle.methods.checkpoint import BEST, SavedMethod, load_method, save_method, told_of
from medcycle.registering.driver import match_patients, register_cohort
from medcycle.training.initial_model import InitialModel
from medcycle.training.loop import train
from medcycle.training.run_folder import require_run_folder
from medcycle.training.runtime import make_fabric
from medcycle.training.validation import Validator

__all__ = ["Adaptation", "adapt"]

log = logging.getLogger(__name__)

REPORT = "adaptation.json"

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""How far the weights may go from those of the model to the trained ones: the mean of both predicts better than either
where pairs are few (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models")."""

UNCHECKED = 0.5
"""How far they go where nothing is held out that could tell."""

HELD_OUT = 0.25
"""The part of the patients who are held out; one at least of two or more."""

SETTINGS: dict[str, dict[str, Any]] = {
    "data": {"augmentation": "light", "deformed_ct": 0},
    "randomize": {"vary_bone": True, "measured_share": 0.5, "air_weight": 4.0, "bone_weight": 2.0},
    "method": {"name": "randomized", "registered_weight": 10.0},
    "training": {
        "max_steps": 600,
        "max_minutes": 10.0,
        "batch_size": 4,
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
        checkpoint: the adapted model.
        pairs: registered pairs trained on.
        held_out: further pairs that were held out.
        share: how far the weights went from the model's to the trained ones, 0 to 1.
        before: mean absolute error of the model in the bodies held out, HU; None without any.
        after: of the adapted model.
    """

    checkpoint: Path
    pairs: int
    held_out: int
    share: float
    before: float | None
    after: float | None

    @property
    def text(self) -> str:
        """In words."""
        if self.before is None or self.after is None:
            return (
                f"adapted to {self.pairs} pair; none was held out, so the weights went half the way. Give two or more "
                "pairs to have the result checked"
            )
        errors = f"{self.before:.1f} HU before, {self.after:.1f} HU after, on {self.held_out} held out"
        if not self.share:
            return f"nothing was gained, so the model was kept as it is ({errors})"
        return f"adapted to {self.pairs} of {self.pairs + self.held_out} pairs; mean absolute error {errors}"


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

    Pairs are found by patient and registered as `register_cohort` does, into `OUTPUT-registered`; MR and CT that lie on
    one grid are taken to be registered. A quarter of the patients, one at least of two or more, is held out. The
    weights go so far towards the trained ones as the mean error on those gets less, and that of none of them more.

    Args:
        model: a run, checkpoint or shipped model.
        output: the run's folder, new or empty unless `resume`.
        mr: a folder of MR, or one MR.
        ct: the same of CT, of the same patients.
        overrides: `key=value`, above what is usual here.
        resume: go on with an interrupted training in `output`.
        resample_irregular: rebuild irregular series.
        ct_offset: what to take off CT that have something added to their HU.
        progress: is called after every step with how much is done, 0 to 1, and a note.
        say: takes what is told.

    Returns:
        What became of it; the same is in `OUTPUT/adaptation.json`.

    Raises:
        UsageError: if the call is wrong, or no patient is in both folders.
        DataError: if no pair can be registered or used, or the training fails.
        BadCheckpoint: if the model can't be used.
    """
    require_run_folder(output, resume=resume)
    initial = InitialModel.load(model)
    settings = _settings(initial.saved, overrides)
    cohort = _registered(mr, ct, output, say, resample_irregular=resample_irregular, ct_offset=ct_offset)
    settings = _with_split(settings, len({source.patient for source in cohort.ct}))
    say(f"initialised from {told_of(initial.path)}: {', '.join(initial.require_fitting(settings))}")
    fabric = make_fabric(settings.training)
    with fabric.rank_zero_first():
        store = store_for_training(settings.data, cohort, output)
    training, held_out = split_store(store, settings.data)
    say(f"adapting to {_count(training)} registered pairs, {_count(held_out)} held out, prepared in {store.root}")
    start = None if resume else initial
    result = train(settings, store, output, resume=resume, init_from=start, fabric=fabric, progress=progress)
    made = _blended(initial.saved, load_method(result.checkpoint), training, held_out, output, fabric.device)
    write_text(output / REPORT, json.dumps(asdict(made) | {"checkpoint": BEST.as_posix()}, indent=1))
    return made


def _settings(saved: SavedMethod, overrides: Sequence[str]) -> Config:
    """The model's own data and networks, and what is usual here."""
    if "target" not in saved.method.generators:
        raise UsageError("this model makes no CT from MR; give another one")
    own = saved.config.model_dump(mode="json")
    planned = {section: dict(own[section]) for section in ("data", "randomize", "network")}
    for section, keys in SETTINGS.items():
        planned[section] = planned.get(section, {}) | keys
    for key in OF_SPLIT:
        planned["data"].pop(key)
    by_hand: dict[str, dict[str, Any]] = {}
    for key, value in map(check_override, overrides):
        section, _, name = key.partition(".")
        by_hand.setdefault(section, {})[name] = value
    return parse_planned(planned, by_hand, "adapt")


def _with_split(settings: Config, patients: int) -> Config:
    """With patients held out, unless there is one alone, or the user has said which."""
    data = settings.data
    if patients < 2 or data.split_file or data.folds or data.validation_fraction:
        return settings
    return settings.model_copy(update={"data": data.model_copy(update={"validation_fraction": HELD_OUT})})


def _registered(mr: Path, ct: Path, output: Path, say: Callable[[str], None], **how: Any) -> Cohort:
    """The MR, and on the grid of each the CT of its patient."""
    cohort = find_cohort(mr, ct, **how)
    pairs, refused = match_patients(cohort.mr, cohort.ct, onto="mr")
    for name, reason in refused.items():
        log.warning("left out: %s: %s", name, reason)
    if pairs and all(_on_one_grid(*pair) for pair in pairs):
        return _cohort_of(dict(pairs), cohort)
    folder = output.with_name(f"{output.name}-registered")
    try:
        written = register_cohort(mr, ct, folder, say=say, **how)
    except DataError as error:
        written = [path for fixed, _ in pairs if (path := folder / registered_name(fixed.name, "mr")).is_file()]
        if not written:
            raise
        log.warning("%s", error)
    names = {stem(path): path for path in written}
    return _cohort_of(
        {fixed: Source(fixed.name, names[fixed.name]) for fixed, _ in pairs if fixed.name in names}, cohort
    )


def _cohort_of(pairs: Mapping[Source, Source], found: Cohort) -> Cohort:
    """MR and CT, of which each CT has its MR's patient."""
    ct = tuple(replace(moving, subject=fixed.patient) for fixed, moving in pairs.items())
    return Cohort(tuple(pairs), ct, found.folders)


def _on_one_grid(fixed: Source, moving: Source) -> bool:
    try:
        return fixed.grid().is_close(moving.grid())
    except DataError:
        return False


def _count(store: Store) -> int:
    try:
        return len(registered_cases(store))
    except DataError:
        return 0


def _blended(
    start: SavedMethod, trained: SavedMethod, training: Store, held_out: Store, output: Path, device: torch.device
) -> Adaptation:
    """The best model between the two, written as the run's best."""
    method, config = trained.method.to(device), trained.config
    generator = method.generators["target"]
    last = {name: value.clone() for name, value in generator.state_dict().items()}
    ends = (start.method.generators["target"].to(device).state_dict(), last)
    seen = registered_cases(held_out) if _count(held_out) else []
    predictor = ImagePredictor(method, config.geometry, trained.intensity, "ct", Options(), device)
    errors: dict[float, list[float]] = {}
    for share in SHARES if seen else ():
        _put(generator, ends, share)
        errors[share] = [_error(predictor, mr, ct) for mr, ct in seen]
    share = _best(errors) if errors else UNCHECKED
    _put(generator, ends, share)
    learned: dict[str, Any] = {"mr": len(training.mr), "ct": len(training.ct)}
    calibration = start.calibration
    if errors:
        learned |= {"score": float(np.mean(errors[share])), "kind": "mae", "constant": _constant(seen, predictor)}
        validator = Validator(config, training, held_out, trained.intensity, device)
        calibration = validator.calibration(method).to_dict()
    profiles = {kind: [*start.profiles.get(kind, ()), *seen] for kind, seen in trained.profiles.items()}
    path = output / BEST
    save_method(
        replace(trained, method=method.cpu(), profiles=profiles, calibration=calibration, learned=learned), path
    )
    before, after = (float(np.mean(errors[one])) if errors else None for one in (0.0, share))
    return Adaptation(path, _count(training), len(seen), share, before, after)


def _best(errors: Mapping[float, Sequence[float]]) -> float:
    """The share with the least mean error of those that make no patient's error larger than it was at 0."""
    fair = [share for share, each in errors.items() if np.all(np.array(each) <= np.array(errors[0.0]))]
    return min(fair, key=lambda share: float(np.mean(errors[share])))


def _put(generator: nn.Module, ends: Sequence[Mapping[str, Tensor]], share: float) -> None:
    """Give a generator weights between two ends; what is no real number is the first one's."""
    first, last = ends
    generator.load_state_dict(
        {
            name: torch.lerp(value, last[name], share) if value.is_floating_point() else value
            for name, value in first.items()
        }
    )


def _error(predictor: ImagePredictor, mr: StoredCase, ct: StoredCase) -> float:
    """Mean absolute error in the body, HU."""
    body = np.asarray(mr.body)
    made = predictor.to_units(predictor.translate(np.asarray(mr.image, np.float32), body))
    real = ct.intensity.inverse(np.asarray(ct.image, np.float32))
    inside = body & np.asarray(ct.body)
    return float(np.abs(made - real)[inside].mean())


def _constant(pairs: Sequence[tuple[StoredCase, StoredCase]], predictor: ImagePredictor) -> float:
    """The error of one CT number for all of the body, HU."""
    found = []
    for _, ct in pairs:
        real = predictor.intensity.inverse(np.asarray(ct.image, np.float32))[np.asarray(ct.body)]
        found.append(float(np.abs(real - real.mean()).mean()))
    return float(np.mean(found))
