"""What is recorded of a run: metrics.csv, TensorBoard, preview pictures."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from medcycle.io.files import atomic_path
from medcycle.methods.base import Batch, Losses, Method
from medcycle.training.runs import loss_of_generators
from medcycle.training.trackers import Tracker

__all__ = ["SKIPPED", "Journal", "draw_preview"]

SKIPPED = "skipped.csv"

TITLES = {
    "source": "MR",
    "synthetic_target": "synthetic CT",
    "restored_source": "cycle MR",
    "target": "CT",
    "synthetic_source": "synthetic MR",
    "restored_target": "cycle CT",
    "likeness": "MR-like, from CT",
    "recovered_target": "CT from it",
    "registered_source": "paired MR",
    "registered_synthetic": "synthetic CT",
    "moved": "registered",
    "registered_target": "paired CT",
    "styled_target": "in the CT's style",
    "styled_source": "in the MR's style",
    "same_target": "CT of CT",
    "same_source": "MR of MR",
}
"""What a method's views are called in previews."""


class Journal:
    """Rows of mean losses, written every `every` steps, and of what was skipped.

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
        self._file = run / "metrics.csv"
        self._skipped = run / SKIPPED
        self._every = every
        self._pending: list[Losses] = []
        self._latest: dict[str, float] = {}
        self._columns: list[str] = []
        if writes:
            self._columns = _truncate(self._file, step)
            _truncate(self._skipped, step)
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
        self._write(step, elapsed_seconds, means)

    def skip(self, step: int, cases: Mapping[str, Iterable[str]]) -> None:
        """Write down the cases of a step that was not taken, by modality."""
        if not self._writes:
            return
        begun = self._skipped.is_file()
        with self._skipped.open("a", newline="", encoding="utf-8") as stream:
            rows = csv.writer(stream, lineterminator="\n")
            if not begun:
                rows.writerow(["step", "cases"])
            rows.writerow([step, "; ".join(f"{kind}: {', '.join(names)}" for kind, names in cases.items())])

    def standing(self, step: int, elapsed_seconds: float) -> str:
        """How far the run is, for people: `step 500, 4.2 min, 0.50 s a step, loss 1.23`, and memory of a GPU."""
        parts = [f"step {step}", f"{elapsed_seconds / 60:.1f} min", f"{elapsed_seconds / step:.2g} s a step"]
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

    def _write(self, step: int, elapsed_seconds: float, means: Mapping[str, float]) -> None:
        columns = self._columns or ["step", "elapsed_seconds"]
        more = [name for name in means if name not in columns]
        if more or not self._columns:
            self._columns = [*columns, *more]
            _set_header(self._file, self._columns)
        with self._file.open("a", newline="", encoding="utf-8") as stream:
            csv.DictWriter(stream, self._columns, lineterminator="\n").writerow(
                {"step": step, "elapsed_seconds": f"{elapsed_seconds:.1f}"}
                | {name: f"{value:.6g}" for name, value in means.items()}
            )
        for name, value in means.items():
            self._board.add_scalar(f"loss/{name}", value, step)
        for tracker in self._trackers:
            tracker.note(step, means)


def draw_preview(method: Method, batch: Batch, path: Path) -> npt.NDArray[np.uint8]:
    """Draw the method's views of a batch, a row an image.

    3D patches, and neighbouring slices, are shown by the middle slice. All columns share the grey scale of [−1, 1].

    Returns:
        The picture, RGB, shape (height, width, 3).
    """
    with torch.no_grad():
        views = method.views(batch)
    images = [[_axial(image) for image in column] for column in views.values()]
    rows = len(images[0])
    figure = Figure(figsize=(2 * len(images), 2.1 * rows + 0.3), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(rows, len(images), squeeze=False)
    for column, name in enumerate(views):
        axes[0, column].set_title(TITLES[name], fontsize=9)
        for row in range(rows):
            axes[row, column].imshow(images[column][row], cmap="gray", vmin=-1, vmax=1)
            axes[row, column].axis("off")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=100)
    return np.asarray(canvas.buffer_rgba())[..., :3]


def _axial(image: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    array = image[len(image) // 2].float().cpu().numpy()
    if array.ndim == 3:
        array = array[:, :, array.shape[2] // 2]
    return np.asarray(array.T[::-1, ::-1])  # anterior on top, the patient's right on the left, as radiologists look


def _truncate(file: Path, step: int) -> list[str]:
    header, *rows = _read(file)
    _replace(file, header, [row for row in rows if int(row[0]) <= step])
    return header


def _set_header(file: Path, header: list[str]) -> None:
    """Rename the columns there are and add empty ones to the rows written so far."""
    _, *rows = _read(file)
    _replace(file, header, [row + [""] * (len(header) - len(row)) for row in rows])


def _read(file: Path) -> list[list[str]]:
    """Its rows, without a last one that was not written to its end."""
    if not file.is_file():
        return [[]]
    whole, _, _ = file.read_text(encoding="utf-8").rpartition("\n")
    return [row for row in csv.reader(whole.splitlines()) if row] or [[]]


def _replace(file: Path, header: list[str], rows: list[list[str]]) -> None:
    if header:
        with atomic_path(file) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream, lineterminator="\n").writerows([header, *rows])
