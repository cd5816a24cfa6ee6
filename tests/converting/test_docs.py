"""The pages about conversions name the files and has the numbers of the code."""

import re
from pathlib import Path

from medcycle.converting.acoustics import AIR, RELATIONS, SOFT_TISSUE, WATER, mass_density
from medcycle.converting.attenuation import BONE_LINES
from medcycle.converting.description import SKULL_FILES
from medcycle.converting.run import FILE_NAMES, SKULL_DESCRIPTION
from medcycle.converting.wanted import TARGETS

DOCS = Path(__file__).parents[2] / "docs"
PAGE = "\n".join(
    (DOCS / name).read_text(encoding="utf-8") for name in ("how-to/convert.md", "reference/conversions.md")
)


def row(name: str) -> list[float]:
    (found,) = re.findall(rf"^\| {re.escape(name)} \|(.*)\|$", PAGE, re.MULTILINE)
    return [float(cell) for cell in found.split("|")]


def test_every_file_and_choice_is_named() -> None:
    names = [*FILE_NAMES.values(), *SKULL_FILES, SKULL_DESCRIPTION, *RELATIONS, *TARGETS]
    assert [name for name in names if f"`{name}`" not in PAGE] == []


def test_the_table_of_voltages_is_that_of_the_code() -> None:
    lines = [
        (slope * 1e-5, intercept * 1e-2) for slope, intercept in zip(row("a (10⁻⁵)"), row("b (10⁻²)"), strict=True)
    ]
    assert {
        kvp: (round(a, 9), round(b, 6)) for kvp, (a, b) in zip(map(int, row("kVp")), lines, strict=True)
    } == BONE_LINES


def test_other_tissue_and_the_trap_of_k_wave_are_as_told() -> None:
    for tissue in (WATER, SOFT_TISSUE, AIR):
        assert re.search(rf"\({tissue.density:.0f}(?: kg/m³)?, {tissue.sound_speed:.0f}\b", PAGE)
    assert f"water −{-mass_density(-1000):.0f} kg/m³" in PAGE  # of HU 0, if nothing is added
