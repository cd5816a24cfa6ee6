"""From scans and the name of a configuration to a trained run."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from medcycle.cohort.cohort import Cohort, require_patients_in_both
from medcycle.cohort.for_training import open_scans, store_for_training
from medcycle.config import Choice, Config, check_override, load_config, load_stored, told_briefly
from medcycle.dataset.store import Store
from medcycle.errors import UsageError
from medcycle.io.locks import require_unlocked
from medcycle.planning.automatic import AUTO, keep_plan, require_readable, settings_for
from medcycle.planning.initial import settings_shared
from medcycle.planning.plan import Device, chosen_here
from medcycle.progress import is_first_process
from medcycle.training.initial_model import InitialModel, start_of
from medcycle.training.loop import TrainingResult, train
from medcycle.training.run_folder import require_run_folder, store_of_run
from medcycle.training.runtime import make_fabric, precision_for
from medcycle.training.trackers import require_trackers

__all__ = ["begin"]


def begin(  # noqa: PLR0913 - what a training can be told
    config: str,
    output: Path,
    *,
    mr: Path | None = None,
    ct: Path | None = None,
    store: Path | None = None,
    overrides: Sequence[str] = (),
    choice: Choice | None = None,
    init_from: Path | None = None,
    from_scratch: bool = False,
    resume: bool = False,
    resample_irregular: bool = False,
    ct_offset: float = 0.0,
    progress: Callable[[float, str], None] | None = None,
    say: Callable[[str], None] = lambda _text: None,
) -> TrainingResult:
    """Vet and prepare scans, plan if that is wanted, and train.

    Args:
        config: a configuration's name or file, or `auto`.
        output: the run's folder.
        mr: a folder of MR.
        ct: a folder of CT.
        store: a prepared store, instead.
        overrides: `key=value`.
        choice: method, dimensions and device.
        init_from: a run, checkpoint or shipped model whose networks to start from; None for the configuration's.
        from_scratch: start from new networks, whatever the configuration says.
        resume: go on with the run in `output`.
        resample_irregular: rebuild irregular series.
        ct_offset: what to take off CT that have something added to their HU.
        progress: is called after every step with how much is done, 0 to 1, and a note.
        say: takes what is told of the settings and the store.

    Raises:
        UsageError: if a GPU is chosen and there is none.
        UsageError, DataError: as `open_scans`, `settings_for` and `train` do.
    """
    chosen = chosen_here(choice or Choice())
    Device.here(chosen.device)
    if is_first_process():
        require_unlocked(output)
    require_run_folder(output, resume=resume)
    _require_one_start(init_from, from_scratch=from_scratch, resume=resume)
    if resume:
        overrides = [*overrides, _as_begun(output)]
    else:
        init_from = init_from or _named(overrides)
    given = InitialModel.load(init_from) if init_from else None
    if init_from or from_scratch:
        overrides = [*overrides, f"training.init_from={json.dumps(str(init_from) if init_from else None)}"]
    shared = settings_shared(given.saved.config) if given and config == "auto" else None
    if resume and store is None:
        store, mr, ct = store_of_run(output), None, None  # not what the folders hold by now
    require_readable(config, overrides, chosen)
    pictures = config != AUTO and load_config(config, overrides, chosen).data.pictures
    scans = open_scans(store, mr, ct, resample_irregular=resample_irregular, ct_offset=ct_offset, pictures=pictures)
    settings, plan = settings_for(config, overrides, scans, known=output, init_from=shared, choice=chosen)
    precision_for(settings.training)  # wrong settings are told before the scans are prepared
    require_trackers(settings)
    if not plan:
        say(f"{told_briefly(config, settings, chosen)}all keys are saved in {output / 'config.yaml'}")
    initial, settings = (None, settings) if resume else start_of(settings, given, say)
    if settings.method.needs_registered and settings.needs_source and isinstance(scans, Cohort):
        require_patients_in_both(scans)
    fabric = make_fabric(settings.training)  # from here on there are as many processes as devices
    with fabric.rank_zero_first():
        prepared = store_for_training(settings.data, scans, output)
        if plan:
            say(f"{plan.text()}planned, with reasons: {keep_plan(plan, prepared)}")
    say(f"training on {_contents(prepared, settings)}, prepared in {prepared.root}")
    return train(settings, prepared, output, resume=resume, init_from=initial, fabric=fabric, progress=progress)


def _contents(store: Store, settings: Config) -> str:
    if not settings.data.pictures:
        return store.contents
    counts = zip((store.mr, store.ct), settings.data.domains, strict=True)
    return " and ".join(f"{len(cases)} pictures of {name}" for cases, name in counts)


def _require_one_start(init_from: Path | None, *, from_scratch: bool, resume: bool) -> None:
    """Raise `UsageError` where a run would start from several things."""
    if resume and init_from:
        raise UsageError("--resume continues with the run's own networks; leave out --init-from")
    if init_from and from_scratch:
        raise UsageError("--init-from and --from-scratch can't be combined; give one of them")


def _as_begun(run: Path) -> str:
    """The override that names what a run was initialised from."""
    config = run / "config.yaml"
    began = load_stored(config).training.init_from if config.is_file() else None
    return f"training.init_from={json.dumps(began)}"


def _named(overrides: Sequence[str]) -> Path | None:
    """The model that overrides name, which has to fit as one of --init-from has."""
    given = dict(check_override(override) for override in overrides).get("training.init_from")
    return None if given is None else Path(given)
