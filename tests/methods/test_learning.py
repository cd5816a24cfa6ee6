"""Every kind of method, as it is configured for a processor, learns in seconds on small generated heads.

Each does in one dimension; the tests beside this one take all three. What each learns in minutes, and without the
pairs made from CT that all configurations start with, is for `examples/compare_methods.py`.
"""

from itertools import combinations
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import pytest
import torch
from monai.transforms import ResizeWithPadOrCrop
from torch.nn import functional

from medcycle.body import body_mask
from medcycle.cohort.catalogue import prepare_cohort
from medcycle.cohort.cohort import find_cohort
from medcycle.config import Choice, Config, load_config
from medcycle.dataset.store import Store, StoredCase
from medcycle.evaluation.protocols import score
from medcycle.methods.build import build_method
from medcycle.methods.checkpoint import LAST, SavedMethod, load_method
from medcycle.methods.munit import Munit
from medcycle.phantom import HeadPhantom, head_grid, write_cohort
from medcycle.phantom.tissue import T1_GRADIENT_ECHO, T2_SPIN_ECHO
from medcycle.training.loop import train
from medcycle.volume import Volume
from tests.sizes import recipe_of
from tests.synthesized import synthesize

pytestmark = pytest.mark.usefixtures("one_thread")

VOXEL = 6.0
"""mm along each axis."""

DIMENSIONS = {
    "2d": ["data.patch_size=[32, 40]", "network.filters=16"],
    "25d": ["data.patch_size=[32, 40]", "network.filters=16"],
    "3d": ["data.patch_size=[32, 40, 32]", "network.filters=8"],
}
STEPS = {"cyclegan": 300, "pix2pix": 120, "unit": 300, "munit": 300, "randomized": 250, "cut": 250}
SMALL = ["network.discriminator_filters=16", "network.discriminator_layers=2"]
SHORT = ["training.max_minutes=null", "training.warm_up=20", "training.ema_decay=0.98", "randomize.measured_share=0"]
PLAIN = ["training.validations=0", "data.deformed_ct=0"]

LEARNS_IN = {
    **dict.fromkeys(("cyclegan", "pix2pix"), "2d"),
    "unit": "25d",
    **dict.fromkeys(("randomized", "cut"), "3d"),
}
"""Each in one dimension; those whose networks work at the full resolution take too long in 3D. Hybrids are CycleGANs
that learn from pairs as pix2pix does, and MUNIT learns in the test below."""


class Scores(NamedTuple):
    """Of a synthetic CT in the true one's body: mean absolute error (HU) and structural similarity."""

    mae: float
    ssim: float

    @classmethod
    def of(cls, real: Volume, made: Volume) -> "Scores":
        found = score(real, made, body_mask(real, "ct"))
        return cls(found["mae"], found["ssim"])

    def beat(self, other: "Scores", *, mae: float, ssim: float) -> bool:
        """By a part of the error, and by so much similarity."""
        return self.mae < (1 - mae) * other.mae and self.ssim > other.ssim + ssim


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MR and CT of six heads on one grid each."""
    folder = tmp_path_factory.mktemp("heads")
    write_cohort(folder, patients=0, paired_cases=6, seed=100, spacing=(VOXEL, VOXEL, VOXEL))
    return folder


@pytest.fixture(scope="module")
def stores(heads: Path) -> dict[bool, Store]:
    """They, prepared for slices, and for volumes."""
    scans = find_cohort(heads / "test" / "mr", heads / "test" / "ct")
    return {
        volumes: prepare_cohort(scans, heads / f"store_{volumes}", settings("cyclegan", "3d" if volumes else "2d").data)
        for volumes in (False, True)
    }


@pytest.fixture(scope="module")
def held_out() -> tuple[Volume, Volume]:
    """MR and CT of a head that is trained on by none."""
    head, grid = HeadPhantom.random(200), head_grid(None, (VOXEL, VOXEL, VOXEL))
    return head.mr(grid, T1_GRADIENT_ECHO), head.ct(grid)


def settings(method: str, dimensions: str) -> Config:
    """The configuration of a method for a processor, for coarse heads and seconds."""
    spacing = f"data.spacing=[{VOXEL}, {VOXEL}, {VOXEL if dimensions == '3d' else 'null'}]"
    small = [] if method == "randomized" else [*SMALL]
    small += [] if method in {"unit", "munit"} else ["network.levels=3"]
    name, choice = recipe_of(method, dimensions, on_cpu=True)
    steps = f"training.max_steps={STEPS[method]}"
    return load_config(name, [*small, *SHORT, *PLAIN, *DIMENSIONS[dimensions], spacing, steps], choice)


def untrained(config: Config, trained: SavedMethod) -> SavedMethod:
    """With the weights that the training began with."""
    torch.manual_seed(config.training.seed)
    return SavedMethod(build_method(config).eval(), config, trained.intensity, 0)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "dimensions"), LEARNS_IN.items())
def test_each_learns(
    method: str, dimensions: str, stores: dict[bool, Store], held_out: tuple[Volume, Volume], tmp_path: Path
) -> None:
    """The error is a tenth less than that of the mean CT number of the body, and of the untrained networks."""
    config, (mr, real) = settings(method, dimensions), held_out
    train(config, stores[dimensions == "3d"], tmp_path / "run")
    trained = load_method(tmp_path / "run" / LAST)
    body = body_mask(real, "ct").array
    mean = real.with_array(np.where(body, real.array[body].mean(), -1024).astype(np.float32))
    learned = Scores.of(real, synthesize(mr, trained, "ct").volume)
    assert learned.beat(Scores.of(real, mean), mae=0.1, ssim=0.02)
    assert learned.beat(Scores.of(real, synthesize(mr, untrained(config, trained), "ct").volume), mae=0.1, ssim=0.05)


@pytest.mark.slow
def test_another_style_is_another_contrast_of_the_same_shapes(heads: Path, tmp_path: Path) -> None:
    """Of MUNIT, trained on MR of two contrasts."""
    for number, protocol in enumerate((T1_GRADIENT_ECHO, T2_SPIN_ECHO)):
        write_cohort(tmp_path / f"{number}", patients=2, seed=number, spacing=(VOXEL,) * 3, protocol=protocol)
        for path in (tmp_path / f"{number}" / "mr").iterdir():
            path.replace(path.with_name(f"{number}_{path.name}"))
    scans = tmp_path / "mr"
    scans.mkdir()
    for path in tmp_path.glob("?/mr/*"):
        path.replace(scans / path.name)
    spacing = f"data.spacing=[{VOXEL}, {VOXEL}, null]"
    settings = [spacing, *SMALL, *SHORT, *PLAIN, *DIMENSIONS["2d"], f"training.max_steps={STEPS['munit']}"]
    config = load_config("head_mr_ct", settings, Choice("munit", device="cpu"))
    store = prepare_cohort(find_cohort(scans, heads / "test" / "ct"), tmp_path / "store", config.data)
    train(config, store, tmp_path / "run")
    method = cast(Munit, load_method(tmp_path / "run" / LAST).method)
    middle = slice(12, 18)
    ct, other = (_slices(case, middle) for case in store.ct[:2])
    inside = -functional.max_pool2d(-(ct > -1).float(), 5, 1, 2) > 0
    made = [_in_style(method, ct, seed) for seed in range(4)]
    edges = [_edges(images, inside) for images in made]
    of_other = _edges(_in_style(method, other, 0), inside)
    for one, another in combinations(range(4), 2):
        assert (made[one] - made[another])[inside].abs().mean() > 0.015
        assert _correlation(edges[one], edges[another]) > _correlation(edges[one], of_other) + 0.15
    with torch.no_grad():
        taken = torch.stack([method.style_of(_slices(case, middle), reverse=True).mean(0) for case in store.mr])
    apart = torch.cdist(taken, taken)
    assert apart[:2, 2:].mean() > 1.2 * (apart[0, 1] + apart[2, 3]) / 2  # two heads of each contrast


def _slices(case: StoredCase, numbers: slice) -> torch.Tensor:
    """Of the size that is trained on, shape (slices, 1, 32, 40)."""
    image = torch.from_numpy(np.array(case.image[..., numbers], dtype=np.float32)).movedim(-1, 0)
    fitted = ResizeWithPadOrCrop((32, 40), mode="constant", value=-1)
    return fitted(image).as_tensor()[:, None]


def _in_style(method: Munit, ct: torch.Tensor, seed: int) -> torch.Tensor:
    """MR of CT in a random style."""
    style = torch.randn(1, method.styles, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        return method.translate(ct, reverse=True, style=style.expand(len(ct), -1))


def _edges(images: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """How much voxels inside differ from the next one, along both axes."""
    return torch.cat([(images - images.roll(1, axis)).abs()[inside] for axis in (-2, -1)])


def _correlation(one: torch.Tensor, other: torch.Tensor) -> float:
    return torch.corrcoef(torch.stack([one, other]))[0, 1].item()
