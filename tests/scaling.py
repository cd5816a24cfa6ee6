"""How time and memory grow with the number of cases: `python -m tests.scaling FOLDER 1250 2500 5000`.

Each step runs as a process on so many MR and as many CT, which are tiny: what is measured is the work that goes with
each case, not with its voxels. Prints a table and the exponents, 1 for growth in proportion.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np

from medcycle.phantom import HeadPhantom, head_grid

SHARDS = 4

SPACING = (9.0, 9.0, 12.0)
"""mm; the coarsest that bodies are still found on."""

SPLIT = """
import sys
from pathlib import Path
from medcycle.cohort.split import split_store
from medcycle.config import load_config
from medcycle.dataset.store import Store
train, held_out = split_store(Store.open(Path(sys.argv[1])), load_config("head_mr_ct").data)
print(len(train.mr), len(held_out.mr))
"""


class Measured(NamedTuple):
    """A process.

    Args:
        seconds: of processors that it and its own processes took, which other work on the machine hardly changes.
        mib: the most memory that it, or one of its own processes, held.
    """

    seconds: float
    mib: float


def main() -> None:
    """Read the command line, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="new or empty")
    parser.add_argument("patients", type=int, nargs="+", help="of each size")
    given = parser.parse_args()
    found = {}
    for count in given.patients:
        found[2 * count] = steps(given.folder / str(count), count)
        print_tables(dict(sorted(found.items())))


def steps(folder: Path, count: int) -> dict[str, Measured]:
    """All steps on so many patients with an MR and a CT each."""
    write_cases(folder, count)
    medcycle = [sys.executable, "-m", "medcycle"]
    scans = ["--mr", str(folder / "mr"), "--ct", str(folder / "ct")]
    store = folder / "store"
    prepare = [*medcycle, "prepare", *scans, str(store), "--config", "head_mr_ct", "--workers", "1"]
    prepare += ["--set", "data.spacing=[9, 9, null]", "--set", "data.patch_size=[32, 32]"]
    found = {
        "inspect --headers": measure([*medcycle, "inspect", str(folder / "mr"), str(folder / "ct"), "--headers"]),
        "inspect": measure([*medcycle, "inspect", str(folder / "mr"), str(folder / "ct"), "--workers", "2"]),
    }
    parts = [measure([*prepare, "--shard", f"{number}/{SHARDS}"]) for number in range(1, SHARDS + 1)]
    found[f"prepare, {SHARDS} shards in all"] = Measured(
        sum(one.seconds for one in parts), max(one.mib for one in parts)
    )
    found["prepare, the longest shard but the last"] = Measured(*map(max, zip(*parts[:-1], strict=True)))
    found["prepare again, nothing to do"] = measure(prepare)
    found["read the store and split it"] = measure([sys.executable, "-c", SPLIT, str(store)])
    values = {name: str(folder / place) for name, place in {"mr": "mr", "ct": "ct", "test_mr": "mr"}.items()}
    values |= {"output": str(folder / "out"), "shards": max(1, count // 50)}
    (folder / "workflow.json").write_text(json.dumps(values))
    workflow = Path(__file__).parents[1] / "pipelines" / "cohort.smk"
    planned = [
        sys.executable,
        "-m",
        "snakemake",
        "-s",
        str(workflow),
        "--configfile",
        str(folder / "workflow.json"),
        "--dry-run",
        "--quiet",
    ]
    found["plan the workflow, a shard for 50 patients"] = measure([*planned, "--directory", str(folder)])
    return found


def write_cases(folder: Path, count: int) -> None:
    """One generated head so many times, each time with other noise."""
    head, grid = HeadPhantom.random(1), head_grid(spacing=SPACING)
    random = np.random.default_rng(0)
    for kind, volume in {"mr": head.mr(grid), "ct": head.ct(grid)}.items():
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            path = folder / kind / f"{kind}{number:06d}.nii"
            if not path.exists():
                noise = random.integers(-2, 3, volume.array.shape)
                voxels = np.maximum(volume.array + noise, 0 if kind == "mr" else -1024).astype(np.int16)
                nibabel.save(nibabel.Nifti1Image(voxels, volume.grid.affine), path)


def measure(call: Sequence[str]) -> Measured:
    """Run a process to its end. Raises an error if it fails."""
    with subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        said = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(call)}: {said[-2000:]}")
    return Measured(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def print_tables(found: dict[int, dict[str, Measured]]) -> None:
    """Processor time and memory of each step by the number of volumes, and how both grew at the end."""
    sizes = list(found)
    print(f"\n| step | {' | '.join(f'{size:,}' for size in sizes)} | exponent |")
    print(f"|---|{'---|' * (len(sizes) + 1)}")
    for step in found[sizes[0]]:
        cells = [f"{found[size][step].seconds:.1f} s, {found[size][step].mib:.0f} MiB" for size in sizes]
        print(f"| {step} | {' | '.join(cells)} | {_exponents([found[size][step] for size in sizes], sizes)} |")
    sys.stdout.flush()


def _exponents(measured: Sequence[Measured], sizes: Sequence[int]) -> str:
    """Of time between the last two sizes."""
    grown = [
        math.log(later.seconds / earlier.seconds) / math.log(large / small)
        for (earlier, later), (small, large) in zip(pairwise(measured), pairwise(sizes), strict=True)
    ]
    return f"{grown[-1]:.2f}" if grown else ""


if __name__ == "__main__":
    main()
