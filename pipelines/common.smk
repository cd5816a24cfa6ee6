# What the three workflows share: reading the configuration, and the rules from scans to scores.
#
# All outputs of medcycle go into folders that Snakemake does not know of: it removes the outputs of a job that failed,
# while medcycle resumes them. A job that is done leaves an empty file below jobs/ instead.

import csv
import hashlib
import json
import os
import shlex
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

# What jobs need beyond their volumes, MiB, and for each voxel of the largest volume, bytes; docs/scaling.md has the
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
    """The options of medcycle for a recipe, a method and settings."""
    chosen = [word for name in ("method", "dims", "device") if name in values for word in (f"--{name}", values[name])]
    settings = [f"--set={key}={json.dumps(value)}" for key, value in values.get("settings", {}).items()]
    return quoted(*chosen, *settings)


def changed_when(*folders):
    """A digest of names, sizes and times of all files below folders, so that new scans are noticed."""
    if not workflow.is_main_process:
        return ""
    digest = hashlib.sha256()
    for folder in filter(None, folders):
        if not os.path.exists(folder):
            raise WorkflowError(f"{folder}: does not exist; check the configuration")
        found = sorted(os.path.join(root, name) for root, _, names in os.walk(folder) for name in names)
        for path in found or [folder]:
            try:
                known = os.stat(path)
                digest.update(f"{path}\0{known.st_size}\0{known.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
            except OSError as error:
                digest.update(f"{path}\0{error.errno}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def require_same_settings(values):
    """Ends if the output holds runs of other settings; these are never removed."""
    if not workflow.is_main_process or workflow.dryrun:
        return
    kept, wanted = OUT / "settings.json", {name: values.get(name) for name in SETTINGS_OF_RUNS if values.get(name)}
    if kept.is_file():
        before = json.loads(kept.read_text(encoding="utf-8"))
        if other := sorted(key for key in before.keys() | wanted.keys() if before.get(key) != wanted.get(key)):
            raise WorkflowError(
                f"{OUT} was made with another {other[0]} ({before.get(other[0])}, now {wanted.get(other[0])}); "
                "give another output"
            )
        return
    OUT.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(wanted, indent=1) + "\n", encoding="utf-8")


SETTINGS_OF_RUNS = ("recipe", "method", "dims", "device", "settings", "folds", "methods", "mr", "ct")

VALUES = checked(config)
OUT = Path(VALUES["output"])
JOBS, STORE = OUT / "jobs", OUT / "store"
SHARDS = range(1, VALUES["shards"] + 1)
FLAGS = flags_of(VALUES)
SCANS = quoted(*(word for name in ("mr", "ct") if name in VALUES for word in (f"--{name}", VALUES[name])))
require_same_settings(VALUES)

# What is done with each run: options of medcycle train, the scans it translates, and what scores these. The workflow
# fills it in before it includes the rules.
#   RUNS: name -> options
#   translated(run), synthetic(run), scored: see each workflow


def recipe_of(run):
    """The recipe to train a run by; what `auto` planned lies in the store."""
    return quoted("auto" if VALUES["recipe"] == "auto" else VALUES["recipe"])


def largest_voxels(findings):
    """Voxels of the largest volume that `medcycle inspect` found."""
    sizes = [one["shape"] for one in json.loads(Path(findings).read_text(encoding="utf-8")) if one.get("shape")]
    return max((x * y * z for x, y, z in sizes), default=0)


def of_job(rule, name, usual):
    """A request for a job: what the configuration says, or else what the plan does."""

    def request(wildcards, input, threads, attempt):
        given = VALUES["resources"].get(rule, {}).get(name)
        value = given if given is not None else usual(input, threads)
        # a job that was killed for memory, or ran out of time, asks for more the next time
        return int(value * (1 + 0.5 * (attempt - 1))) if name in ("mem_mb", "runtime") else int(value)

    return request


def memory(a_voxel):
    return lambda input, threads: BASE_MIB + threads * a_voxel * largest_voxels(input.findings) / 2**20


def training_memory(input, threads):
    step = json.loads(Path(input.plan).read_text(encoding="utf-8"))["step"]["memory"] / 2**20
    return TRAIN_MIB + (1.3 * step if VALUES.get("device") != "gpu" else 0) * VALUES["devices"]


def training_minutes(input, threads):
    minutes = json.loads(Path(input.plan).read_text(encoding="utf-8"))["config"]["training"]["max_minutes"]
    return TRAIN_MINUTES if minutes is None else minutes * 1.25 + 30


def gpus(input, threads):
    return VALUES["devices"] if VALUES.get("device") == "gpu" else 0


def fixed(value):
    return lambda input, threads: value
