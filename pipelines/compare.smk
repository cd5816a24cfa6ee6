# Several methods on the same scans, with paired statistics of their scores.
#
#     snakemake -s pipelines/compare.smk --configfile compare.yaml --profile pipelines/profiles/local
#
# config.schema.yaml lists the keys of compare.yaml.

WORKFLOW = "compare"


include: "common.smk"


RUNS = {name: flags_of({**VALUES, **(one or {})}) for name, one in VALUES["methods"].items()}
TABLES, EXTRA = list(RUNS), [JOBS / "comparison"]


def translation(run):
    return quoted(OUT / run / "run", VALUES["test_mr"], OUT / run / "synthetic")


def synthesized_for(table):
    return expand(JOBS / "{run}/synthesize-{shard}", run=table, shard=SHARDS)


def comparison(table):
    return quoted(
        "--real", VALUES["true_ct"], "--synthetic", OUT / table / "synthetic", "--output", evaluation(table)
    )


rule all:
    default_target: True
    input:
        OUT / "report.html",


include: "rules.smk"


rule comparison:
    input:
        expand(JOBS / "{table}/evaluate-{shard}", table=TABLES, shard=SHARDS),
    output:
        touch(JOBS / "comparison"),
    params:
        call=quoted(*map(evaluation, TABLES), "--output", OUT / "comparison"),
    log:
        OUT / "logs/comparison.txt",
    shell:
        "medcycle compare {params.call} > {log} 2>&1"
