# Cross-validation: every patient is translated by a model that has not seen them, and all are in one table. With
# test_mr, the ensemble of all folds translates these as well.
#
#     snakemake -s pipelines/crossval.smk --configfile crossval.yaml --profile pipelines/profiles/local
#
# config.schema.yaml lists the keys of crossval.yaml.

WORKFLOW = "crossval"


include: "common.smk"


FOLDS = [f"fold-{number}" for number in range(1, VALUES["folds"] + 1)]
RUNS = {
    name: f"{FLAGS} --set=data.folds={VALUES['folds']} --set=data.fold={number}" for number, name in enumerate(FOLDS)
}
HELD_OUT, ENSEMBLE = "held-out", "ensemble"
TABLES, EXTRA = [HELD_OUT, *([ENSEMBLE] if "test_mr" in VALUES else [])], []


wildcard_constraints:
    run="fold-[0-9]+|ensemble",


def translation(run):
    if run == ENSEMBLE:
        first, *others = (OUT / name / "run" for name in FOLDS)
        more = [word for other in others for word in ("--ensemble", other)]
        return quoted(first, VALUES["test_mr"], OUT / ENSEMBLE / "synthetic", *more)
    return quoted(OUT / run / "run", VALUES["mr"], OUT / HELD_OUT / "synthetic", "--held-out")


def synthesized_for(table):
    return expand(JOBS / "{run}/synthesize-{shard}", run=FOLDS if table == HELD_OUT else [table], shard=SHARDS)


def comparison(table):
    if table == ENSEMBLE:
        truth = ["--real", VALUES["test_true_ct"]] if "test_true_ct" in VALUES else ["--mr", VALUES["test_mr"]]
    else:
        truth = ["--real", VALUES["true_ct"]] if "true_ct" in VALUES else ["--mr", VALUES["mr"]]
    return quoted(*truth, "--synthetic", OUT / table / "synthetic", "--output", evaluation(table))


rule all:
    default_target: True
    input:
        OUT / "report.html",


include: "rules.smk"


# An ensemble is made of all folds.
rule ensemble:
    input:
        expand(JOBS / "{run}/train", run=FOLDS),
    output:
        touch(JOBS / "ensemble/train"),
    localrule: True


ruleorder: ensemble > train
