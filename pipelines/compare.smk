# Several methods on the same scans, with paired statistics of their scores.
#
#     snakemake -s pipelines/compare.smk --configfile compare.yaml --profile pipelines/profiles/local
#
# config.schema.yaml lists the keys of compare.yaml.

WORKFLOW = "compare"


include: "common.smk"


def flags_of_method(one):
    """The options of a method: its own, and what all have in common."""
    own = one or {}
    return flags_of({**VALUES, **own, "settings": {**VALUES.get("settings", {}), **own.get("settings", {})}})


RUNS = {name: flags_of_method(one) for name, one in VALUES["methods"].items()}
TABLES = TRANSLATING = list(RUNS)


def comparison(table):
    truth = ["--real", VALUES["true_ct"]]
    return quoted(*truth, "--synthetic", OUT / table / "synthetic", "--output", evaluation(table))


rule all:
    default_target: True
    input:
        OUT / "report.html",
        JOBS / "comparison",


include: "rules.smk"


rule comparison:
    input:
        expand(JOBS / "{table}/evaluate-{shard}", table=TABLES, shard=SHARDS),
    output:
        JOBS / "comparison",
    params:
        call=lambda wildcards: quoted(*map(evaluation, TABLES), "--output", OUT / "comparison"),
        done=DONE,
    log:
        OUT / "logs/comparison.txt",
    shell:
        "medcycle compare {params.call} > {log:q} 2>&1 && {params.done} {output:q}"
