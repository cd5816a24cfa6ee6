# What the three workflows share: reading the configuration, and the rules from scans to scores.
#
# All outputs of medcycle go into folders that Snakemake does not know of: it removes the outputs of a job that failed,
# while medcycle resumes them. A job that is done leaves a small file below jobs/ instead.

import csv
import hashlib
import json
import os
import shlex
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

# What jobs need beyond their volumes, MiB, and for each voxel of the largest volume, bytes; docs/why/scaling.md has the
# measurements.
BASE_MIB = 1500
PREPARE_BYTES, SYNTHESIZE_BYTES, EVALUATE_BYTES = 80, 80, 160
TRAIN_MIB = 3000
USUAL_MINUTES = 240
# of a training that ends after steps, unless resources.train.runtime says more
TRAIN_MINUTES = 2880


def checked(given):
    """The configuration with its defaults. Ends with one line that names a key that is wrong."""
    schema = yaml.safe_load(Path(workflow.basedir, "config.schema.yaml").read_text(encoding="utf-8"))
    properties = dict(schema["properties"])
    known = {name: one for name, one in properties.items() if WORKFLOW in one.get("workflows", [WORKFLOW])}
    needed = ["output", "ct", *(name for name, one in known.items() if WORKFLOW in one.get("needed_by", []))]
    schema |= {"properties": known, "required": needed}
    for error in sorted(Draft202012Validator(schema).iter_errors(given), key=lambda one: list(one.absolute_path)):
        place = ".".join(map(str, error.absolute_path)) or "configuration"
        raise WorkflowError(f"{place}: {error.message}. Keys of {WORKFLOW}: {', '.join(known)}")
    values = {name: one["default"] for name, one in known.items() if "default" in one} | given
    values = {name: value for name, value in values.items() if value is not None}
    if values["recipe"] == "auto" and "device" not in values:
        raise WorkflowError("recipe auto plans for a device; give device: cpu or device: gpu, which the jobs will run on")
    return values


def quoted(*words):
    return " ".join(shlex.quote(str(word)) for word in words)


def flags_of(values):
    """The options of medcycle for a method and settings."""
    chosen = [word for name in ("method", "dims", "device") if name in values for word in (f"--{name}", values[name])]
    settings = [f"--set={key}={json.dumps(value)}" for key, value in values.get("settings", {}).items()]
    return quoted(*chosen, *settings)


def changed_when(*names):
    """A digest of the files below the folders that these keys name, so that new scans are noticed.

    Jobs, which read this file too, take it from where the main process has written it.
    """
    folders = [VALUES[name] for name in names if name in VALUES]
    key = "\n".join(folders)
    if workflow.is_main_process and key not in SCANS_NOW:
        SCANS_NOW[key] = digest_of(folders)
    return SCANS_NOW.get(key, "")


def digest_of(folders):
    """Of names, sizes and times of all files; links to folders are followed, as medcycle does."""
    digest = hashlib.sha256()
    for folder in folders:
        if not os.path.exists(folder):
            raise WorkflowError(f"{folder}: does not exist; check the configuration")
        found, seen = [], set()
        for root, inner, names in os.walk(folder, followlinks=True):
            real = os.path.realpath(root)
            if real in seen:
                inner.clear()
                continue
            seen.add(real)
            found += [os.path.join(root, name) for name in names]
        for path in sorted(found) or [folder]:
            try:
                known = os.stat(path)
                digest.update(f"{path}\0{known.st_size}\0{known.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
            except OSError as error:
                digest.update(f"{path}\0{error.errno}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def kept_in(path):
    """The values in a JSON file that a workflow wrote; none if it is not there or damaged."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def keep(values, path):
    """Write a JSON file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def require_same_settings(before, now):
    """Ends if the output holds runs of other settings; these are never removed."""
    if not any((OUT / run / "run" / "checkpoints").exists() for run in RUNS):
        return
    if before and (other := sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))):
        key = other[0]
        raise WorkflowError(
            f"{OUT} was made with another value of {key} ({before.get(key)}, now {now.get(key)}); give another output"
        )


def settings_of_runs():
    """What trained models depend on, but for the scans; recipes that are files by what they hold."""
    values = {name: VALUES[name] for name in OF_RUNS if name in VALUES}
    recipe = Path(VALUES["recipe"])
    if recipe.is_file():
        values["recipe"] = f"{recipe}, {hashlib.sha256(recipe.read_bytes()).hexdigest()[:12]}"
    return values


OF_RUNS = ("recipe", "method", "dims", "device", "devices", "settings", "folds", "methods", "mr", "ct")

VALUES = checked(config)
OUT = Path(VALUES["output"])
JOBS, STORE = OUT / "jobs", OUT / "store"
SHARDS = range(1, VALUES["shards"] + 1)
RECIPE, FLAGS = quoted(VALUES["recipe"]), flags_of(VALUES)
SCANS = quoted(*(word for name in ("mr", "ct") if name in VALUES for word in (f"--{name}", VALUES[name])))
SCANS_NOW = {} if workflow.is_main_process else kept_in(OUT / "scans.json")
PREPARE = f"{SCANS} {quoted(STORE)} --config {RECIPE} {FLAGS}"
DONE = "date +%s.%N >"
LAUNCHER = (
    f"torchrun --standalone --nproc-per-node {VALUES['devices']} --no-python medcycle"
    if VALUES["devices"] > 1
    else "medcycle"
)


onstart:
    keep(settings_of_runs(), OUT / "settings.json")
    keep(SCANS_NOW, OUT / "scans.json")


# A workflow says which runs there are (RUNS: the options of each), which tables of scores (TABLES); what a run translates
# (translation), which runs a table is of (synthesized_for), and what they are compared with (comparison). These two are
# those of a table for each run.


def translation(run):
    return quoted(OUT / run / "run", VALUES["test_mr"], OUT / run / "synthetic")


def synthesized_for(table):
    return expand(JOBS / "{run}/synthesize-{shard}", run=table, shard=SHARDS)


def shard(wildcards):
    """The option of a job for its shard; with one shard, all settings work."""
    return f"--shard {wildcards.shard}/{VALUES['shards']}" if VALUES["shards"] > 1 else ""


def evaluation(table):
    """The folder of a table of scores, whose name is its model's in comparisons."""
    return OUT / "evaluation" / table


def largest_voxels(findings):
    """Voxels of the largest volume that `medcycle inspect` found."""
    sizes = [one["shape"] for one in json.loads(Path(findings).read_text(encoding="utf-8")) if one.get("shape")]
    return max((x * y * z for x, y, z in sizes), default=0)


def of_job(rule, name, usual):
    """A request for a job: what the configuration says, or else what the plan does."""

    def request(wildcards, input, threads, attempt):
        given = VALUES["resources"].get(rule, {}).get(name)
        value = given if given is not None else usual(input, threads)
        # a job that was killed for memory, or ran out of time, asks for more the next time; training resumes instead
        grows = name in ("mem_mb", "runtime") and rule != "train"
        return int(value * (1 + 0.5 * (attempt - 1))) if grows else int(value)

    return request


def memory(a_voxel):
    return lambda input, threads: BASE_MIB + threads * a_voxel * largest_voxels(input.findings) / 2**20


def training_memory(input, threads):
    step = json.loads(Path(str(input.plan)).read_text(encoding="utf-8"))["step"]["memory"] / 2**20
    return TRAIN_MIB + (1.3 * step if VALUES.get("device") != "gpu" else 0) * VALUES["devices"]


def training_minutes(input, threads):
    minutes = json.loads(Path(str(input.plan)).read_text(encoding="utf-8"))["config"]["training"]["max_minutes"]
    return TRAIN_MINUTES if minutes is None else minutes * 1.25 + 30


def gpus(input, threads):
    return VALUES["devices"] if VALUES.get("device") == "gpu" else 0


def gpu_to_plan(input, threads):
    """`auto` plans for the GPU that it sees."""
    return min(1, gpus(input, threads)) if VALUES["recipe"] == "auto" else 0


def fixed(value):
    return lambda input, threads: value
