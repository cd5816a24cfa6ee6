"""One case or a folder of them, from files to files."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from medcycle.data.vetting import vet
from medcycle.errors import DataError, EmptyFolder, UsageError
from medcycle.inference import Windows
from medcycle.io.discover import Source, discover
from medcycle.io.nifti import write_nifti
from medcycle.methods.saved import SavedMethod, checkpoint_of, load_method
from medcycle.progress import ProgressLine
from medcycle.synthesis.options import Options
from medcycle.synthesis.outputs import OutputFormat, require_absent, write_case
from medcycle.synthesis.style import Style, styles_for
from medcycle.synthesis.translate import SOURCE_OF, Synthesis, require_direction, synthesize

__all__ = ["synthesize_path"]

log = logging.getLogger(__name__)


def synthesize_path(  # noqa: PLR0913 - most are named
    run_or_checkpoint: Path,
    input_path: Path,
    output: Path,
    *,
    to: Literal["ct", "mr"],
    output_format: OutputFormat = "nifti",
    batch_size: int = 8,
    style: str | None = None,
    samples: int = 1,
    resample_irregular: bool = False,
) -> list[Path]:
    """Translate every volume at `input_path`.

    Args:
        run_or_checkpoint: a run's folder or a checkpoint.
        input_path: an image file, a DICOM series folder or a folder of cases.
        output: a folder that gets one folder a case, or, for one case, a file ending in .nii.gz.
        to: the modality to make.
        output_format: what to write into a case's folder.
        batch_size: slices or windows computed together.
        style: a seed, or a volume whose style is taken, for methods with styles; see `styles_for`.
        samples: how many outputs each volume has, in random styles; several go to folders CASE_1, CASE_2, ....
        resample_irregular: rebuild DICOM series with gaps or varying slice distances instead of refusing them.

    Returns:
        What was written: the case folders, or the file.

    Raises:
        UsageError: if a path is missing, an output is there already, or the call contradicts itself.
        BadCheckpoint: if the checkpoint can't be used.
        DataError: if there is no volume, or some could not be translated; the others are written all the same.
    """
    checkpoint = checkpoint_of(run_or_checkpoint, to=to)
    sources = discover(input_path, resample_irregular=resample_irregular)
    if not sources:
        raise EmptyFolder(f"{input_path}: no volumes (.nii, .nii.gz, .nrrd, .mha or DICOM series); check the path")
    targets = _targets(sources, output, to, output_format, samples)
    saved = load_method(checkpoint)
    require_direction(saved, to)
    styles = styles_for(saved, to, style, samples)
    identity = {"path": checkpoint.name, "sha256": _sha256(checkpoint), "step": saved.step}
    written: list[Path] = []
    failed: list[str] = []
    wanted = [(source, drawn) for source in sources for drawn in styles]
    with ProgressLine("synthesizing", len(wanted)) as progress:
        for (source, drawn), target in zip(wanted, targets, strict=True):
            try:
                synthesis = _translate(source, saved, to, batch_size, drawn)
            except DataError as error:
                failed.append(str(error))
            else:
                if _is_file(target):
                    write_nifti(synthesis.volume, target)
                else:
                    write_case(synthesis, source, target, to=to, output_format=output_format, checkpoint=identity)
                written.append(target)
            progress.advance(source.name)
    _report(failed, len(wanted), written)
    return written


def _translate(
    source: Source, saved: SavedMethod, to: Literal["ct", "mr"], batch_size: int, style: Style | None
) -> Synthesis:
    volume = source.read()
    vet(source, volume, SOURCE_OF[to])
    try:
        return synthesize(volume, saved, to, Options(windows=Windows(batch_size)), style=style)
    except DataError as error:
        raise type(error)(f"{source.path}: {error}") from error


def _report(failed: Sequence[str], total: int, written: Sequence[Path]) -> None:
    if not failed:
        return
    if total == 1:
        raise DataError(failed[0])
    for reason in failed:
        log.warning("not translated: %s", reason)
    raise DataError(f"{len(failed)} of {total} volumes not translated, {len(written)} written; the first: {failed[0]}")


def _targets(sources: Sequence[Source], output: Path, to: str, output_format: OutputFormat, samples: int) -> list[Path]:
    if to == "mr" and output_format != "nifti":
        raise UsageError("--format dicom writes CT series only; leave it out with --to mr")
    if not _is_file(output):
        ends = [f"_{number + 1}" for number in range(samples)] if samples > 1 else [""]
        targets = [output / f"{source.name}{end}" for source in sources for end in ends]
    elif samples > 1:
        raise UsageError(f"{output}: one file for {samples} samples; give a folder")
    elif len(sources) > 1:
        raise UsageError(f"{output}: one file for {len(sources)} volumes; give a folder")
    elif output_format != "nifti":
        raise UsageError(f"{output}: a .nii.gz file can't hold DICOM; give a folder")
    else:
        targets = [output]
    for target in targets:
        require_absent(target)
    return targets


def _is_file(output: Path) -> bool:
    return output.name.endswith(".nii.gz")


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
