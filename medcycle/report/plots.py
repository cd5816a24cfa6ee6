"""Plots as plain values: what Plotly draws, with roles in the place of colours, which the page's theme gives."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from medcycle.report.metrics import metric_of
from medcycle.report.plain import Part
from medcycle.report.section import Plot
from medcycle.report.spread import ENOUGH, Curve, pooled, summed

__all__ = [
    "box_by_metric",
    "boxes",
    "calibration",
    "calibration_of_all",
    "curves",
    "dose_volumes",
    "histogram",
    "levels",
    "wepl",
    "wepl_of_all",
]

Cases = Sequence[tuple[str, Part]]
"""Labels and details."""

Numbers = Sequence[float | None]

Line = tuple[str, str, Numbers]
"""Name, role and values."""

IDENTITY = (-1000.0, 2000.0)
"""Ends of the line on which synthetic HU are the real ones."""


def _plot(key: str, title: str, traces: list[dict[str, Any]], x: str, y: str, **layout: Any) -> Plot:
    """A plot with one pair of axes; none without traces."""
    return {
        "key": key,
        "title": title,
        "traces": traces,
        "layout": {"xaxis": {"title": {"text": x}}, "yaxis": {"title": {"text": y}}, **layout},
    }


def _line(name: str, role: str, x: Sequence[Any], y: Numbers, **more: Any) -> dict[str, Any]:
    return {"type": "scatter", "mode": "lines", "name": _plain(name), "role": role, "x": list(x), "y": list(y), **more}


def _box(name: str, y: Numbers, labels: Sequence[str], **more: Any) -> dict[str, Any]:
    known = [(value, label) for value, label in zip(y, labels, strict=True) if value is not None]
    if len(known) < ENOUGH:  # points alone
        more["few"] = True
    return {
        "type": "box",
        "name": _plain(name),
        "role": "accent",
        "y": [value for value, _ in known],
        "text": [_plain(label) for _, label in known],
        "boxpoints": "all",
        "jitter": 0.5,
        "pointpos": 0,
        "hovertemplate": "%{text}<br>%{y:.4~g}<extra></extra>",
        **more,
    }


def box_by_metric(metrics: Sequence[str], values: Mapping[str, Numbers], labels: Sequence[str]) -> Plot | None:
    """A box of all cases a metric, each on its own axis."""
    if not metrics or len(labels) < 2:
        return None
    traces, layout = [], {}
    for number, name in enumerate(metrics, start=1):
        end = "" if number == 1 else str(number)
        metric = metric_of(name)
        traces.append(_box(metric.title, values[name], labels, xaxis=f"x{end}", yaxis=f"y{end}"))
        layout[f"yaxis{end}"] = {"title": {"text": ""}, "nticks": 5}
        layout[f"xaxis{end}"] = {"title": {"text": ""}}
    grid = {"rows": 1, "columns": len(metrics), "pattern": "independent", "xgap": 0.35}
    return {
        "key": "metrics",
        "title": "Cases by metric",
        "wide": len(metrics) > 3,
        "traces": traces,
        "layout": {**layout, "grid": grid, "showlegend": False},
    }


def boxes(key: str, title: str, unit: str, groups: Mapping[str, Sequence[tuple[str, float | None]]]) -> Plot | None:
    """A box a group, of labelled values."""
    traces = []
    for name, members in groups.items():
        if any(value is not None for _, value in members):
            traces.append(_box(name, [value for _, value in members], [label for label, _ in members]))
    return _plot(key, title, traces, "", unit, showlegend=False) if traces else None


def _calibration_traces(curve: Curve) -> list[dict[str, Any]]:
    low = [m - (s or 0) if m is not None else None for m, s in zip(curve.mean, curve.sd, strict=True)]
    high = [m + (s or 0) if m is not None else None for m, s in zip(curve.mean, curve.sd, strict=True)]
    return [
        _line("", "band", curve.x, low, line={"width": 0}, showlegend=False, hoverinfo="skip"),
        _line("± 1 SD", "band", curve.x, high, line={"width": 0}, fill="tonexty", hoverinfo="skip"),
        _line("identity", "identity", IDENTITY, IDENTITY, line={"dash": "dot", "width": 1.5}, hoverinfo="skip"),
        _line(
            *("mean", "synthetic", curve.x, curve.mean),
            customdata=curve.sd,
            hovertemplate="real %{x:.0f} HU<br>synthetic %{y:.0f} ± %{customdata:.0f} HU<extra></extra>",
        ),
    ]


def _calibration(key: str, title: str, curve: Curve) -> Plot | None:
    if not curve.x:
        return None
    ends = [min(curve.x), max(curve.x)]
    traces = _calibration_traces(curve)
    traces[2] |= {"x": ends, "y": ends}
    return _plot(key, title, traces, "real CT (HU)", "synthetic CT (HU)")


def _curve(details: Part) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    curve = details.part("calibration", "curve")
    return curve.numbers("real"), curve.numbers("mean"), curve.numbers("sd"), curve.numbers("voxels")


def calibration(details: Part) -> Plot | None:
    """Mean synthetic HU over real HU, of one case."""
    return _calibration("case-calibration", "HU calibration", pooled([_curve(details)]))


def calibration_of_all(cases: Cases) -> Plot | None:
    """The same of all cases together, each voxel counting once."""
    return _calibration("calibration", "HU calibration", pooled([_curve(details) for _, details in cases]))


def histogram(key: str, cases: Cases) -> Plot | None:
    """How often each HU is there, in real and synthetic CT, of the cases whose bins are those of the first."""
    parts = [details.part("histogram") for _, details in cases if details.part("histogram").numbers("edges")]
    edges = [value for value in (parts[0].numbers("edges") if parts else []) if value is not None]
    alike = [part for part in parts if part.numbers("edges") == edges]
    if len(edges) < 2 or not alike:
        return None
    centres = [(low + high) / 2 for low, high in itertools.pairwise(edges)]
    traces = []
    for name in ("real", "synthetic"):
        counts = summed([part.numbers(name) for part in alike])
        if len(counts) == len(centres):
            told = "%{x:.0f} HU: %{y:.3~s} voxels<extra>" + name + "</extra>"
            traces.append(_line(f"{name} CT", name, centres, [n or None for n in counts], hovertemplate=told))
    if not traces:
        return None
    plot = _plot(key, "Histogram in the mask", traces, "HU", "voxels")
    plot["layout"]["yaxis"]["type"] = "log"
    return plot


def levels(cases: Cases) -> Plot | None:
    """MAE by axial level, a line a case."""
    traces = []
    for label, details in cases:
        part = details.part("levels")
        if places := part.numbers("z_mm"):
            told = "%{y:.0f} HU at z %{x:.0f} mm<extra>" + _plain(label) + "</extra>"
            traces.append(_line(label, "case", places, part.numbers("mae"), hovertemplate=told))
    return (
        _plot("levels", "MAE by axial level", traces, "z (mm), feet to head", "HU", showlegend=False)
        if traces
        else None
    )


def curves(
    key: str, title: str, x: tuple[str, Numbers], y: str, lines: Sequence[tuple[str, str, Numbers]]
) -> Plot | None:
    """Lines over one axis: each with its name and role."""
    label, places = x
    drawn = [_line(name, role, places, values) for name, role, values in lines if any(v is not None for v in values)]
    return _plot(key, title, drawn, label, y) if drawn and places else None


def dose_volumes(structures: Sequence[tuple[str, Part]]) -> Plot | None:
    """Cumulative dose-volume histograms: of the real CT in full lines, of the synthetic one in dots."""
    traces = []
    for number, (name, told) in enumerate(structures):
        found = told.part("curves")
        for key, more in (("real", {}), ("synthetic", {"line": {"dash": "dot"}, "showlegend": False})):
            hover = f"%{{x:.1f}} Gy: %{{y:.0f}} %<extra>{_plain(name)}, {key} CT</extra>"
            line = _line(name, "series", found.numbers("dose"), found.numbers(key), hovertemplate=hover, **more)
            traces.append({**line, "series": number, "legendgroup": str(number)})
    return (
        _plot("dvh", "Dose-volume histograms (real CT full, synthetic CT dotted)", traces, "dose (Gy)", "volume (%)")
        if traces
        else None
    )


def wepl(details: Part) -> Plot | None:
    """Water-equivalent path lengths of one case over the gantry's angle."""
    part = details.part("wepl")
    lines = [
        ("real CT", "real", part.numbers("real_mm")),
        ("synthetic CT", "synthetic", part.numbers("synthetic_mm")),
        ("synthetic, true outline", "accent", part.numbers("synthetic_in_true_outline_mm")),
    ]
    return curves("case-wepl", "WEPL to the target", ("gantry angle (°)", part.numbers("angles_deg")), "mm", lines)


def wepl_of_all(cases: Cases) -> Plot | None:
    """Mean WEPL of all cases over the gantry's angle, of real and synthetic CT."""
    means = []
    for name, key in (("real", "real_mm"), ("synthetic", "synthetic_mm")):
        curve = pooled([_of_angles(details.part("wepl"), key) for _, details in cases])
        if curve.x:
            told = "%{x:.0f}°: %{y:.1f} mm<extra>" + name + "</extra>"
            means.append(_line(f"{name} CT", name, curve.x, curve.mean, hovertemplate=told))
    if not means:
        return None
    return _plot("wepl", "WEPL to the target, mean of cases", means, "gantry angle (°)", "mm")


def _of_angles(part: Part, key: str) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    angles = part.numbers("angles_deg")
    return angles, part.numbers(key), [0.0] * len(angles), [1.0] * len(angles)


def _plain(text: str) -> str:
    """A text in a plot, where Plotly takes some tags."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("%{", "% {")
