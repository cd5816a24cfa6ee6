"""From a hospital's DICOM export, with all that is wrong in it, to a model and a report on its synthetic CT.

Run it with `python examples/hospital_folder.py OUTPUT`, which generates an export: nested folders, a localizer, a
missing slice, files that are there twice, and files that are no images. With yours: `--mr FOLDER --ct FOLDER`, of the
same patients or of others, `--new-mr FOLDER` to translate, and `--true-ct FOLDER`, its true CT on the same grid, where
there is one to score with. Training takes a few steps, too few for a good model; `--minutes 60` trains for an hour.

Every step is a command of medcycle, printed as you would type it.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from medcycle.cli.main import execute
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.phantom.defects import write_defective_series
from medcycle.phantom.dicom_series import Identity, write_series

Spacing = tuple[float, float, float]


def write_export(folder: Path, spacing: Spacing) -> list[Path]:
    """An export of generated heads: folders of MR, of CT, of the MR of a new patient, and of the true CT of that MR."""
    grid = head_grid(spacing=spacing, orientation="LPS")
    heads = [HeadPhantom.random(seed) for seed in range(7)]
    people = [Identity(f"PATIENT{number}") for number in range(7)]
    mr, ct, new_mr, true_ct = (folder / name for name in ("mr", "ct", "new_mr", "true_ct"))

    first = mr / "PATIENT0" / "20200101 Brain" / "Series 2"
    write_series(heads[0].mr(grid), first, modality="MR", identity=people[0])
    localizer = first.with_name("Series 1")
    scout = Identity("PATIENT0", seed=1)  # another series of the same patient
    write_defective_series(heads[0].mr(grid), localizer, "localizer", modality="MR", identity=scout)
    write_defective_series(heads[1].mr(grid), mr / "PATIENT1", "missing_slice", modality="MR", identity=people[1])
    write_defective_series(heads[2].mr(grid), mr / "PATIENT2", "junk", modality="MR", identity=people[2])

    write_defective_series(heads[3].ct(grid), ct / "PATIENT3", "same_file_twice", modality="CT", identity=people[3])
    write_defective_series(heads[4].ct(grid), ct / "PATIENT4", "duplicate_position", modality="CT", identity=people[4])
    deep = ct / "disc 2" / "DICOM" / "PAT00000" / "STU00000"
    for file in write_series(heads[5].ct(grid), deep, modality="CT", identity=people[5]):
        file.rename(file.with_suffix(""))
    shutil.copytree(deep, ct / "disc 2 copy")

    write_series(heads[6].mr(grid), new_mr / "PATIENT6", modality="MR", identity=people[6])
    write_series(heads[6].ct(grid), true_ct / "PATIENT6", modality="CT", identity=people[6])
    return [mr, ct, new_mr, true_ct]


def medcycle(*words: object) -> None:
    """Print a command, run it, and stop here if it fails."""
    call = [str(word) for word in words]
    print("\n$ medcycle", *call, flush=True)
    if status := execute(call):
        sys.exit(status)


def process(output: Path, folders: Sequence[Path | None], settings: Sequence[str]) -> Path:
    """Inspect, train, synthesise, evaluate and report; returns the report."""
    mr, ct, new_mr, true_ct = folders
    run, made, scores, report = (output / name for name in ("run", "synthetic", "scores", "report.html"))
    medcycle("inspect", mr, ct, "--json", output / "findings.json")
    medcycle("train", "auto", "--mr", mr, "--ct", ct, "--output", run, *(f"--set={one}" for one in settings))
    medcycle("synthesize", run, new_mr, made, "--format", "both", "--uncertainty")
    if true_ct:
        medcycle("evaluate", "--real", true_ct, "--synthetic", made, "--output", scores)
    medcycle("report", *([scores] if true_ct else []), made, run, "--output", report)
    return report


def main() -> None:
    """Read the command line, generate an export if none is given, and process it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    for name in ("mr", "ct", "new-mr", "true-ct"):
        parser.add_argument(f"--{name}", type=Path, metavar="FOLDER")
    parser.add_argument("--steps", type=int, default=20, help="of training, unless --minutes is given")
    parser.add_argument("--minutes", type=float, help="of training")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as for medcycle train")
    parser.add_argument("--spacing", type=float, nargs=3, default=(2.0, 2.0, 3.0), help="of generated scans, mm")
    given = parser.parse_args()
    folders = [given.mr, given.ct, given.new_mr, given.true_ct]
    given.output.mkdir(parents=True, exist_ok=True)
    if not any(folders):
        folders = write_export(given.output / "export", given.spacing)
    elif not all(folders[:3]):
        parser.error("give --mr, --ct and --new-mr, or none")
    length = f"training.max_minutes={given.minutes}" if given.minutes else f"training.max_steps={given.steps}"
    print(f"\nopen {process(given.output, folders, [length, *given.set])} in a browser")


if __name__ == "__main__":
    main()
