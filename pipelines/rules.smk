# The rules from scans to scores, for all runs of a workflow.


rule inspect:
    output:
        findings=OUT / "findings.json",
    params:
        scans=changed_when(VALUES.get("mr"), VALUES["ct"], VALUES.get("test_mr")),
        paths=quoted(*(VALUES[name] for name in ("mr", "ct", "test_mr") if name in VALUES)),
    threads: VALUES["threads"]
    log:
        OUT / "logs/inspect.txt",
    benchmark:
        OUT / "benchmarks/inspect.tsv"
    resources:
        mem_mb=of_job("inspect", "mem_mb", fixed(BASE_MIB)),
        runtime=of_job("inspect", "runtime", fixed(USUAL_MINUTES)),
    shell:
        "medcycle inspect {params.paths} --headers --workers {threads} --keep-going --json {output.findings} > {log} 2>&1"


rule prepare:
    input:
        findings=rules.inspect.output.findings,
    output:
        touch(JOBS / "prepare-{shard}"),
    params:
        scans=changed_when(VALUES.get("mr"), VALUES["ct"]),
        call=f"{SCANS} {quoted(STORE)} --config {RECIPE} {FLAGS}",
        of=VALUES["shards"],
    threads: VALUES["threads"]
    log:
        OUT / "logs/prepare-{shard}.txt",
    benchmark:
        OUT / "benchmarks/prepare-{shard}.tsv"
    resources:
        mem_mb=of_job("prepare", "mem_mb", memory(PREPARE_BYTES)),
        runtime=of_job("prepare", "runtime", fixed(USUAL_MINUTES)),
    shell:
        "medcycle prepare {params.call} --shard {wildcards.shard}/{params.of} --workers {threads} --keep-going > {log} 2>&1"


# The last shard finishes the store; this also does when the last two ended at the same time, and says what was refused.
rule store:
    input:
        expand(JOBS / "prepare-{shard}", shard=SHARDS),
        findings=rules.inspect.output.findings,
    output:
        done=touch(JOBS / "store"),
        plan=OUT / "plan.json",
    params:
        call=f"{SCANS} {quoted(STORE)} --config {RECIPE} {FLAGS}",
        # what was planned for `auto` lies in the store, with all settings in it
        config=quoted(STORE / "config.yaml") if VALUES["recipe"] == "auto" else f"{RECIPE} {FLAGS}",
    log:
        OUT / "logs/store.txt",
    benchmark:
        OUT / "benchmarks/store.tsv"
    resources:
        mem_mb=of_job("store", "mem_mb", memory(PREPARE_BYTES)),
        runtime=of_job("store", "runtime", fixed(USUAL_MINUTES)),
    shell:
        "(medcycle prepare {params.call} --workers 1 --keep-going &&"
        " medcycle config show {params.config} --json > {output.plan}) > {log} 2>&1"


# A run that was killed or preempted goes on from its last checkpoint. Later scans in the store don't begin it anew.
rule train:
    input:
        ancient(JOBS / "store"),
        plan=ancient(rules.store.output.plan),
    output:
        touch(JOBS / "{run}/train"),
    params:
        run=lambda wildcards: quoted(OUT / wildcards.run / "run"),
        call=lambda wildcards: f"train {RECIPE} {RUNS[wildcards.run]} --store {quoted(STORE)}",
        # processes of one job train together
        medcycle=(
            f"torchrun --standalone --nproc-per-node {VALUES['devices']} --no-python medcycle"
            if VALUES["devices"] > 1
            else "medcycle"
        ),
        devices=f"--set=training.devices={VALUES['devices']}" if VALUES["devices"] > 1 else "",
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
        " {params.medcycle} {params.call} {params.devices} --output {params.run} $resume >> {log} 2>&1"


rule synthesize:
    input:
        JOBS / "{run}/train",
        findings=rules.inspect.output.findings,
    output:
        touch(JOBS / "{run}/synthesize-{shard}"),
    params:
        scans=changed_when(VALUES.get("test_mr")),
        call=lambda wildcards: translation(wildcards.run),
        of=VALUES["shards"],
        format=VALUES["format"],
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
        "medcycle synthesize {params.call} --format {params.format} --shard {wildcards.shard}/{params.of} --keep-going"
        " > {log} 2>&1"


rule evaluate:
    input:
        lambda wildcards: synthesized_for(wildcards.table),
        findings=rules.inspect.output.findings,
    output:
        touch(JOBS / "{table}/evaluate-{shard}"),
    params:
        scans=changed_when(VALUES.get("true_ct")),
        call=lambda wildcards: comparison(wildcards.table),
        of=VALUES["shards"],
    threads: VALUES["threads"]
    log:
        OUT / "logs/{table}/evaluate-{shard}.txt",
    benchmark:
        OUT / "benchmarks/{table}/evaluate-{shard}.tsv"
    resources:
        mem_mb=of_job("evaluate", "mem_mb", memory(EVALUATE_BYTES)),
        runtime=of_job("evaluate", "runtime", fixed(USUAL_MINUTES)),
    shell:
        "medcycle evaluate {params.call} --shard {wildcards.shard}/{params.of} --keep-going > {log} 2>&1"


# Times and memory of all jobs, in the order in which they were done.
rule jobs:
    input:
        expand(JOBS / "{table}/evaluate-{shard}", table=TABLES, shard=SHARDS),
    output:
        OUT / "jobs.csv",
    localrule: True
    run:
        measured = sorted((OUT / "benchmarks").rglob("*.tsv"), key=lambda path: path.stat().st_mtime)
        with open(output[0], "w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(["job", "seconds", "memory_mib", "cpu_seconds"])
            for path in measured:
                row = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines(), delimiter="\t"))[-1]
                name = path.relative_to(OUT / "benchmarks").with_suffix("").as_posix()
                numbers = [row[key] if row[key] not in ("NA", "-") else "" for key in ("s", "max_rss", "cpu_time")]
                writer.writerow([name, *numbers])


rule report:
    input:
        expand(JOBS / "{table}/evaluate-{shard}", table=TABLES, shard=SHARDS),
        EXTRA,
        jobs=OUT / "jobs.csv",
    output:
        OUT / "report.html",
    params:
        folders=quoted(*map(evaluation, TABLES), *(OUT / run / "run" for run in RUNS)),
    log:
        OUT / "logs/report.txt",
    resources:
        mem_mb=of_job("report", "mem_mb", fixed(2 * BASE_MIB)),
        runtime=of_job("report", "runtime", fixed(USUAL_MINUTES)),
    shell:
        "medcycle report {params.folders} {input.jobs} --output {output} > {log} 2>&1"
