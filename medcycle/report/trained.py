"""The part of the page that a training run makes."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from medcycle.config.plain import read_yaml
from medcycle.errors import UnreadableFile
from medcycle.io.files import sha256_of
from medcycle.report.html import Html, element, joined, table
from medcycle.report.models import SHOWN_OF_HASH
from medcycle.report.names import Names
from medcycle.report.pictures import clean_png
from medcycle.report.plain import Part, read_part, read_rows
from medcycle.report.plots import Numbers, curves
from medcycle.report.section import Section

__all__ = ["Run", "is_run", "read_run", "section_of"]

MARKS = ("manifest.json", "metrics.csv", "config.yaml")
"""Any two of these make a run's folder."""

CHECKPOINTS = (Path("checkpoints", "best.pt"), Path("checkpoints", "last.pt"))

MOST_POINTS = 1500
"""of a curve; more are thinned out."""

KEYS = (
    *(
        "network.name",
        "network.spatial_dims",
        "network.filters",
        "data.spacing",
        "data.patch_size",
        "training.max_steps",
    ),
    *("training.max_minutes", "training.batch_size", "training.learning_rate", "training.seed"),
)
"""of the configuration, that are shown."""

Rows = Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Run:
    """A run.

    Args:
        folder: where it is.
        config: its configuration.
        manifest: versions, data and split; empty if there is none.
        metrics: a row each few steps.
        validation: a row a validation.
    """

    folder: Path
    config: Part
    manifest: Part
    metrics: Rows
    validation: Rows


def is_run(folder: Path) -> bool:
    """Whether a folder is a run's."""
    return sum((folder / name).is_file() for name in MARKS) > 1


def read_run(folder: Path, names: Names) -> Run:
    """A run's folder, with the names of its cases and patients made known.

    Raises:
        UnreadableFile: if its tables are damaged.
    """
    manifest = Part({})
    if (folder / "manifest.json").is_file():
        manifest = read_part(folder / "manifest.json", "restore it from a copy")
    names.hide([folder.resolve(), Path(manifest.part("store").text("path"))])
    for _, part in manifest.part("split").parts():
        for kind in ("mr", "ct"):
            names.hide(Path(one.text(key)) for one in part.list(kind) for key in ("name", "patient"))
    return Run(
        folder, _config(folder), manifest, read_rows(folder / "metrics.csv"), read_rows(folder / "validation.csv")
    )


def _config(folder: Path) -> Part:
    path = folder / "config.yaml"
    if not path.is_file():
        return Part({})
    try:
        return Part(read_yaml(path))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UnreadableFile(f"{path}: can't be read as YAML; restore it from a copy") from error


def section_of(run: Run, names: Names) -> Section:
    """A run's part of the page; the names know all cases and folders of the page."""
    facts = _facts(run, names)
    if names.shown:
        facts.append(("Folder", names.told(str(run.folder))))
    rows = element("dl", *(joined([element("dt", key), element("dd", value)]) for key, value in facts))
    made = [_losses(run.metrics), *_validations(run.validation)]
    return Section(
        "Training run",
        element("div", rows, class_="facts"),
        joined([element("div", _split(run, names), _settings(run, names), class_="beside"), _preview(run)]),
        [plot for plot in made if plot],
    )


def _facts(run: Run, names: Names) -> list[tuple[str, str]]:
    last = run.metrics[-1] if run.metrics else {}
    seconds = _float(last.get("elapsed_seconds", ""))
    progress = f"{last.get('step', '0')} steps" + (f" in {seconds / 60:.0f} minutes" if seconds else "")
    dims = {3.0: "3D"}.get(run.config.part("network").number("spatial_dims") or 0, "2D")
    if dims == "2D" and (run.config.part("data").number("slices") or 1) > 1:
        dims = "2.5D"
    facts = [
        ("Method", f"{names.plain(run.config.part('method').text('name')) or '–'}, {dims}"),
        ("Trained", names.plain(progress)),
        ("Data", _counts(run.manifest)),
        ("Best validation", _best(run.validation)),
    ]
    for place in CHECKPOINTS:
        if (path := run.folder / place).is_file():
            facts.append(("Model", f"{place.name}, SHA-256 {sha256_of(path)[:SHOWN_OF_HASH]}…"))
            break
    versions = [f"{key} {run.manifest.text(key)}" for key in ("medcycle", "torch", "monai") if run.manifest.text(key)]
    return [*facts, ("Versions", names.plain(", ".join(versions)) or "–")]


def _counts(manifest: Part) -> str:
    told = []
    for part, name in (("train", "trained on"), ("validation", "held out")):
        counts = [f"{len(manifest.part('split', part).list(kind))} {kind.upper()}" for kind in ("mr", "ct")]
        told.append(f"{name} {' and '.join(counts)}")
    return ", ".join(told) if manifest.part("split") else "not known: no manifest.json"


def _best(rows: Rows) -> str:
    scores = [(value, row.get("step", "?")) for row in rows if (value := _float(row.get("score", ""))) is not None]
    if not scores:
        return "never validated"
    score, step = min(scores)
    is_error = any(row.get("mae") for row in rows)
    return f"{'mean absolute error' if is_error else 'score'} {score:.1f}{' HU' if is_error else ''} at step {step}"


def _float(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None


def _column(rows: Rows, name: str) -> list[float | None]:
    return [_float(row.get(name) or "") for row in rows]


def _thinned(rows: Rows) -> Rows:
    return rows[:: max(1, len(rows) // MOST_POINTS)]


def _losses(rows: Rows) -> dict[str, object] | None:
    rows = _thinned(rows)
    names = [name for name in (rows[0] if rows else {}) if name not in ("step", "elapsed_seconds")]
    lines: list[tuple[str, str, Numbers]] = [(name.replace("_", " "), "series", _column(rows, name)) for name in names]
    plot = curves("losses", "Losses in training", ("step", _column(rows, "step")), "loss", lines)
    if plot:
        plot["layout"]["yaxis"]["type"] = "log"
        plot["wide"] = True
    return plot


def _validations(rows: Rows) -> list[dict[str, object] | None]:
    """The score, and what it is made of; where pairs are held out, the error."""
    steps = ("step", _column(rows, "step"))
    names = [name for name in (rows[0] if rows else {}) if name not in ("step", "elapsed_seconds", "score", "alarms")]
    parts: list[tuple[str, str, Numbers]] = [(name.replace("_", " "), "series", _column(rows, name)) for name in names]
    marked = [
        curves(
            "validation",
            "Score in validation, lower is better",
            steps,
            "score",
            [("score", "accent", _column(rows, "score"))],
        ),
        curves("validation-parts", "What validation measures", steps, "", parts),
    ]
    for plot in filter(None, marked):
        for trace in plot["traces"]:
            trace["mode"] = "lines+markers"
    return [*marked]


def _split(run: Run, names: Names) -> Html:
    """Counts by part; with identifiers, the cases."""
    rows = []
    for part, told in run.manifest.part("split").parts():
        for kind in ("mr", "ct"):
            cases = told.list(kind)
            patients = len({one.text("patient") for one in cases})
            row = [names.plain(part), kind.upper(), str(len(cases)), str(patients)]
            rows.append([*row, ", ".join(names.told(one.text("name")) for one in cases)] if names.shown else row)
    return table("Split", ["part", "modality", "cases", "patients", *(["names"] if names.shown else [])], rows)


def _settings(run: Run, names: Names) -> Html:
    rows = []
    for key in KEYS:
        section, _, name = key.partition(".")
        value = run.config.part(section).values.get(name)
        if value is not None:
            rows.append([key, names.plain(str(value))])
    return table("Settings", ["key", "value"], rows)


def _preview(run: Run) -> Html:
    """The last picture that training made."""
    pictures = sorted((run.folder / "previews").glob("step_*.png"))
    content = clean_png(run.folder, f"previews/{pictures[-1].name}") if pictures else b""
    if not content:
        return Html("")
    caption = "Preview at the end of training"
    data = f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"
    image = element("img", src=data, alt=caption)
    return element("figure", image, element("figcaption", caption), class_="screen")
