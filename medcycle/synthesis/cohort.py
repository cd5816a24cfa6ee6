"""Many cases, from files to files."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import torch

from medcycle.body import Modality
from medcycle.data.vetting import vet
from medcycle.errors import DataError, EmptyFolder, UsageError
from medcycle.inference import best_device
from medcycle.io.discover import Source, discover
from medcycle.io.files import sha256_of
from medcycle.io.nifti import write_nifti
from medcycle.methods.saved import SavedMethod, checkpoint_of, load_method
from medcycle.progress import ProgressLine
from medcycle.synthesis.options import Options
from medcycle.synthesis.outputs import Outputs, key_of, require_absent, write_case
from medcycle.synthesis.style import Style, styles_for
from medcycle.synthesis.translate import SOURCE_OF, Synthesis, require_direction, synthesize
from medcycle.volume import Volume

__all__ = ["Order", "devices_of", "synthesize_path"]

log = logging.getLogger(__name__)

LARGE = 2**25
"""Voxels of a volume beside which no other is held in memory, to be read ahead or written behind."""

BY_CASE = (DataError, OSError, MemoryError, torch.OutOfMemoryError)
"""What is wrong with one case, and may not be with the next."""


@dataclass(frozen=True)
class Order:
    """What is wanted of a run and some volumes.

    Args:
        to: the modality to make.
        outputs: what is written of each.
        options: how they are translated.
        style: a seed, or a volume whose style is taken, for methods with styles; see `styles_for`.
        samples: how many outputs each volume has, in random styles; several go to folders CASE_1, CASE_2, ....
        ensemble: more runs or checkpoints, whose results are fused with those of the first.
        devices: what to compute on, a case on each at a time; none for the best there is.
        resample_irregular: rebuild DICOM series with gaps or varying slice distances instead of refusing them.
    """

    to: Modality = "ct"
    outputs: Outputs = field(default_factory=Outputs)
    options: Options = field(default_factory=Options)
    style: str | None = None
    samples: int = 1
    ensemble: tuple[Path, ...] = ()
    devices: tuple[torch.device, ...] = ()
    resample_irregular: bool = False


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
    tasks = [_Task(*one, target) for one, target in zip(wanted, targets, strict=True)]
    works = _Works(checkpoints, models, order)
    works.through(tasks)
    _report(works, len(tasks))
    return [task.target for task in tasks]


@dataclass(frozen=True)
class _Task:
    """One output."""

    source: Source
    style: Style | None
    target: Path

    @property
    def is_large(self) -> bool:
        """Whether it should have the memory for itself."""
        try:
            return math.prod(self.source.grid().shape) > LARGE
        except DataError:  # which is told when it is read
            return False


@dataclass
class _Read:
    """A volume, and the key of all that its output depends on; no volume if there is such an output already."""

    key: str
    volume: Volume | None

    def taken(self) -> Volume:
        """The volume, which is kept here no longer: a large one is let go of as soon as it is not needed."""
        volume, self.volume = self.volume, None
        assert volume is not None
        return volume


class _Works:
    """Reads, computes and writes at the same time.

    Attributes:
        failed: the tasks that nothing was made of, with the reasons.
        kept: how many outputs were there already.
    """

    def __init__(self, checkpoints: Sequence[Path], models: Sequence[SavedMethod], order: Order) -> None:
        self.checkpoints, self.models, self.order = checkpoints, models, order
        self.described = [
            {"path": path.name, "sha256": sha256_of(path), "step": model.step}
            for path, model in zip(checkpoints, models, strict=True)
        ]
        self.failed: dict[_Task, str] = {}
        self.kept = 0
        self._lock = threading.Lock()

    def through(self, tasks: Sequence[_Task]) -> None:
        """Do all of the tasks."""
        devices = self.order.devices or (best_device(),)
        with (
            ThreadPoolExecutor(1) as self.reader,
            ThreadPoolExecutor(1) as self.writer,
            ProgressLine("synthesizing", len(tasks)) as self.progress,
        ):
            given = self._read_ahead(tasks, len(devices))
            if len(devices) == 1:  # in this thread, so that Ctrl-C ends it at once
                self._on(devices[0], self.models, given)
                return
            with ThreadPoolExecutor(len(devices)) as pool:
                others = [pool.submit(self._on, device, None, given) for device in devices[1:]]
                for done in (pool.submit(self._on, devices[0], self.models, given), *others):
                    done.result()

    def _read_ahead(self, tasks: Sequence[_Task], ahead: int) -> Iterator[tuple[_Task, Future[_Read]]]:
        waiting: list[tuple[_Task, Future[_Read]]] = []
        for task in tasks:
            if task.is_large:
                yield from waiting
                waiting = []
                yield task, self.reader.submit(self._read, task)
                continue
            waiting.append((task, self.reader.submit(self._read, task)))
            if len(waiting) > ahead:
                yield waiting.pop(0)
        yield from waiting

    def _read(self, task: _Task) -> _Read:
        key = self._key(task)
        if task.target.exists():
            if key_of(task.target) == key:
                return _Read(key, None)
            raise DataError(f"{task.target}: made of other data or in another way; delete it, or give another output")
        volume = task.source.read()
        vet(task.source, volume, SOURCE_OF[self.order.to])
        return _Read(key, volume)

    def _key(self, task: _Task) -> str:
        """What the output depends on."""
        order = self.order
        given = [[sha256_of(file) for file in task.source.files], order.resample_irregular, self.described]
        wanted = [order.to, order.outputs.to_dict(), order.options.to_dict(), task.style]
        return hashlib.sha256(json.dumps([*given, *wanted]).encode()).hexdigest()

    def _on(
        self, device: torch.device, models: Sequence[SavedMethod] | None, given: Iterator[tuple[_Task, Future[_Read]]]
    ) -> None:
        """Take one volume after the other, until there is none left."""
        models = models or [load_method(checkpoint) for checkpoint in self.checkpoints]
        writing: Future[None] | None = None
        while True:
            with self._lock:
                task, read = next(given, (None, None))
            if task is None or read is None:
                break
            try:
                made = self._synthesized(task, read.result(), models, device)
            except BY_CASE as error:
                self._done(task, error)
                continue
            if writing:
                writing.result()
            if made:
                writing = self.writer.submit(self._write, task, made, read.result().key)
            if writing and task.is_large:
                writing.result()
            del made
        if writing:
            writing.result()

    def _synthesized(
        self, task: _Task, read: _Read, models: Sequence[SavedMethod], device: torch.device
    ) -> Synthesis | None:
        """What is made of a volume; None if it is there already."""
        if read.volume is None:
            self.kept += 1
            self._done(task)
            return None
        try:
            made = synthesize(read.taken(), models, self.order.to, self.order.options, style=task.style, device=device)
        except DataError as error:
            raise type(error)(f"{task.source.path}: {error}") from error
        for warning in made.warnings:
            log.warning("%s: %s", task.source.name, warning)
        return made

    def _write(self, task: _Task, made: Synthesis, key: str) -> None:
        try:
            if _is_file(task.target):
                write_nifti(made.volume, task.target)
            else:
                how = {"key": key, "checkpoints": self.described, "options": self.order.options.to_dict()}
                write_case(made, task.source, task.target, to=self.order.to, outputs=self.order.outputs, how=how)
        except BY_CASE as error:
            self._done(task, error)
        else:
            self._done(task)

    def _done(self, task: _Task, error: BaseException | None = None) -> None:
        with self._lock:
            if error:
                self.failed[task] = str(error) or type(error).__name__
            self.progress.advance(task.source.name)


def devices_of(given: str) -> tuple[torch.device, ...]:
    """The devices meant by `auto`, all accelerators, or by names with commas between, as `cuda:0,cuda:1` or `cpu`.

    Raises:
        UsageError: if there is no such device.
    """
    if given == "auto":
        best = best_device()
        count = torch.accelerator.device_count() if best.type != "cpu" else 0
        return tuple(torch.device(best.type, number) for number in range(count)) or (best,)
    found = []
    for name in given.split(","):
        try:
            device = torch.device(name.strip())
            torch.empty(1, device=device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise UsageError(f"--device {name}: no such device here; auto takes what there is") from error
        found.append(device)
    return tuple(found)


def _report(works: _Works, total: int) -> None:
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
    if not _is_file(output):
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


def _is_file(output: Path) -> bool:
    return output.name.endswith(".nii.gz")
