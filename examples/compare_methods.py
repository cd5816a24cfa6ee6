"""Every method on the same scans for the same time, and a table of what each one learned.

Run it with `python examples/compare_methods.py OUTPUT --minutes 3`, or with scans of yours in place of generated heads:
`--mr FOLDER --ct FOLDER`, registered pairs (`medcycle register`) to train on, and `--test-mr` and `--test-ct` to score.
Methods that learn from unpaired scans get the same ones and don't know which belong together. What is there in OUTPUT
is not trained again. With `--simulated-pairs` they start from pairs made from the CT and keep them, as the recipes do.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from medcycle.cohort.catalogue import prepare_cohort
from medcycle.cohort.cohort import find_cohort
from medcycle.config import METHODS as SECTIONS
from medcycle.config import Config, load_config
from medcycle.dataset.store import Store
from medcycle.evaluation.cases import Case, match_cases
from medcycle.evaluation.protocols import score
from medcycle.inference import Predictor
from medcycle.io import read_volume
from medcycle.methods.build import build_method
from medcycle.methods.checkpoint import LAST, SavedMethod, load_method
from medcycle.phantom import write_cohort
from medcycle.training.loop import train

SHORT = ["network.filters=24", "network.blocks=6", "training.max_steps=1000000", "training.log_every=20"]
ALONE = [
    "method.simulated_pair_weight=0",
    "training.warm_start=0",
    "randomize.measured_share=0",
    "method.adversaries=both",
]
"""Without pairs made from CT: what a method learns by itself."""

METHODS = {
    "cyclegan": ["method.identity_weight=5"],
    "randomized": ["randomize.air_weight=4", "randomize.bone_weight=2"],
    "pix2pix": ["method.l1_weight=100"],
    "hybrid": [],
    "cut": [],
    "unit": ["network.blocks=4"],
    "munit": ["network.blocks=4"],
    "regcyclegan": ["method.registered_weight=20"],
}

DIMENSIONS = {
    "2d": [],
    "2.5d": ["data.slices=3"],
    "3d": ["network.spatial_dims=3", "data.patch_size=[48, 64, 32]", "network.filters=12"],
}


def settings(method: str, dimensions: str, minutes: float, *, simulated_pairs: bool = False) -> Config:
    """The configuration of one row; `simulated_pairs` by pairs made from the CT, or without."""
    chosen = [f"method.name={method}", *METHODS[method], *DIMENSIONS[dimensions], f"training.max_minutes={minutes}"]
    if simulated_pairs and method == "cyclegan":
        chosen.append("method.identity_weight=0")  # the pairs do it better
    keys = {f"method.{key}" for key in SECTIONS[method].model_fields}
    alone = [one for one in ALONE if not one.startswith("method.") or one.partition("=")[0] in keys]
    return load_config("demo", [*SHORT, *([] if simulated_pairs else alone), *chosen])


def scores(cases: Sequence[Case], model: SavedMethod | None) -> tuple[float, float]:
    """Mean MAE (HU) and SSIM in the body; without a model those of the mean CT number in each body, everywhere."""
    found = []
    for case in cases:
        real, mr = read_volume(case.real), read_volume(case.synthetic)
        if model:
            made = Predictor(model).predict(mr).volume
        else:
            inside = real.array > -300
            made = real.with_array(np.full(real.grid.shape, real.array[inside].mean(), dtype=np.float32))
        told = score(real, made, None)
        found.append((told["mae"], told["ssim"]))
    return tuple(np.mean(found, axis=0).tolist())


def untrained(config: Config, trained: SavedMethod) -> SavedMethod:
    """Fresh weights in place of trained ones."""
    torch.manual_seed(config.training.seed)
    return SavedMethod(build_method(config).eval(), config, trained.intensity, 0)


def compare(output: Path, store: Store, cases: Sequence[Case], rows: Mapping[tuple[str, str], Config]) -> str:
    """Train and score, row by row; returns the table."""
    flat = scores(cases, None)
    lines = [
        "| method | dimensions | steps | MAE, HU | SSIM | untrained: MAE | SSIM |",
        "|---|---|---|---|---|---|---|",
    ]
    lines.append(f"| mean CT number of the body | | | {flat[0]:.0f} | {flat[1]:.3f} | | |")
    for (method, dimensions), config in rows.items():
        run = output / f"{method}_{dimensions}"
        if not (run / LAST).is_file():
            train(config, store, run)
        model = load_method(run / LAST)
        after, before = scores(cases, model), scores(cases, untrained(config, model))
        figures = f"{after[0]:.0f} | {after[1]:.3f} | {before[0]:.0f} | {before[1]:.3f}"
        lines.append(f"| {method} | {dimensions} | {model.step} | {figures} |")
        print(lines[-1])
    return "\n".join(lines)


def main() -> None:
    """Read the command line, compare, and write OUTPUT/table.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--minutes", type=float, default=3.0, help="training of each")
    parser.add_argument("--simulated-pairs", action="store_true", help="start from, and keep, pairs made from the CT")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--dimensions", nargs="+", choices=DIMENSIONS, default=list(DIMENSIONS))
    for name in ("mr", "ct", "test-mr", "test-ct"):
        parser.add_argument(f"--{name}", type=Path)
    given = parser.parse_args()
    folders = [given.mr, given.ct, given.test_mr, given.test_ct]
    if not all(folders):
        if any(folders):
            parser.error("give all four of --mr, --ct, --test-mr and --test-ct, or none")
        pairs, held = given.output / "pairs", given.output / "held"
        for folder, seed, count in ((pairs, 100, 6), (held, 200, 2)):
            if not folder.exists():
                write_cohort(folder, patients=0, paired_cases=count, seed=seed, spacing=(3.0, 3.0, 3.0))
        folders = [folder / "test" / kind for folder in (pairs, held) for kind in ("mr", "ct")]
    mr, ct, test_mr, test_ct = folders
    store = prepare_cohort(find_cohort(mr, ct), given.output / "store", settings("cyclegan", "2d", 1).data)
    rows = {
        (method, dimensions): settings(method, dimensions, given.minutes, simulated_pairs=given.simulated_pairs)
        for method in given.methods
        for dimensions in given.dimensions
    }
    cases = match_cases(test_ct, test_mr)  # the MR in the place of what is made of it
    table = compare(given.output, store, cases, rows)
    (given.output / "table.md").write_text(table + "\n", encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
