"""Many cases, from files to files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import NoReturn

from medcycle.body import Modality
from medcycle.errors import DataError, EmptyFolder, UsageError, WrongRegion
from medcycle.failures import write_failures
from medcycle.inference import require_direction
from medcycle.io.dicom.export import require_site_possible
from medcycle.io.dicom.hidden import hidden_names
from medcycle.io.dicom.pixels import read_dataset
from medcycle.io.dicom.rtstruct import read_structure_set, require_same_space
from medcycle.io.discover import VOLUME_SUFFIXES, Source, survey
from medcycle.io.files import remove_torn, require_absent, require_writable
from medcycle.io.locks import locked
from medcycle.methods.checkpoint import SavedMethod, checkpoint_of, facts_of, load_method, told_of
from medcycle.methods.held_out import held_out_names
from medcycle.progress import remark
from medcycle.synthesis.order import Order, Task, is_file
from medcycle.synthesis.outputs import Outputs, is_output
from medcycle.synthesis.pseudonyms import pseudonymous, told_as, write_names
from medcycle.synthesis.runner import BatchRunner
from medcycle.synthesis.styles import styles_for

__all__ = ["synthesize_path"]

log = logging.getLogger(__name__)


def synthesize_path(
    run_or_checkpoint: Path,
    input_path: Path,
    output: Path,
    order: Order | None = None,
    *,
    say: Callable[[str], None] | None = None,
) -> list[Path]:
    """Translate every volume at `input_path`.

    The next volume is read, and the last one written, while one is computed, unless they are large. What is there
    already, made of the same data in the same way, is left as it is.

    Args:
        run_or_checkpoint: a run's folder or a checkpoint.
        input_path: an image file, a DICOM series folder or a folder of cases.
        output: a folder that gets one folder a case, or, for one case, a file ending in .nii.gz.
        order: what is wanted; by default CT as NIfTI.
        say: called with what is translated with: the checkpoints, and how much each has learned.

    Returns:
        Where the results are: the case folders, or the file.

    Raises:
        UsageError: if a path is missing, the file is there already, or the call contradicts itself.
        BadCheckpoint: if a checkpoint can't be used.
        DataError: if there is no volume, or some could not be translated, unless the order says to keep going; the
            others are written all the same.
    """
    order = order or Order()
    checkpoints = [checkpoint_of(path, to=order.to) for path in (run_or_checkpoint, *order.ensemble)]
    sources = _sources(input_path, output, order)
    if order.held_out:
        sources = _held_out(sources, run_or_checkpoint, order)
    if not (how := order.outputs.deidentify):
        return _synthesized(checkpoints, sources, output, order, say, given=input_path)
    coded = pseudonymous(sources, how)
    with hidden_names(told_as(coded)) as in_code:
        return _synthesized(checkpoints, coded, output, order, say, given=input_path, owners=sources, in_code=in_code)


def _synthesized(
    checkpoints: Sequence[Path],
    sources: Sequence[Source],
    output: Path,
    order: Order,
    say: Callable[[str], None] | None,
    *,
    given: Path,
    owners: Sequence[Source] = (),
    in_code: Callable[[str], str] = str,
) -> list[Path]:
    targets = _targets(sources, output, order)
    _require_series(sources, given, order.outputs)
    if site := order.outputs.site:
        require_site_possible(site, order.to, order.outputs.rtstruct, order.outputs.deidentify)
    require_writable(output)
    remove_torn(output)
    if owners:
        write_names(sources, owners, given, output)
    models = [_loaded(checkpoint, order, say) for checkpoint in checkpoints]
    styles = styles_for(models[0], order.to, order.style, order.samples)
    if len(models) > 1 and styles != [None]:
        raise UsageError("--style and --samples work with a single run only; leave out --ensemble")
    wanted = [(source, style) for source in sources for style in styles]
    tasks = [Task(*one, target) for one, target in zip(wanted, targets, strict=True)]
    runner = BatchRunner(checkpoints, models, order)
    if order.shard:
        tasks = order.shard.part((task.source.name, task) for task in tasks)
    with locked(order.shard.place_in(output)) if order.shard else nullcontext():
        runner.through(tasks)
    failures = _reported(runner, len(tasks))
    if order.keep_going and not is_file(output):
        write_failures({name: in_code(reason) for name, reason in failures.items()}, output, order.shard)
    if failures and not (order.keep_going and runner.only_refused):
        _raise(runner, failures, len(tasks))
    return [task.target for task in tasks if task not in runner.failed]


def _loaded(checkpoint: Path, order: Order, say: Callable[[str], None] | None) -> SavedMethod:
    """A model that can do what is wanted; what it has learned is said."""
    model = load_method(checkpoint)
    if model.config.data.pictures:
        raise UsageError(f"{checkpoint}: trained on pictures; give a picture, or a folder with pictures and no volume")
    require_direction(model, order.to)
    facts = facts_of(model)
    if say:
        say(f"translating with {told_of(checkpoint)}: {facts.text}")
    if order.to == "ct" and facts.warning:
        log.warning("%s: %s", checkpoint, facts.warning)
    return model


def _sources(input_path: Path, output: Path, order: Order) -> list[Source]:
    """The volumes of the input but those that an earlier call made, with a warning of what is no volume."""
    found = survey(input_path, resample_irregular=order.resample_irregular, ct_offset=order.ct_offset)
    if not order.outputs.deidentify:
        found.warn_of_skipped()
    elif found.skipped:  # by their names, and descriptions, which may tell the patient's
        log.warning("%d files and series contain no volume; `medcycle inspect` lists them", len(found.skipped))
    if not found.sources:
        raise EmptyFolder(f"{input_path}: no volumes (.nii, .nii.gz, .nrrd, .mha or DICOM series); check the path")
    sources = [source for source in found.sources if not is_output(source.path, output, input_path)]
    if made := len(found.sources) - len(sources):
        log.warning("%s: %d volumes written by an earlier call are skipped", output, made)
    if not sources:
        raise EmptyFolder(f"{input_path}: contains only medcycle's own outputs; give the folder of the source scans")
    return sources


def _held_out(sources: Sequence[Source], run: Path, order: Order) -> list[Source]:
    """The volumes that a run was validated on."""
    kind: Modality = "mr" if order.to == "ct" else "ct"
    names = held_out_names(run, kind)
    found = [source for source in sources if source.name in names]
    if not found:
        raise UsageError(f"{run}: none of its {len(names)} held-out {kind.upper()} are among the {len(sources)} given")
    return found


def _reported(runner: BatchRunner, total: int) -> dict[str, str]:
    """What was kept and what failed, said; and the reasons of the latter by the names of their sources."""
    if runner.kept:
        remark(f"{runner.kept} of {total} exist already, made from the same data with the same settings; they are kept")
    if any(isinstance(error, WrongRegion) for error in runner.failed.values()):
        log.warning("scans of another region are refused; --any-region translates them all the same")
    reasons = {task.source.name: str(error) for task, error in runner.failed.items()}
    if total > 1 or runner.order.keep_going:
        for name, reason in reasons.items():
            log.warning("not translated: %s: %s", name, reason)
    return reasons


def _raise(runner: BatchRunner, failures: Mapping[str, str], total: int) -> NoReturn:
    first = next(iter(runner.failed.values()))
    if total == 1:
        raise first
    failed, (name, reason) = len(runner.failed), next(iter(failures.items()))
    message = f"{failed} of {total} volumes not translated, {total - failed} done; first failure: {name}: {reason}"
    raise DataError(message) from first


def _targets(sources: Sequence[Source], output: Path, order: Order) -> list[Path]:
    samples, written = order.samples, order.outputs.format
    if output.name.endswith(VOLUME_SUFFIXES) and not is_file(output) and not output.is_dir():
        raise UsageError(f"{output}: single files are written as .nii.gz only; give such a name, or a folder")
    if not is_file(output):
        ends = [f"_{number + 1}" for number in range(samples)] if samples > 1 else [""]
        return [output / f"{source.name}{end}" for source in sources for end in ends]
    if samples > 1:
        raise UsageError(f"{output}: one file for {samples} samples; give a folder")
    if len(sources) > 1:
        raise UsageError(f"{output}: one file for {len(sources)} volumes; give a folder")
    if written != "nifti":
        raise UsageError(f"{output}: a .nii.gz file can't hold DICOM; give a folder")
    if order.options.uncertainty:
        raise UsageError(f"{output}: one file can't hold the uncertainty as well; give a folder")
    if order.shard:
        raise UsageError(f"{output}: --shard is for a folder of cases; give a folder")
    require_absent(output)
    return [output]


def _require_series(sources: Sequence[Source], given: Path, outputs: Outputs) -> None:
    """Raise an error unless there are DICOM series where they are needed, and the one that a structure set is of."""
    if outputs.rtstruct and len(sources) > 1:
        raise UsageError(f"--rtstruct is for a single volume, but {given} holds {len(sources)}; give the folder of one")
    series = [source.series for source in sources if source.series]
    if (outputs.rtstruct or outputs.deidentify) and len(series) < len(sources):
        raise UsageError(f"{given}: --rtstruct and --deidentify need a DICOM series; for other files see `to-dicom`")
    if outputs.rtstruct:
        require_same_space(read_structure_set(outputs.rtstruct), read_dataset(series[0].files[0], pixels=False))
