# A cohort from scans to scores: inspect, prepare, train, synthesize, evaluate, report.
#
#     snakemake -s pipelines/cohort.smk --configfile cohort.yaml --profile pipelines/profiles/local
#
# config.schema.yaml lists the keys of cohort.yaml.

WORKFLOW = "cohort"


include: "common.smk"


RUNS = {"model": FLAGS}
TABLES = TRANSLATING = list(RUNS)


def comparison(table):
    truth = ["--real", VALUES["true_ct"]] if "true_ct" in VALUES else ["--mr", VALUES["test_mr"]]
    return quoted(*truth, "--synthetic", OUT / table / "synthetic", "--output", evaluation(table))


rule all:
    default_target: True
    input:
        OUT / "report.html",


include: "rules.smk"
