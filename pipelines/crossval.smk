# Cross-validation: every patient is translated by a model that was not trained on them, and all are in one table. With
# test_mr, the ensemble of all folds translates these as well.
#
#     snakemake -s pipelines/crossval.smk --configfile crossval.yaml --profile pipelines/profiles/local
#
# config.schema.yaml lists the keys of crossval.yaml.

import shutil
import time

WORKFLOW = "crossval"


include: "common.smk"


FOLDS = [f"fold-{number}" for number in range(1, VALUES["folds"] + 1)]
RUNS = {
    name: f"{FLAGS} --set=data.folds={VALUES['folds']} --set=data.fold={number}" for number, name in enumerate(FOLDS)
}
HELD_OUT, ENSEMBLE = "held-out", "ensemble"
ENSEMBLES = [ENSEMBLE] if "test_mr" in VALUES else []
TABLES, TRANSLATING = [HELD_OUT, *ENSEMBLES], [*FOLDS, *ENSEMBLES]


def require_same_scans(before, now):
    """Ends if scans have changed since a fold was trained: the folds would no longer share out the same patients."""
    known = {key: value for key, value in before.items() if key in now}
    if any(now[key] != value for key, value in known.items()) and any((OUT / run / "run").exists() for run in RUNS):
        raise WorkflowError(f"{VALUES['mr']} or {VALUES['ct']}: changed since folds were trained; give another output")


if workflow.is_main_process:
    changed_when("mr", "ct")  # without the scans that the ensemble translates
    require_same_scans(kept_in(OUT / "scans.json"), SCANS_NOW)


def translation(run):
    """Not by the best checkpoint, which was chosen by the patients that are held out, but by the last."""
    if run == ENSEMBLE:
        first, *others = (OUT / name / "run" for name in FOLDS)
        more = [word for other in others for word in ("--ensemble", other)]
        return quoted(first, VALUES["test_mr"], OUT / ENSEMBLE / "synthetic", *more)
    return quoted(OUT / run / "run" / "checkpoints" / "last.pt", VALUES["mr"], OUT / run / "synthetic", "--held-out")


def synthesized_for(table):
    return JOBS / "gathered" if table == HELD_OUT else expand(JOBS / "ensemble/synthesize-{shard}", shard=SHARDS)


def comparison(table):
    mr, ct = ("test_mr", "test_true_ct") if table == ENSEMBLE else ("mr", "true_ct")
    truth = ["--real", VALUES[ct]] if ct in VALUES else ["--mr", VALUES[mr]]
    return quoted(*truth, "--synthetic", OUT / table / "synthetic", "--output", evaluation(table))


rule all:
    default_target: True
    input:
        OUT / "report.html",


include: "rules.smk"


# The patients of all folds in one folder: links to each.
rule gather:
    input:
        expand(JOBS / "{run}/synthesize-{shard}", run=FOLDS, shard=SHARDS),
    output:
        JOBS / "gathered",
    localrule: True
    run:
        target = OUT / HELD_OUT / "synthetic"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for run in FOLDS:
            for entry in sorted((OUT / run / "synthetic").iterdir()):
                if entry.is_dir() and not entry.name.startswith("."):
                    (target / entry.name).symlink_to(os.path.relpath(entry, target))
                elif entry.name.startswith("failed"):
                    shutil.copy(entry, target / f"failed-{run}-{entry.name}")
        Path(output[0]).write_text(f"{time.time()}\n", encoding="utf-8")


# An ensemble is made of all folds.
rule ensemble:
    input:
        expand(JOBS / "{run}/train", run=FOLDS),
    output:
        JOBS / "ensemble/train",
    params:
        done=DONE,
    localrule: True
    shell:
        "{params.done} {output:q}"


ruleorder: ensemble > train
