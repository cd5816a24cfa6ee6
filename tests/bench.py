"""`make bench`: speeds as ratios, each pair measured in turns in one run."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from monai.data import PersistentDataset
from monai.transforms import CastToTyped, Compose, RandSpatialCropd
from torch.nn.functional import l1_loss

from medcycle.batch import Batch
from medcycle.body import Modality
from medcycle.cohort.catalogue import prepare_cohort
from medcycle.cohort.cohort import find_cohort
from medcycle.config import Choice, Config, DataConfig, load_config
from medcycle.dataset.patches import UnpairedPatches
from medcycle.dataset.preparation import Prepared, hounsfield_map
from medcycle.dataset.store import Store, write_case
from medcycle.intensity import HounsfieldWindow, MrPercentile
from medcycle.methods.build import build_method
from medcycle.phantom import write_cohort
from medcycle.planning.cost import step_cost
from medcycle.processors import CHOSEN
from medcycle.simulation import ContrastRandomizer, Effects
from medcycle.training.feed import Feed, typical_intensity
from medcycle.training.optimizers import Optimizers
from medcycle.training.pair_maker import PairMaker
from medcycle.training.pool import ImagePool
from medcycle.training.runs import METRICS
from medcycle.training.runtime import make_fabric
from medcycle.training.step import Stepper
from medcycle.tuning import SETTING, keep_freed_memory
from medcycle.volume import Grid, Volume
from tests.bench_evaluation import evaluation
from tests.bench_limits import limits
from tests.bench_synthesis import like_with_like, synthesis
from tests.timing import compare

STEPS = {
    "2D, 128×128": ["data.patch_size=[128, 128]", "network.filters=64", "network.blocks=9"],
    "2D, 256×256": ["data.patch_size=[256, 256]", "network.filters=64", "network.blocks=9"],
    "3D, 32×96×96": [
        "network.spatial_dims=3", "data.patch_size=[32, 96, 96]", "network.filters=16", "network.blocks=9"
    ],
}  # fmt: skip
"""Networks and patches of whole training steps."""

REAL = ["data.spacing=[2, 2, null]", "data.patch_size=[128, 128]", "training.batch_size=1"]
"""Slices from files, and all that a recipe does with them."""

ONE_THREAD = [
    *("training.max_steps=13", "training.log_every=1", "training.validations=0", "training.preview_every=1000"),
    *("training.accelerator=cpu", "training.max_minutes=null"),
]

PLAIN = [
    *("method.adversaries=both", "method.identity_weight=5"),
    *("method.simulated_pair_weight=0", "method.mind_weight=0"),
]


def whole_steps() -> None:
    """The project's training step beside a plain one in float32, against the machine's matrix peak."""
    peak = matrix_peak()
    print(f"bf16 matrix product of 2048: {peak:.0f} GFLOP/s")
    for title, sizes in STEPS.items():
        config = load_config("head_mr_ct", [*PLAIN, *sizes, "network.name=resnet", "training.batch_size=1"])
        last = torch.channels_last if config.network.spatial_dims == 2 else torch.channels_last_3d
        candidates = {
            "plain float32": plain_step(config),
            "medcycle": step_of(config),
            "medcycle, channels last": step_of(config, last),
        }
        found = compare(f"CycleGAN step, {title}", candidates, rounds=2)
        rate = step_cost(config).flop / found["medcycle"] / 1e9
        print(f"  medcycle: {rate:.0f} GFLOP/s, {rate / peak:.0%} of the peak")


def matrix_peak() -> float:
    """GFLOP/s of a large matrix product in bf16, the best of ten."""
    a, b = (torch.rand(2048, 2048).bfloat16() for _ in range(2))
    seconds = []
    for _ in range(11):
        start = time.perf_counter()
        torch.mm(a, b)
        seconds.append(time.perf_counter() - start)
    return 2 * 2048**3 / min(seconds) / 1e9


def images_of(config: Config) -> Batch:
    """Of one of each domain."""
    return Batch(*(torch.rand(1, 1, *config.data.patch_size) * 2 - 1 for _ in range(2)))


def step_of(config: Config, order: torch.memory_format = torch.contiguous_format) -> Callable[[], object]:
    """The project's, with weights and images in an order in memory."""
    torch.manual_seed(0)
    fabric, method = make_fabric(config.training), build_method(config).to(memory_format=order)
    pools = {name: ImagePool(0, 0) for name in method.discriminators}
    training_step = Stepper(fabric, method, Optimizers.of(method, config.training).on_devices(fabric), pools)
    batch = Batch(*(images.to(memory_format=order) for images in images_of(config)[:2]))
    return lambda: training_step([batch])


def plain_step(config: Config) -> Callable[[], object]:
    """As one would write it down (Zhu et al. 2017)."""
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SETTING, "1")
        method = build_method(config)
    g, f = method.generators["target"], method.generators["source"]
    judges = method.discriminators
    generators, discriminators = (
        torch.optim.Adam(part.parameters(), 2e-4, (0.5, 0.999)) for part in (method.generators, judges)
    )
    x, y, *_ = images_of(config)

    def step() -> None:
        fakes = {"target": g(x), "source": f(y)}
        loss = sum((judges[name](fake)[0] - 1).square().mean() for name, fake in fakes.items())
        loss = loss + 10 * (l1_loss(f(fakes["target"]), x) + l1_loss(g(fakes["source"]), y))
        loss = loss + 5 * (l1_loss(g(y), y) + l1_loss(f(x), x))
        generators.zero_grad()
        loss.backward()
        generators.step()
        discriminators.zero_grad()
        judged = [
            (judges[name](real)[0] - 1).square().mean() + judges[name](fakes[name].detach())[0].square().mean()
            for name, real in (("target", y), ("source", x))
        ]
        torch.stack(judged).mean().backward()
        discriminators.step()

    return step


def generated_store(folder: Path) -> Store:
    """Two MR and two CT of generated heads at 2 mm, for slices of 128×128."""
    write_cohort(folder, patients=2, spacing=(2.0, 2.0, 3.0))
    config = load_config("head_mr_ct", REAL)
    return prepare_cohort(find_cohort(folder / "mr", folder / "ct"), folder / "store", config.data)


def waiting(store: Store) -> None:
    """How much of a run its steps wait for data that the training process loads itself, and makes pairs of."""
    config = load_config("head_mr_ct", [*REAL, "training.max_steps=13", "training.workers=0"])
    fabric, method = make_fabric(config.training), build_method(config)
    pairs = PairMaker(config, typical_intensity(store), fabric.device, trained=False)
    pools = {name: ImagePool(0, 0) for name in method.discriminators}
    training_step = Stepper(fabric, method, Optimizers.of(method, config.training).on_devices(fabric), pools)
    spent: dict[str, list[float]] = {"loading": [], "making pairs": [], "all": []}

    def timed(*given: object, **named: object) -> Batch:
        begun = time.perf_counter()
        made = make(*given, **named)  # type: ignore[arg-type]
        spent["making pairs"].append(time.perf_counter() - begun)
        return made

    make, pairs.batch = pairs.batch, timed  # type: ignore[method-assign]
    before = time.perf_counter()
    for batches in Feed(config, store, pairs, fabric).steps(0, lambda: 0.9):
        spent["loading"].append(time.perf_counter() - before - spent["making pairs"][-1])
        training_step(batches)
        spent["all"].append(time.perf_counter() - before)
        before = time.perf_counter()
    shares = {name: sum(seconds[3:]) / sum(spent["all"][3:]) for name, seconds in spent.items()}
    print("head_mr_ct, 128×128, of a step")
    print(f"  waiting for data: {shares['loading']:.1%}; making simulated MR: {shares['making pairs']:.1%}")


def processes(store: Store, folder: Path) -> None:
    """The images a second of two processes of a thread each, beside one."""
    seconds = {}
    for count in (1, 2):
        run = folder / f"run_{count}"
        settings = [*REAL, *ONE_THREAD, "data.patch_size=[256, 256]", f"training.devices={count}"]
        config = folder / f"run_{count}.yaml"  # that for a GPU, on whatever there is
        config.write_text(yaml.safe_dump(load_config("head_mr_ct", settings).model_dump(mode="json")))
        call = [sys.executable, "-m", "medcycle", "train", str(config), "--store", str(store.root)]
        subprocess.run(
            [*call, "--output", str(run)],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            check=True,
            capture_output=True,
        )
        with (run / METRICS).open(newline="") as stream:
            ends = [float(row["elapsed_seconds"]) for row in csv.DictReader(stream)]
        seconds[count] = (ends[-1] - ends[2]) / (len(ends) - 3)
    print("head_mr_ct, 256×256, processes of one thread")
    print(f"  one: {seconds[1]:.2f} s a step; two: {seconds[2]:.2f} s a step of twice the images")
    print(f"  two make {2 * seconds[1] / seconds[2]:.2f} times the images of one")


def training_step(*overrides: str, bf16: bool, apart: bool = False) -> Callable[[], None]:
    """A generator step of a small CycleGAN, forward and backward."""
    small = ["network.filters=32", "network.blocks=6", "data.patch_size=[128, 128]"]
    whole = ["method.adversaries=both", "method.identity_weight=5"]
    config = load_config("head_mr_ct", [*small, *whole, *overrides])
    torch.manual_seed(0)
    method = build_method(config)
    batch = Batch(*(torch.rand(1, 1, *config.data.patch_size) * 2 - 1 for _ in range(2)))

    def outputs() -> dict[str, torch.Tensor]:
        if not apart:
            return dict(method(batch))
        to_target, to_source = method.generators["target"], method.generators["source"]
        made = {"synthetic_target": to_target(batch.source), "synthetic_source": to_source(batch.target)}
        return made | {
            "restored_source": to_source(made["synthetic_target"]),
            "restored_target": to_target(made["synthetic_source"]),
            "same_target": to_target(batch.target),
            "same_source": to_source(batch.source),
        }

    def step() -> None:
        method.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16) if bf16 else nullcontext():
            loss = torch.stack(list(method.generator_losses(batch, outputs()).values())).sum()
        loss.backward()

    return step


def reading() -> dict[str, Callable[[], object]]:
    """Axial slices from arrays in the store's order and in NumPy's own."""
    generator = np.random.default_rng(0)
    volume = generator.random((256, 256, 180), dtype=np.float32).astype(np.float16)
    stored = np.asfortranarray(volume)
    return {
        "C order": lambda: [np.array(volume[:, :, k], dtype=np.float32) for k in range(180)],
        "Fortran order (the store's)": lambda: [np.array(stored[:, :, k], dtype=np.float32) for k in range(180)],
    }


def random_patches(folder: Path, size: tuple[int, ...]) -> dict[str, Callable[[], object]]:
    """Twenty random patches of four volumes of 256×256×120, from MONAI's cache of whole volumes and from the store."""
    generator = np.random.default_rng(0)
    config = DataConfig(patch_size=size, flip=False, augmentation="none")
    names: dict[Modality, list[str]] = {"mr": [], "ct": []}
    items = []
    for modality, intensity in (("mr", MrPercentile(0, 1)), ("ct", HounsfieldWindow(-1024, 2000))):
        for number in range(2):
            array = generator.random((256, 256, 120), dtype=np.float32) * 2 - 1
            image = Volume(array, Grid(array.shape, np.eye(4)))
            prepared = Prepared(image, image.with_array(array > -2), intensity)
            name = f"{modality}{number}"
            write_case(folder, prepared, name=name, modality=modality, patient=name, sha256="", voxels="", key="")
            names[modality].append(name)
            items.append({"image": array[None]})
    patches = UnpairedPatches(Store.finish(folder, "", {}, names), config, length=10_000, seed=0)
    roi = (*size, 1) if len(size) == 2 else size
    # the cast is what is cached, as preparation would be; the crop is random and made anew
    chain = Compose([CastToTyped("image", torch.float16), RandSpatialCropd("image", roi, random_size=False)])
    cached = PersistentDataset(items, chain, cache_dir=folder / "monai")
    return {
        "MONAI PersistentDataset": lambda: [cached[n % 4]["image"].float() for n in range(20)],
        "the store": lambda: [patches[n] for n in range(10)],  # an MR and a CT patch each
    }


def simulated_mr() -> dict[str, Callable[[], object]]:
    """Simulated MR of 32 slices of 128×128."""
    config = load_config("head_mr_ct", choice=Choice(device="cpu"))
    randomizer = ContrastRandomizer(hounsfield_map(config.data), Effects.of(config.randomize))
    target = torch.rand(32, 7, 128, 128) * 2 - 1
    body, generator = target > -1, torch.Generator().manual_seed(0)

    def made(first: int, count: int, slices: int) -> object:
        part = slice(first, first + count), slice(0, slices)
        return randomizer.slices(target[part], body[part], generator, thick=slices > 1)

    return {
        "one by one": lambda: [made(number, 1, 1) for number in range(32)],
        "32 at once": lambda: made(0, 32, 1),
        "of three sub-slices each": lambda: made(0, 32, 3),
        "of three neighbouring slices, seven sub-slices": lambda: made(0, 32, 7),
    }


SMALL_STEPS = """
import sys, time
if "ours" in sys.argv:
    from medcycle.processors import share_processors
    share_processors()
import torch
from medcycle.config import load_config
from medcycle.batch import Batch
from medcycle.methods.build import build_method
plain = ["method.simulated_pair_weight=0", "training.warm_start=0", "network.filters=16"]
method = build_method(load_config("demo", plain))
batch = Batch(torch.rand(1, 1, 64, 80) * 2 - 1, torch.rand(1, 1, 64, 80) * 2 - 1)
for seconds in sys.stdin:
    ends, taken = time.monotonic() + float(seconds), []
    while time.monotonic() < ends or len(taken) < 3:
        start = time.monotonic()
        sum(method.generator_losses(batch, method(batch)).values()).backward()
        taken.append(time.monotonic() - start)
    print(sorted(taken)[len(taken) // 2], flush=True)
"""
"""A job of small 2D steps: for so many seconds each time it is asked, after which it says the median of the steps'."""


OWN = "libgomp's own"


class Jobs:
    """Several that are started at once, whose threads wait in one way.

    Args:
        count: how many.
        environment: variables by which threads wait; None for those that medcycle chooses.
    """

    def __init__(self, count: int, environment: Mapping[str, str] | None) -> None:
        plain = {name: value for name, value in os.environ.items() if name not in {*CHOSEN, "OMP_NUM_THREADS"}}
        call, chosen = [sys.executable, "-c", SMALL_STEPS], plain | dict(environment or {})
        call += [] if environment is not None else ["ours"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.jobs = [subprocess.Popen(call, env=chosen, text=True, **pipes) for _ in range(count)]
        self.seconds_of_a_step(0.0)  # loads and warms up

    def seconds_of_a_step(self, working: float) -> float:
        """The mean over the jobs, which work for so many seconds and then sleep."""
        for job in self.jobs:
            print(working, file=job.stdin, flush=True)
        return float(np.mean([float(job.stdout.readline()) for job in self.jobs]))

    def end(self) -> None:
        """Let them go."""
        for job in self.jobs:
            job.communicate()


def busy_machine(jobs: int = 5, rounds: int = 25) -> None:
    """Small steps alone and of several jobs at once, as threads wait by libgomp's own rule, passively, and by ours.

    Alone, a job of each way takes its turn for a second in every round, while the others sleep; what counts is the
    median over the rounds of how fast it was compared with libgomp's own.
    """
    ways = {OWN: {}, "passive": {"OMP_WAIT_POLICY": "passive"}, "medcycle's": None}
    alone = {name: Jobs(1, chosen) for name, chosen in ways.items()}
    found = [
        {name: alone[name].seconds_of_a_step(1.0) for name in sorted(ways, reverse=bool(number % 2))}
        for number in range(rounds)
    ]
    for one in alone.values():
        one.end()
    _tell("1 job", found)
    together = {}
    for name, chosen in ways.items():
        several = Jobs(jobs, chosen)
        together[name] = several.seconds_of_a_step(8.0)
        several.end()
    _tell(f"{jobs} jobs at once", [together])


def _tell(title: str, rounds: Sequence[Mapping[str, float]]) -> None:
    """How long a step takes by each way, and how fast that is compared with libgomp's own, side by side in a round."""
    told = [
        f"{name} {1000 * np.median([one[name] for one in rounds]):.0f} ms "
        f"({np.median([one[OWN] / one[name] for one in rounds]):.2f} times as fast)"
        for name in rounds[0]
    ]
    print(f"a small 2D step, {title}: {', '.join(told)}")


def main() -> None:
    """Run all comparisons."""
    keep_freed_memory()  # as training does
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    busy_machine()
    whole_steps()
    with tempfile.TemporaryDirectory() as folder:
        store = generated_store(Path(folder))
        waiting(store)
        processes(store, Path(folder))
    compare(
        "generator step, 128×128, 32 filters, 6 blocks",
        {"float32": training_step(bf16=False), "bf16 autocast": training_step(bf16=True)},
    )
    compare(
        "generator step in bf16",
        {
            "each image in a pass of its own": training_step(bf16=True, apart=True),
            "both domains in one pass": training_step(bf16=True),
            "the same, transposed upsampling": training_step("network.upsampling=transposed", bf16=True),
        },
    )
    like_with_like()
    synthesis()
    limits()
    evaluation()
    compare("180 axial slices of 256×256", reading())
    for size in ((256, 256), (96, 96, 96)):
        with tempfile.TemporaryDirectory() as folder:
            compare(f"20 random patches of {'×'.join(map(str, size))}", random_patches(Path(folder), size))
    compare("32 simulated MR of 128×128", simulated_mr(), images=32)


if __name__ == "__main__":
    main()
