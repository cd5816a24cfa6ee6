"""What is recorded of a run: tables, TensorBoard, trackers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import torch
from tensorboard.summary.writer import event_file_writer
from torch.utils.tensorboard import SummaryWriter

from medcycle.methods.base import Losses
from medcycle.training.csv_log import CsvLog
from medcycle.training.runs import METRICS, VALIDATION, loss_of_generators
from medcycle.training.trackers import Tracker
from medcycle.training.validation import Validation
from medcycle.words import duration

__all__ = ["SKIPPED", "Journal"]

SKIPPED = "skipped.csv"


@contextmanager
def _nameless_computer() -> Iterator[None]:
    """TensorBoard puts the computer's name into that of its file, which travels; here it is `medcycle`."""
    known = event_file_writer.socket
    event_file_writer.socket = SimpleNamespace(gethostname=lambda: "medcycle")
    try:
        yield
    finally:
        event_file_writer.socket = known


class Journal:
    """Rows of mean losses, written every `every` steps, of what was skipped, and of validations.

    Args:
        run: the run's folder.
        every: steps between rows.
        step: the step a resumed run goes on from; rows beyond it are dropped.
        writes: whether anything is written; of several processes one does.
        trackers: get the rows too.
    """

    def __init__(
        self, run: Path, every: int, step: int = 0, *, writes: bool = True, trackers: Sequence[Tracker] = ()
    ) -> None:
        self._trackers = trackers
        self._writes = writes
        self._every = every
        self._pending: list[Losses] = []
        self._latest: dict[str, float] = {}
        if writes:
            self._losses, self._skipped, self._validations = (
                CsvLog(run / name, step) for name in (METRICS, SKIPPED, VALIDATION)
            )
            with _nameless_computer():
                self._board = SummaryWriter(str(run / "tensorboard"), purge_step=step + 1 if step else None)

    def note(self, step: int, elapsed_seconds: float, losses: Losses) -> None:
        """Take the losses of a step, none of one that was skipped, and write a row when it is due."""
        if not self._writes:
            return
        self._pending.append(losses)
        if step % self._every:
            return
        names = dict.fromkeys(name for item in self._pending for name in item)
        means = {
            name: torch.stack([item[name] for item in self._pending if name in item]).mean().item() for name in names
        }
        self._pending.clear()
        self._latest = means
        self._losses.add(step, _time(elapsed_seconds) | means)
        self._show("loss", step, means)

    def skip(self, step: int, cases: Mapping[str, Iterable[str]]) -> None:
        """Write down the cases of a step that was not taken, by modality."""
        if not self._writes:
            return
        named = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in cases.items())
        self._skipped.add(step, {"cases": named})

    def validated(self, step: int, elapsed_seconds: float, found: Validation) -> None:
        """Write down what a validation found."""
        if not self._writes:
            return
        values = {"score": found.score} | found.terms
        self._validations.add(step, _time(elapsed_seconds) | values | {"alarms": "; ".join(found.alarms)})
        self._show("validation", step, values)

    def standing(self, step: int, elapsed_seconds: float) -> str:
        """How far the run is, for people: `step 500, 4 min 10 s, 0.50 s a step, loss 1.23`, and memory of a GPU."""
        parts = [f"step {step}", duration(elapsed_seconds), f"{elapsed_seconds / step:.2g} s a step"]
        if self._latest:
            parts.append(f"loss {loss_of_generators(self._latest):.3g}")
        if torch.cuda.is_available():
            parts.append(f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")
        return ", ".join(parts)

    def show(self, step: int, picture: npt.NDArray[np.uint8]) -> None:
        """Take a picture, shape (height, width, 3)."""
        if self._writes:
            self._board.add_image("preview", picture, step, dataformats="HWC")

    def close(self) -> None:
        """Flush TensorBoard, and finish elsewhere."""
        if self._writes:
            self._board.close()
        for tracker in self._trackers:
            tracker.close()

    def _show(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        """Give values to TensorBoard and the trackers."""
        named = {f"{kind}/{name}": value for name, value in values.items()}
        for name, value in named.items():
            self._board.add_scalar(name, value, step)
        for tracker in self._trackers:
            tracker.note(step, named)


def _time(elapsed_seconds: float) -> dict[str, str | float]:
    return {"elapsed_seconds": f"{elapsed_seconds:.1f}"}
