"""How well the score of validations ranks the checkpoints of a run where no true counterpart is known.

Run it with `python examples/rank_checkpoints.py OUTPUT`: several trainings on generated heads, MR and CT of different
ones, while registered pairs of two more are held out, so that every validation also finds the true error. With scans of
yours: `--scans MR CT TEST_MR TEST_CT`, the folders to train on and those of registered pairs. What is there in OUTPUT
is not trained again.
"""

import argparse
import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from scipy.stats import spearmanr

from medcycle.cohort.catalogue import prepare_cohort
from medcycle.cohort.cohort import Cohort, find_cohort
from medcycle.config import Config, load_config
from medcycle.dataset.store import Store
from medcycle.methods.checkpoint import LAST
from medcycle.phantom import write_cohort
from medcycle.training.loop import train
from medcycle.training.runs import VALIDATION

TERMS = ("unpaired", "simulated_mr", "bright_voids", "distribution", "cycle", "structure")

ALONE = ["method.simulated_pair_weight=0", "randomize.measured_share=0"]
"""Without pairs made from CT."""

RUNS = {
    "cyclegan": [*ALONE, "method.adversaries=both", "training.warm_start=0", "method.identity_weight=5"],
    "cut": [*ALONE, "training.warm_start=0", "method.name=cut"],
    "warm start, then cyclegan": [*ALONE, "method.adversaries=both", "training.warm_start=0.3"],
    "cyclegan with simulated pairs": [],
    "randomized": ["method.name=randomized"],
}


def settings(name: str, steps: int, validations: int, split: Path, *overrides: str) -> Config:
    """The configuration of a run."""
    long = ["training.max_minutes=null", f"training.max_steps={steps}", f"training.validations={validations}"]
    return load_config("demo", [*long, *RUNS[name], f"data.split_file={split}", *overrides])


def generated(folder: Path, spacing: float = 3.0) -> list[Path]:
    """Folders of MR, of CT of others, and of registered MR and CT of two more heads."""
    unpaired, held = folder / "unpaired", folder / "held"
    if not folder.exists():
        write_cohort(unpaired, patients=6, seed=300, spacing=(spacing, spacing, spacing))
        write_cohort(held, patients=0, paired_cases=2, seed=200, spacing=(spacing, spacing, spacing))
    return [unpaired / "mr", unpaired / "ct", held / "test" / "mr", held / "test" / "ct"]


def prepared(output: Path, folders: Sequence[Path], config: Config) -> Store:
    """All of the scans in one store; `config` names the file that gets who is held out."""
    trained, tested = (find_cohort(*folders[at : at + 2]) for at in (0, 2))
    sides = {source.patient: "validation" for source in (*tested.mr, *tested.ct)}
    Path(config.data.split_file or "").write_text(yaml.safe_dump(sides), encoding="utf-8")
    together = Cohort(mr=(*trained.mr, *tested.mr), ct=(*trained.ct, *tested.ct), folders=trained.folders)
    return prepare_cohort(together, output / "store", config.data)


def read(table: Path) -> list[dict[str, float]]:
    """The figures of every validation; those that there are."""
    with table.open(newline="", encoding="utf-8") as stream:
        rows = [dict(row) for row in csv.DictReader(stream)]
    return [{name: float(value) for name, value in row.items() if name != "alarms" and value} for row in rows]


def ranking(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Spearman's correlation of each term with the true error."""
    true = [row["mae"] for row in rows]
    return {name: float(spearmanr([row[name] for row in rows], true)[0]) for name in TERMS if name in rows[0]}


def main() -> None:
    """Read the command line, train, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--steps", type=int, default=3000, help="of each run")
    parser.add_argument("--validations", type=int, default=10)
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--scans", nargs=4, type=Path, metavar=("MR", "CT", "TEST_MR", "TEST_CT"), help="folders")
    given = parser.parse_args()
    folders = given.scans or generated(given.output / "heads")
    split = given.output / "split.yaml"
    store = None
    print("| run | MAE: first, least, last | of the best by score |", *(f" {name} |" for name in TERMS))
    for name in given.runs:
        config = settings(name, given.steps, given.validations, split)
        run = given.output / name.replace(",", "").replace(" ", "_")
        if not (run / LAST).is_file():
            store = store or prepared(given.output, folders, config)
            train(config, store, run)
        rows = read(run / VALIDATION)
        true = [row["mae"] for row in rows]
        chosen = min(rows, key=lambda row: row["unpaired"])["mae"]
        found = ranking(rows)
        figures = " | ".join(f"{found[term]:.2f}" if term in found else "" for term in TERMS)
        print(f"| {name} | {true[0]:.0f}, {min(true):.0f}, {true[-1]:.0f} | {chosen:.0f} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
