"""Many cases, from files to files."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from medcycle.errors import DataError, EmptyFolder, UsageError
from medcycle.io.discover import Source, discover
from medcycle.methods.saved import checkpoint_of, load_method
from medcycle.synthesis.outputs import Outputs, require_absent
from medcycle.synthesis.style import styles_for
from medcycle.synthesis.translate import require_direction
from medcycle.synthesis.works import Order, Task, Works, is_file

__all__ = ["synthesize_path"]

log = logging.getLogger(__name__)


def synthesize_path(run_or_checkpoint: Path, input_path: Path, output: Path, order: Order | None = None) -> list[Path]:
    """Translate every volume at `input_path`.

    The next volume is read, and the last one written, while one is computed, unless they are large. What is there
    already, made of the same data in the same way, is left as it is.

    Args:
        run_or_checkpoint: a run's folder or a checkpoint.
        input_path: an image file, a DICOM series folder or a folder of cases.
        output: a folder that gets one folder a case, or, for one case, a file ending in .nii.gz.
        order: what is wanted; by default CT as NIfTI.

    Returns:
        Where the results are: the case folders, or the file.

    Raises:
        UsageError: if a path is missing, the file is there already, or the call contradicts itself.
        BadCheckpoint: if a checkpoint can't be used.
        DataError: if there is no volume, or some could not be translated; the others are written all the same.
    """
    order = order or Order()
    checkpoints = [checkpoint_of(path, to=order.to) for path in (run_or_checkpoint, *order.ensemble)]
    sources = discover(input_path, resample_irregular=order.resample_irregular)
    if not sources:
        raise EmptyFolder(f"{input_path}: no volumes (.nii, .nii.gz, .nrrd, .mha or DICOM series); check the path")
    targets = _targets(sources, output, order)
    _require_series(sources, input_path, order.outputs)
    models = [load_method(checkpoint) for checkpoint in checkpoints]
    for model in models:
        require_direction(model, order.to)
    styles = styles_for(models[0], order.to, order.style, order.samples)
    if len(models) > 1 and styles != [None]:
        raise UsageError("--style and --samples are for one run; leave out --ensemble")
    wanted = [(source, style) for source in sources for style in styles]
    tasks = [Task(*one, target) for one, target in zip(wanted, targets, strict=True)]
    works = Works(checkpoints, models, order)
    works.through(tasks)
    _report(works, len(tasks))
    return [task.target for task in tasks]


def _report(works: Works, total: int) -> None:
    if works.kept:
        log.warning("%d of %d were there already, made of the same data in the same way", works.kept, total)
    reasons = list(works.failed.values())
    if not reasons:
        return
    if total == 1:
        raise DataError(reasons[0])
    for reason in reasons:
        log.warning("not translated: %s", reason)
    done = total - len(reasons)
    raise DataError(f"{len(reasons)} of {total} volumes not translated, {done} done; the first: {reasons[0]}")


def _targets(sources: Sequence[Source], output: Path, order: Order) -> list[Path]:
    samples, written = order.samples, order.outputs.format
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
    require_absent(output)
    return [output]


def _require_series(sources: Sequence[Source], given: Path, outputs: Outputs) -> None:
    """Raise `UsageError` unless there are DICOM series where they are needed, and one alone for a structure set."""
    if outputs.rtstruct and len(sources) > 1:
        raise UsageError(f"--rtstruct is of one volume; {given} holds {len(sources)}, give the folder of one")
    if (outputs.rtstruct or outputs.deidentify) and not all(source.series for source in sources):
        raise UsageError(f"{given}: --rtstruct and --deidentify need DICOM series; for other files see `to-dicom`")
