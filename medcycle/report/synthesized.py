"""The part of the page that a folder of `medcycle synthesize` makes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from medcycle.body import Modality
from medcycle.report.html import Html, element, joined, table
from medcycle.report.models import model_facts
from medcycle.report.names import Names
from medcycle.report.plain import Part, read_part
from medcycle.report.section import Section, Shown
from medcycle.report.volumes import Files

__all__ = ["DESCRIPTION", "Synthesis", "described_in", "read_synthesis", "section_of"]

DESCRIPTION = "synthesis.json"

VOLUMES = ("sct.nii.gz", "smr.nii.gz", "dicom")
"""What may have been made of a case, the first that is there."""

SOURCELESS = "the folder of a synthesis does not hold the source; `medcycle evaluate` with the source keeps its place"


@dataclass(frozen=True)
class Made:
    """A case that was synthesised.

    Args:
        name: its own.
        told: of its `synthesis.json`.
        modality: of what was made.
        files: its volumes.
    """

    name: str
    told: Part
    modality: Modality
    files: Files


@dataclass(frozen=True)
class Synthesis:
    """A folder of synthetic volumes: where it is, and its cases in the order of their names."""

    folder: Path
    cases: list[Made]


def described_in(folder: Path) -> list[Path]:
    """The folders of cases in a folder, or it itself if it is one."""
    if (folder / DESCRIPTION).is_file():
        return [folder]
    return sorted(path.parent for path in folder.glob(f"*/{DESCRIPTION}") if path.is_file())


def read_synthesis(folder: Path, names: Names) -> Synthesis:
    """A synthesis' folder, with its cases made known to the names.

    Raises:
        UnreadableFile: if a case's description is damaged.
    """
    names.hide([folder.resolve()])
    cases = []
    for place in described_in(folder):
        told = read_part(place / DESCRIPTION, "synthesise the case again")
        name = told.text("case") or place.resolve().name
        names.case(name)
        names.hide([Path(told.text("source"))])
        volume = next((place / one for one in VOLUMES if (place / one).exists()), None)
        uncertainty = place / "uncertainty.nii.gz"
        files = Files(synthetic=volume, uncertainty=uncertainty if uncertainty.is_file() else None)
        modality = "mr" if "MR" in told.text("made") else "ct"
        cases.append(Made(name, told, cast(Modality, modality), files))
    return Synthesis(folder, cases)


def section_of(synthesis: Synthesis, names: Names) -> Section:
    """A synthesis' part of the page; the names know all cases and folders of the page."""
    made = synthesis.cases
    kinds = Counter(case.modality for case in made)
    counts = ", ".join(f"{count} synthetic {kind.upper()}" for kind, count in kinds.items())
    facts = [("Cases", counts), *model_facts([case.told for case in made], names)]
    if names.shown:
        facts.append(("Folder", names.told(str(synthesis.folder))))
    rows = element("dl", *(joined([element("dt", key), element("dd", value)]) for key, value in facts))
    warned = [
        element("li", f"{names.case(case.name)}: {names.told(text)}")
        for case in made
        for text in case.told.texts("warnings")
    ]
    notes = element("div", element("h3", "Warnings"), element("ul", *warned), class_="notes") if warned else Html("")
    details = element("p", f"Source: {SOURCELESS}.", class_="note")
    cases = [
        Shown(names.case(case.name), case.files, case.modality, details, rank=float(number))
        for number, case in enumerate(made)
    ]
    return Section("Synthesis", element("div", rows, class_="facts"), joined([notes, _table(made, names)]), [], cases)


def _table(made: list[Made], names: Names) -> Html:
    rows = []
    for case in made:
        told = case.told
        shape = "×".join(f"{size:.0f}" for size in told.numbers("shape") if size is not None)
        numbers = [told.number("slice_continuity"), told.number("seam_score")]
        uncertain = told.part("uncertainty").number("mean_in_body")
        rows.append(
            [
                names.case(case.name),
                shape or "–",
                *("–" if value is None else f"{value:.2f}" for value in numbers),
                "–" if uncertain is None else f"{uncertain:.0f}",
                str(len(told.texts("warnings"))),
            ]
        )
    return table("Cases", ["case", "voxels", "continuity", "seams", "uncertainty, mean", "warnings"], rows)
