"""Reads volumes, translates them, and writes the results, at the same time."""

from __future__ import annotations

import logging
import shutil
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from medcycle.body import values_of
from medcycle.cohort.vetting import vet
from medcycle.errors import CaseFailed, DataError, InUse, MedcycleError, UsageError
from medcycle.inference import Prediction, Predictor, best_device
from medcycle.io.files import sha256_of
from medcycle.io.locks import locked
from medcycle.io.nifti import write_nifti
from medcycle.isolation import as_data_error
from medcycle.methods.checkpoint import SavedMethod, doubts_of, facts_of, made_from
from medcycle.modality import SOURCE_OF
from medcycle.progress import ProgressLine
from medcycle.synthesis.order import Order, Task
from medcycle.synthesis.outputs import differences, digest, key_of, write_case
from medcycle.synthesis.styles import Style
from medcycle.volume import Volume

__all__ = ["BatchRunner"]

log = logging.getLogger(__name__)

VERSION = 3
"""Of what is computed: a change that gives other results raises it, or older outputs would be taken for the same."""


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


class BatchRunner:
    """Reads, computes and writes at the same time.

    Attributes:
        failed: the tasks that nothing was made of, with the errors.
        kept: how many outputs were there already.
    """

    def __init__(self, checkpoints: Sequence[Path], models: Sequence[SavedMethod], order: Order) -> None:
        self.checkpoints, self.models, self.order = checkpoints, models, order
        self.described = [
            {"path": path.name, "sha256": sha256_of(path), **asdict(facts_of(model))}
            for path, model in zip(checkpoints, models, strict=True)
        ]
        self._told = doubts_of(models, order.to)  # once, when the models were loaded
        self.failed: dict[Task, MedcycleError] = {}
        self.kept = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._alone = False

    def through(self, tasks: Sequence[Task]) -> None:
        """Do all of the tasks."""
        devices = self.order.devices or (best_device(),)
        self._alone = len(tasks) == 1
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
                others = [pool.submit(self._on, device, deepcopy(self.models), given) for device in devices[1:]]
                on_each = [pool.submit(self._on, devices[0], self.models, given), *others]
                try:
                    for done in as_completed(on_each):
                        done.result()
                finally:  # of an error or Ctrl-C: what is under way is the last
                    self._ended.set()

    @property
    def only_refused(self) -> bool:
        """Whether all that failed did so for what it holds, and not for lack of memory, by a disk or by a fault."""
        return not any(isinstance(error, CaseFailed | InUse) for error in self.failed.values())

    def _read_ahead(self, tasks: Sequence[Task], ahead: int) -> Iterator[tuple[Task, Future[_Read]]]:
        waiting: list[tuple[Task, Future[_Read]]] = []
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

    def _read(self, task: Task) -> _Read:
        key = digest(self._made_with(task))
        if self._is_there(task, key):
            return _Read(key, None)
        volume = task.source.read()
        vet(task.source, volume, values_of(SOURCE_OF[self.order.to], self.models[0].config.data.source))
        return _Read(key, volume)

    def _is_there(self, task: Task, key: str) -> bool:
        """Whether the output is there already. Raises `DataError` if there is another, which is not to be replaced."""
        if not task.target.exists():
            return False
        if (found := key_of(task.target)) == key:
            return True
        if found and self.order.replace:
            return False
        raise DataError(
            f"{task.target}: already exists, but {differences(task.target, self._made_with(task))}; delete it, "
            "pass --replace, or give another output"
        )

    def _made_with(self, task: Task) -> dict[str, Any]:
        """All that the output depends on, by name; plain values, files by their hashes."""
        order, options = self.order, self.order.options.to_dict()
        if all(model.config.network.spatial_dims == 2 for model in self.models):
            del options["windows"]
        return {
            "version of results": VERSION,
            "input": digest([sha256_of(file) for file in task.source.files]),
            "checkpoint": [model["sha256"] for model in self.described],
            "--to": order.to,
            "--resample-irregular": order.resample_irregular,
            "--ct-offset": order.ct_offset,
            "style": task.style,
            **{f"--{name}": value for name, value in order.outputs.to_dict().items()},
            **{f"--{name}": value for name, value in options.items()},
        }

    def _on(
        self, device: torch.device, models: Sequence[SavedMethod], given: Iterator[tuple[Task, Future[_Read]]]
    ) -> None:
        """Take one volume after the other, until there is none left."""
        writing: Future[None] | None = None
        while not self._ended.is_set():
            with self._lock:
                task, read = next(given, (None, None))
            if task is None or read is None:
                break
            made = self._attempted(task, read, models, device)
            if not made:
                continue
            if writing:
                writing.result()
            writing = self.writer.submit(self._write, task, made, read.result().key)
            if task.is_large:
                writing.result()
            del made
        if writing:
            writing.result()

    def _attempted(
        self, task: Task, read: Future[_Read], models: Sequence[SavedMethod], device: torch.device
    ) -> Prediction | None:
        """What is made of a volume; None if it is there already, or nothing can be made of it."""
        try:
            return self._synthesized(task, read.result(), models, device)
        except UsageError:  # the options don't fit, and they are those of all cases
            raise
        except Exception as error:  # noqa: BLE001 - what is wrong with one case may not be with the next
            self._done(task, error)
            return None

    def _synthesized(
        self, task: Task, read: _Read, models: Sequence[SavedMethod], device: torch.device
    ) -> Prediction | None:
        """What is made of a volume; None if it is there already."""
        if read.volume is None:
            self._keep(task)
            return None

        def tell(share: float, _note: str) -> None:
            self.progress.reach(share, task.source.name)

        try:
            told = tell if self._alone else None  # of several cases, it is told how many are done
            made = predicted(read.taken(), models, self.order, task.style, device, told)
        except DataError as error:
            raise type(error)(f"{task.source.path}: {error}") from error
        for warning in (text for text in made.warnings if text not in self._told):
            log.warning("%s: %s", task.source.name, warning)
        return made

    def _write(self, task: Task, made: Prediction, key: str) -> None:
        try:
            with locked(task.target, wait=True):
                if self._is_there(task, key):  # by another process, meanwhile
                    self._keep(task)
                    return
                if task.target.is_dir():
                    shutil.rmtree(task.target)  # made of other data, or in another way
                self._write_new(task, made, key)
        except Exception as error:  # noqa: BLE001 - as above
            self._done(task, error)
        else:
            self._done(task)

    def _write_new(self, task: Task, made: Prediction, key: str) -> None:
        if task.is_file:
            write_nifti(made.volume, task.target, like=task.source.path)
        else:
            how = {
                "key": key,
                "made_from": made_from(self.models[0], self.order.to).upper(),
                "made_with": self._made_with(task),
                "checkpoints": self.described,
                "options": self.order.options.to_dict(),
            }
            write_case(made, task.source, task.target, to=self.order.to, outputs=self.order.outputs, how=how)

    def _keep(self, task: Task) -> None:
        with self._lock:
            self.kept += 1
        self._done(task)

    def _done(self, task: Task, error: Exception | None = None) -> None:
        with self._lock:
            if error:
                self.failed[task] = _told(error)
            self.progress.advance(task.source.name)


def predicted(
    volume: Volume,
    models: Sequence[SavedMethod],
    order: Order,
    style: Style | None,
    device: torch.device,
    progress: Callable[[float, str], None] | None = None,
) -> Prediction:
    """What an order makes of a volume; `progress` is that of `Predictor.predict`."""
    predictor = Predictor(models, order.options, to=order.to, style=style, device=device, any_region=order.any_region)
    return predictor.predict(volume, progress)


def _told(error: Exception) -> MedcycleError:
    """What a case failed of, without the frames, in which its volumes are."""
    failed = as_data_error(error)
    failed.add_note("".join(traceback.format_exception(error)))
    failed.__cause__ = failed.__context__ = None
    return failed.with_traceback(None)
