"""The page of sections, volumes, styles and scripts."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from string import Template
from typing import Any

from medcycle import __version__
from medcycle.report.html import Html, definitions, element, joined, script_json
from medcycle.report.section import Plot, Section
from medcycle.report.volumes import Packed, Panel
from medcycle.words import shown

__all__ = ["page_of"]

LONGEST_TITLE = 200

PANELS = {
    "ct": {
        "source": "Source MR",
        "synthetic": "Synthetic CT",
        "real": "Real CT",
        "error": "Error, synthetic − real",
        "uncertainty": "Uncertainty",
    },
    "mr": {
        "source": "Source CT",
        "synthetic": "Synthetic MR",
        "real": "Real MR",
        "error": "Error, synthetic − real",
        "uncertainty": "Uncertainty",
    },
}
"""What a panel of the viewer shows, by the modality that was made; in the order of the panels."""


def page_of(
    sections: Sequence[Section],
    packed: Sequence[Packed],
    *,
    title: str,
    template: str,
    style: str,
    scripts: Sequence[str],
    licences: Mapping[str, str],
) -> str:
    """The page's HTML.

    Args:
        sections: its parts.
        packed: the volumes of all sections' cases, one after the other.
        title: its heading.
        template: of which `$name` are replaced.
        style: CSS.
        scripts: JavaScript, in this order; nothing in them ends a script element.
        licences: of libraries, by name.
    """
    cases = [case for section in sections for case in section.cases]
    metrics = {name: metric for section in sections for name, metric in section.metrics.items()}
    nonce = secrets.token_hex(16)  # scripts without it, and handlers in attributes, are not run
    details = joined(element("template", case.details, id=f"details-{number}") for number, case in enumerate(cases))
    return Template(template).substitute(
        title=element("title", shown(title, LONGEST_TITLE)),
        heading=element("h1", shown(title, LONGEST_TITLE)),
        style=style,
        sections=joined(_section(section, number) for number, section in enumerate(sections)),
        viewer_hidden=Html("" if cases else " hidden"),
        options=_options(sections),
        definitions=definitions(metrics),
        definitions_hidden=Html("" if metrics else " hidden"),
        licences=joined(joined([element("h3", name), element("pre", text)]) for name, text in licences.items()),
        made=f"{datetime.now().astimezone():%Y-%m-%d %H:%M}, medcycle {__version__}",
        details=details,
        data=script_json(_data(sections, packed)),
        volumes=joined(
            _volume(number, name, panel) for number, one in enumerate(packed) for name, panel in one.panels.items()
        ),
        nonce=nonce,
        scripts=joined(element("script", Html(script), nonce=nonce) for script in scripts),
    )


def _options(sections: Sequence[Section]) -> Html:
    """The cases to choose from, in groups if several sections have some."""
    groups, first = [], 0
    for section in sections:
        options = [element("option", case.label, value=first + n) for n, case in enumerate(section.cases)]
        first += len(options)
        groups.append((section.title, options))
    if sum(bool(options) for _, options in groups) == 1:
        return joined(option for _, options in groups for option in options)
    return joined(element("optgroup", *options, label=title) for title, options in groups if options)


def _data(sections: Sequence[Section], packed: Sequence[Packed]) -> dict[str, Any]:
    """What the page's scripts are to know."""
    cases = [case for section in sections for case in section.cases]
    return {
        "plots": [plot for number, section in enumerate(sections) for plot in _own_keys(section.plots, number)],
        "cases": [
            {"label": case.label, "plots": case.plots, **_viewed(number, case.modality, one)}
            for number, (case, one) in enumerate(zip(cases, packed, strict=True))
        ],
    }


def _own_keys(plots: Sequence[Plot], number: int) -> list[Plot]:
    return [plot | {"key": f"plot-{number}-{plot['key']}"} for plot in plots]


def _section(section: Section, number: int) -> Html:
    plots = [
        element(
            "figure",
            element("figcaption", plot["title"]),
            element("div", id=plot["key"], class_="plot", role="img", aria_label=plot["title"]),
            class_="wide" if plot.get("wide") else None,
        )
        for plot in _own_keys(section.plots, number)
    ]
    heading = f"section-{number}"
    return element(
        "section",
        element("h2", section.title, id=heading),
        section.summary,
        section.tables,
        element("div", *plots, class_="plots") if plots else Html(""),
        aria_labelledby=heading,
    )


def _viewed(number: int, modality: str, packed: Packed) -> dict[str, Any]:
    """What the viewer is to know of a case."""
    missing, panels = dict(packed.missing), packed.panels
    if not {"real", "synthetic"} <= set(panels):
        missing["error"] = "needs the synthetic and the real volume"
    described = []
    for name, label in PANELS[modality].items():
        panel = panels.get(name) or (panels.get("real") if name == "error" and name not in missing else None)
        one: dict[str, Any] = {"role": name, "label": label, "unit": _unit(name, modality)}
        is_cbct = name == "source" and packed.of_cbct
        if is_cbct:
            one |= {"label": "Source CBCT", "unit": "HU"}
        if panel is None:
            one["missing"] = missing.get(name, "not there")
        else:
            one |= {"low": panel.low, "high": panel.high, "hounsfield": is_cbct or _is_ct(name, modality)}
        described.append(one)
    return {"id": number, "modality": modality, "spacing": packed.spacing, "panels": described}


def _is_ct(name: str, modality: str) -> bool:
    return (name in ("real", "synthetic")) == (modality == "ct") and name not in ("error", "uncertainty")


def _unit(name: str, modality: str) -> str:
    return "HU" if (modality == "ct" and name != "source") or (modality == "mr" and name == "source") else ""


def _volume(number: int, name: str, panel: Panel) -> Html:
    """A volume in a script element, which a browser keeps as text until it is asked for."""
    return element("script", Html(panel.data), type="text/plain", id=f"volume-{number}-{name}")
