"""Fixtures that tests of several packages use."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from medcycle.cohort.catalogue import prepare_cohort
from medcycle.cohort.cohort import find_cohort
from medcycle.config import DataConfig, load_config
from medcycle.dataset.store import Store
from medcycle.intensity import HounsfieldWindow, MrPercentile
from medcycle.methods.build import build_method
from medcycle.methods.checkpoint import SavedMethod, save_method
from medcycle.phantom import HeadPhantom, write_cohort
from medcycle.volume import Grid
from tests.sizes import TINY

LARGEST_KEPT = 20 * 2**20
"""bytes of a drawn head"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Modules with slow tests come first, dealt to two halves, so that two processes end at about the same time."""
    modules: dict[str, list[pytest.Item]] = {}
    for item in items:
        modules.setdefault(item.nodeid.partition("::")[0], []).append(item)
    slow = {name: sum(item.get_closest_marker("slow") is not None for item in own) for name, own in modules.items()}
    order = sorted(modules, key=lambda name: -slow[name])
    items[:] = [item for half in (order[::2], order[1::2]) for name in half for item in modules[name]]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real volumes beside the repository, which is never part of it."""
    folder = Path(__file__).resolve().parents[1].parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"real data are not at {folder}; they may not be redistributed with the project")
    return folder


@pytest.fixture(scope="session", autouse=True)
def heads_are_drawn_once() -> Iterator[None]:
    """The same head on the same grid, which many tests use, is drawn in each process once; it is the same each time."""
    drawn: dict[Any, Any] = {}
    draw = HeadPhantom._render

    def remembered(head: HeadPhantom, grid: Grid, table: Any, *, samples: int | None, width: float) -> Any:
        key = (head, grid.shape, grid.affine.tobytes(), table.tobytes(), samples, width)
        if (known := drawn.get(key)) is None:
            known = draw(head, grid, table, samples=samples, width=width)
            if known.nbytes <= LARGEST_KEPT:
                drawn[key] = known
        return known.copy()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HeadPhantom, "_render", remembered)
        yield


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """For images so small that threads would wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two MR and two CT of four small phantom heads, and one true pair; read-only by agreement."""
    folder = tmp_path_factory.mktemp("cohort")
    write_cohort(folder, patients=2, paired_cases=1, spacing=(4.0, 4.0, 5.0))
    return folder


@pytest.fixture(scope="session")
def store(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The cohort, prepared at 4 mm; read-only by agreement."""
    config = DataConfig(spacing=(4.0, 4.0, None), patch_size=(64, 64))
    return prepare_cohort(find_cohort(cohort / "mr", cohort / "ct"), tmp_path_factory.mktemp("prepared") / "s", config)


@pytest.fixture(scope="session")
def paired(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two patients with MR and CT on one grid, prepared at 4 mm; read-only by agreement."""
    folder, config = tmp_path_factory.mktemp("paired"), DataConfig(spacing=(4.0, 4.0, None), patch_size=(64, 64))
    write_cohort(folder, patients=0, paired_cases=2, spacing=(4.0, 4.0, 5.0))
    return prepare_cohort(find_cohort(folder / "test" / "mr", folder / "test" / "ct"), folder / "store", config)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained method of the smallest size, as a checkpoint."""
    path = tmp_path_factory.mktemp("checkpoint") / "model.pt"
    config = load_config("demo", [*TINY, "data.spacing=[4, 4, null]"])
    intensity = {"ct": HounsfieldWindow(-1024, 2000), "mr": MrPercentile(0, 1000)}
    with torch.random.fork_rng():
        torch.manual_seed(0)  # other weights may happen to draw no soft tissue at all
        save_method(SavedMethod(build_method(config), config, intensity, 1), path)
    return path
