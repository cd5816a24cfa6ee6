# The rules from scans to scores, for all runs of a workflow.
#
# Parameters are functions, since Snakemake would look for wildcards in text with braces. A job that is done writes the
# time into its file below jobs/: Snakemake takes files of the same content for unchanged.

require_same_settings(kept_in(OUT / "settings.json"), settings_of_runs())


# For the size of the largest volume, which memory is asked for by. All that depends on scans comes after this job, which
# is done again when scans have changed; the others do what is new.
rule inspect:
    output:
        done=JOBS / "inspect",
        findings=OUT / "findings.json",
    params:
        done=DONE,
        scans=lambda wildcards: changed_when("mr", "ct", "test_mr", "true_ct", "test_true_ct"),
        paths=lambda wildcards: quoted(*(VALUES[name] for name in ("mr", "ct", "test_mr") if name in VALUES)),
    threads: VALUES["threads"]
    retries: VALUES["retries"]
    log:
        OUT / "logs/inspect.txt",
    benchmark:
        OUT / "benchmarks/inspect.tsv"
    resources:
        mem_mb=of_job("inspect", "mem_mb", fixed(BASE_MIB)),
        runtime=of_job("inspect", "runtime", fixed(USUAL_MINUTES)),
    shell:
        "(medcycle inspect {params.paths} --headers --workers {threads} --json {output.findings:q} > {log:q} 2>&1"
        " || test -s {output.findings:q}) && {params.done} {output.done:q}"


rule prepare:
    input:
        rules.inspect.output.done,
        findings=ancient(rules.inspect.output.findings),
    output:
        JOBS / "prepare-{shard}",
    params:
        call=lambda wildcards: f"{PREPARE} {shard(wildcards)}",
        done=DONE,
    threads: VALUES["threads"]
    retries: VALUES["retries"]
    log:
        OUT / "logs/prepare-{shard}.txt",
    benchmark:
        OUT / "benchmarks/prepare-{shard}.tsv"
    resources:
        mem_mb=of_job("prepare", "mem_mb", memory(PREPARE_BYTES)),
        runtime=of_job("prepare", "runtime", fixed(USUAL_MINUTES)),
        gpu=of_job("prepare", "gpu", gpu_to_plan),
    shell:
        "medcycle prepare {params.call} --workers {threads} > {log:q} 2>&1 && {params.done} {output:q}"


# The shard that is done last finishes the store. This job does so if the last two ended together, and lists all that was
# refused.
rule store:
    input:
        expand(JOBS / "prepare-{shard}", shard=SHARDS),
        findings=ancient(rules.inspect.output.findings),
    output:
        JOBS / "store",
    params:
        call=lambda wildcards: PREPARE,
        done=DONE,
    retries: VALUES["retries"]
    log:
        OUT / "logs/store.txt",
    benchmark:
        OUT / "benchmarks/store.tsv"
    resources:
        mem_mb=of_job("store", "mem_mb", memory(PREPARE_BYTES)),
        runtime=of_job("store", "runtime", fixed(USUAL_MINUTES)),
        gpu=of_job("store", "gpu", gpu_to_plan),
    shell:
        "medcycle prepare {params.call} --workers 1 > {log:q} 2>&1 && {params.done} {output:q}"


# All settings of a run, and what its steps take. Those that were planned for `auto` lie in the store.
rule plan:
    input:
        ancient(JOBS / "store"),
    output:
        OUT / "plans/{run}.json",
    params:
        call=lambda wildcards: (
            f"{quoted(STORE / 'config.yaml')}" if VALUES["recipe"] == "auto" else f"{RECIPE} {RUNS[wildcards.run]}"
        ),
    localrule: True
    log:
        OUT / "logs/{run}/plan.txt",
    shell:
        "medcycle config show {params.call} --json > {output:q} 2> {log:q}"


# A run that was killed or preempted goes on from its last checkpoint. Later scans in the store don't begin it anew.
rule train:
    input:
        ancient(JOBS / "store"),
        plan=ancient(rules.plan.output),
    output:
        JOBS / "{run}/train",
    params:
        run=lambda wildcards: quoted(OUT / wildcards.run / "run"),
        call=lambda wildcards: f"{LAUNCHER} train {RECIPE} {RUNS[wildcards.run]} --store {quoted(STORE)}",
        done=DONE,
    threads: VALUES["train_threads"]
    retries: VALUES["retries"]
    log:
        OUT / "logs/{run}/train.txt",
    benchmark:
        OUT / "benchmarks/{run}/train.tsv"
    resources:
        mem_mb=of_job("train", "mem_mb", training_memory),
        runtime=of_job("train", "runtime", training_minutes),
        gpu=of_job("train", "gpu", gpus),
    shell:
        "resume=; if [ -e {params.run}/checkpoints/last.pt ]; then resume=--resume; fi;"
        " {params.call} --output {params.run} $resume > {log:q} 2>&1 && {params.done} {output:q}"


# What was made of scans that have changed since is made again.
rule synthesize:
    input:
        rules.inspect.output.done,
        JOBS / "{run}/train",
        findings=ancient(rules.inspect.output.findings),
    output:
        JOBS / "{run}/synthesize-{shard}",
    params:
        call=lambda wildcards: f"{translation(wildcards.run)} {shard(wildcards)} --format {VALUES['format']}",
        done=DONE,
    threads: VALUES["threads"]
    retries: VALUES["retries"]
    log:
        OUT / "logs/{run}/synthesize-{shard}.txt",
    benchmark:
        OUT / "benchmarks/{run}/synthesize-{shard}.tsv"
    resources:
        mem_mb=of_job("synthesize", "mem_mb", memory(SYNTHESIZE_BYTES)),
        runtime=of_job("synthesize", "runtime", fixed(USUAL_MINUTES)),
        gpu=of_job("synthesize", "gpu", lambda input, threads: min(1, gpus(input, threads))),
    shell:
        "medcycle synthesize {params.call} --replace --keep-going > {log:q} 2>&1 && {params.done} {output:q}"


rule evaluate:
    input:
        rules.inspect.output.done,
        lambda wildcards: synthesized_for(wildcards.table),
        findings=ancient(rules.inspect.output.findings),
    output:
        JOBS / "{table}/evaluate-{shard}",
    params:
        call=lambda wildcards: f"{comparison(wildcards.table)} {shard(wildcards)}",
        done=DONE,
    threads: VALUES["threads"]
    retries: VALUES["retries"]
    log:
        OUT / "logs/{table}/evaluate-{shard}.txt",
    benchmark:
        OUT / "benchmarks/{table}/evaluate-{shard}.tsv"
    resources:
        mem_mb=of_job("evaluate", "mem_mb", memory(EVALUATE_BYTES)),
        runtime=of_job("evaluate", "runtime", fixed(USUAL_MINUTES)),
    shell:
        "medcycle evaluate {params.call} --keep-going > {log:q} 2>&1 && {params.done} {output:q}"


# Times and memory of all jobs but those on the machine that Snakemake runs on.
rule jobs:
    input:
        expand(JOBS / "{table}/evaluate-{shard}", table=TABLES, shard=SHARDS),
    output:
        OUT / "jobs.csv",
    localrule: True
    run:
        names = ["inspect", *(f"prepare-{shard}" for shard in SHARDS), "store", *(f"{run}/train" for run in RUNS)]
        names += [f"{run}/synthesize-{shard}" for run in TRANSLATING for shard in SHARDS]
        names += [f"{table}/evaluate-{shard}" for table in TABLES for shard in SHARDS]
        with open(output[0], "w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(["job", "seconds", "memory_mib", "cpu_seconds"])
            for name in names:
                text = (OUT / "benchmarks" / f"{name}.tsv").read_text(encoding="utf-8")
                row = list(csv.DictReader(text.splitlines(), delimiter="\t"))[-1]
                numbers = [row[key] if row[key] not in ("NA", "-") else "" for key in ("s", "max_rss", "cpu_time")]
                writer.writerow([name, *numbers])


rule report:
    input:
        expand(JOBS / "{table}/evaluate-{shard}", table=TABLES, shard=SHARDS),
        jobs=OUT / "jobs.csv",
    output:
        OUT / "report.html",
    params:
        folders=lambda wildcards: quoted(*map(evaluation, TABLES), *(OUT / run / "run" for run in RUNS)),
    log:
        OUT / "logs/report.txt",
    resources:
        mem_mb=of_job("report", "mem_mb", fixed(2 * BASE_MIB)),
        runtime=of_job("report", "runtime", fixed(USUAL_MINUTES)),
    shell:
        "medcycle report {params.folders} {input.jobs:q} --output {output:q} > {log:q} 2>&1"
