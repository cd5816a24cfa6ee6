"""The whole way on generated heads."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean

import numpy as np
import torch

from medcycle.body import body_mask
from medcycle.cli.printing import print_findings, print_summary
from medcycle.cli.say import say
from medcycle.cohort.catalogue import prepare_cohort
from medcycle.cohort.cohort import find_cohort
from medcycle.cohort.findings import inspect_paths
from medcycle.config import load_config
from medcycle.errors import DataError, UsageError
from medcycle.evaluation.cases import match_cases
from medcycle.evaluation.scoring import evaluate
from medcycle.evaluation.tables import Summary, evaluation_in
from medcycle.io import discover
from medcycle.methods.build import build_method
from medcycle.methods.checkpoint import SavedMethod, checkpoint_of, load_method, save_method
from medcycle.models import shipped_file
from medcycle.phantom import T1_GRADIENT_ECHO, write_cohort
from medcycle.report import write_report
from medcycle.synthesis.driver import synthesize_path
from medcycle.synthesis.order import Order
from medcycle.synthesis.outputs import Outputs
from medcycle.training.loop import train

__all__ = ["run_demo"]

PATIENTS = 6
TEST_CASES = 2
COHORT_SEED = 1
"""Not one of those whose heads the recipe was tuned on."""

UNTRAINED = 3
"""Untrained generators to compare with: what one gives depends much on its seed."""

SPACING = 3.0
"""mm; the heads are as coarse as the demo's minutes ask."""

SHIPPED = "head"
"""The model that is shown first."""

SHIPPED_SEED, SHIPPED_SPACING = 77, (1.5, 1.5, 2.0)
"""Of the head that it is shown on; mm."""

COMMANDS = """\
Now with your own scans:
  medcycle synthesize head HEAD_MR OUTPUT --report
  medcycle inspect MR_FOLDER CT_FOLDER
  medcycle train auto --mr MR_FOLDER --ct CT_FOLDER --output runs/first
  medcycle synthesize runs/first NEW_MR OUTPUT --format both"""


def run_demo(output: Path, minutes: float) -> None:
    """Show the model that ships; then make a cohort, inspect, prepare, train, synthesize and evaluate.

    Args:
        output: the folder to write; new or empty.
        minutes: how long to train.

    Raises:
        UsageError: if `output` is not empty.
    """
    if output.exists() and (output.is_file() or any(output.iterdir())):
        raise UsageError(f"{output}: not empty; delete it, or give another --output")
    start = time.monotonic()
    config = load_config("demo", [f"training.max_minutes={minutes}"])
    cohort, run, synthetic = output / "cohort", output / "run", output / "synthetic"

    say(f"1/7 the model {SHIPPED}, which ships with medcycle: CT of a generated head it has never seen")
    shown = _shipped(output / SHIPPED)
    say(f"2/7 generating {PATIENTS} MR and {PATIENTS} CT of different heads, and {TEST_CASES} true pairs")
    write_cohort(
        cohort,
        patients=PATIENTS,
        seed=COHORT_SEED,
        spacing=(SPACING,) * 3,
        paired_cases=TEST_CASES,
        protocol=T1_GRADIENT_ECHO,
    )
    say("3/7 inspect")
    print_findings(inspect_paths([cohort / "mr", cohort / "ct"]))
    say("4/7 prepare")
    store = prepare_cohort(find_cohort(cohort / "mr", cohort / "ct"), output / "store", config.data)
    say(f"5/7 train, {minutes:g} minutes")
    result = train(config, store, run)
    say("6/7 synthesize")
    synthesize_path(run, cohort / "test" / "mr", synthetic, Order(outputs=Outputs("both")))
    say("7/7 evaluate against the true CT")
    summary = _score(cohort, synthetic, output / "evaluation", with_details=True)
    print_summary(summary)
    trained = load_method(checkpoint_of(run))
    untrained = [_untrained_mae(trained, cohort, output / "untrained", seed) for seed in range(UNTRAINED)]
    before, after, flat = mean(untrained), summary.mean["mae"], _flat_mae(cohort)
    each = ", ".join(f"{value:.1f}" for value in untrained)
    say(
        f"body MAE: {before:.1f} HU untrained (mean of {each}), "
        f"{after:.1f} HU after {result.step} steps ({after / before:.0%}); "
        f"{flat:.1f} HU with the mean CT number everywhere"
    )
    if after >= flat:
        say(f"{minutes:g} minutes were too short to learn anything here; give --minutes {max(5, 2 * minutes):g}")
    say(
        f"""
Written to {output}:
  head/         a finer head, and what the shipped model makes of it
  cohort/       the generated heads: MR and CT to train on, test/ with true pairs
  store/        the prepared volumes
  run/          checkpoints, metrics.csv, tensorboard, previews
  synthetic/    one folder per case: sct.nii.gz, dicom/ (a CT series), synthesis.json
  evaluation/   cases.csv, summary.json and the details of each case
  report.html   scores, plots and a viewer, to open in a browser
  untrained/    the same scores for untrained generators, one folder per seed
Done in {(time.monotonic() - start) / 60:.1f} minutes. Synthetic images, for research only.

{COMMANDS}

{shown}
{_report([output / "evaluation", run], output / "report.html")}"""
    )


def _shipped(folder: Path) -> str:
    """Synthesize and score a generated head with the model that ships; where its report is."""
    begun = time.monotonic()
    write_cohort(folder, patients=0, seed=SHIPPED_SEED, spacing=SHIPPED_SPACING, paired_cases=1)
    synthetic, evaluation = folder / "synthetic", folder / "evaluation"
    synthesize_path(shipped_file(SHIPPED), folder / "test" / "mr", synthetic)
    found = _score(folder, synthetic, evaluation, with_details=True).mean
    told = _report([evaluation], folder / "report.html")
    say(f"body MAE: {found['mae']:.0f} HU, in {time.monotonic() - begun:.0f} seconds. {told}")
    return told


def _untrained_mae(trained: SavedMethod, cohort: Path, output: Path, seed: int) -> float:
    """The score of fresh weights in place of the trained ones; written to `output/seed`."""
    folder = output / str(seed)
    torch.manual_seed(seed)
    save_method(replace(trained, method=build_method(trained.config), step=0, learned={}), folder / "untrained.pt")
    synthesize_path(folder / "untrained.pt", cohort / "test" / "mr", folder / "synthetic")
    return _score(cohort, folder / "synthetic", folder / "evaluation").mean["mae"]


def _flat_mae(cohort: Path) -> float:
    """The score of the mean CT number of the body in all of it: what knowing nothing of a head comes to."""
    errors = []
    for source in discover(cohort / "test" / "ct"):
        real = source.read()
        hounsfield = real.array[body_mask(real, "ct").array]
        errors.append(float(np.abs(hounsfield - hounsfield.mean()).mean()))
    return mean(errors)


def _score(cohort: Path, synthetic: Path, output: Path, *, with_details: bool = False) -> Summary:
    cases = match_cases(cohort / "test" / "ct", synthetic, source=cohort / "test" / "mr")
    with evaluation_in(output, cases) as written:
        return written.finish(evaluate(cases, on_details=written.on_details if with_details else None))


def _report(folders: Sequence[Path], page: Path) -> str:
    """Where the page is, or why there is none."""
    try:
        return f"Look at the result: open {write_report(folders, page)} in a browser"
    except DataError as error:
        return f"There is no report to look at: {error}"
