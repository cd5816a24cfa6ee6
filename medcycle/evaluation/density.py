"""Hounsfield units to what dose calculation needs: relative electron density, or proton stopping-power ratio."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from medcycle.errors import ConfigError
from medcycle.io.files import require_exists
from medcycle.io.opening import read_text
from medcycle.volume import Array
from medcycle.words import quoted

__all__ = ["QUANTITIES", "TABLES", "HuTable", "Quantity", "density_measures", "read_table", "table"]

Quantity = Literal["red", "spr"]

QUANTITIES: MappingProxyType[Quantity, str] = MappingProxyType(
    {"red": "electron density relative to water", "spr": "proton stopping power relative to water"}
)

SEPARATOR = re.compile(r"\s*[,;\t]\s*|\s+")

OF_PROTONS = re.compile(r"\b(spr|rsp|rlsp|rspr)\b|stopping", re.IGNORECASE)

OF_ELECTRONS = re.compile(r"\b(red|eden|rho_?e)\b|electron", re.IGNORECASE)

OF_MASS = re.compile(r"mass|\bg\s*/\s*c", re.IGNORECASE)
"""Headings of tables of g/cm³, which is another quantity: bone has 8 % more of it than of relative electron density."""


@dataclass(frozen=True)
class HuTable:
    """What Hounsfield units stand for: linear between rows, the end values beyond them.

    Args:
        name: how results name it.
        hu: strictly increasing, two or more.
        values: one for each, relative to water, 0 or more.
        quantity: a key of `QUANTITIES`.
        source: where the numbers are from.

    >>> table("generic").of([-2000, 100, 5000]).tolist()
    [0.001, 1.095, 2.505]
    """

    name: str
    hu: tuple[float, ...]
    values: tuple[float, ...]
    quantity: Quantity
    source: str

    def of(self, hu: Any) -> Array:
        """Values of Hounsfield units, of any shape; float64."""
        return np.asarray(np.interp(hu, self.hu, self.values))


TABLES: MappingProxyType[str, HuTable] = MappingProxyType(
    {
        "generic": HuTable(
            "generic",
            (-1024.0, -999.0, -90.0, -45.0, 0.0, 100.0, 350.0, 3000.0),
            (0.001, 0.001, 0.95, 0.99, 1.0, 1.095, 1.199, 2.505),
            "red",
            "the densities relative to water that pyRadPlan (github.com/e0404/pyRadPlan, pyRadPlan/dose/engines/"
            "_fredmc.py) uses by default; of no particular scanner",
        )
    }
)
"""Tables by name. None is of stopping power: that depends on the scanner, and a clinic that treats with protons has its
own."""


def table(name: str) -> HuTable:
    """The table of that name.

    Raises:
        ConfigError: if there is none.
    """
    if name not in TABLES:
        raise ConfigError(f"no table of Hounsfield units is named {name!r}; choose {', '.join(TABLES)}, or give a file")
    return TABLES[name]


def read_table(path: Path, quantity: Quantity | None = None) -> HuTable:
    """A clinic's own table: a text of two columns, Hounsfield units and values relative to water.

    Columns are apart by commas, semicolons, tabs or spaces, with a decimal point. The first line may be a heading, and
    lines that begin with # are skipped.

    Args:
        path: the file.
        quantity: of the values, which a heading must not contradict; None for what the heading says (SPR, RSP or
            "stopping" is `spr`), else `red`.

    Returns:
        The table, with the file's stem as its name.

    Raises:
        UsageError: if there is no such file.
        ConfigError: if a line is not two numbers, the units don't increase, a value is negative, rows are too few, or
            the heading says another quantity.
        UnreadableFile: if it is far too large.
    """
    require_exists(path, "a table of Hounsfield units")
    try:
        lines = enumerate(read_text(path).removeprefix("\ufeff").splitlines(), 1)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: no text in UTF-8; save the table as CSV") from error
    rows = [(number, line.strip()) for number, line in lines if line.strip() and not line.lstrip().startswith("#")]
    heading = rows.pop(0)[1] if rows and _number(SEPARATOR.split(rows[0][1])[0]) is None else ""
    if OF_MASS.search(heading):
        raise ConfigError(f"{path}: the heading {quoted(heading)} is of mass density; give values relative to water")
    other = {"red": OF_PROTONS, "spr": OF_ELECTRONS}.get(quantity or "")
    if quantity and other and other.search(heading):
        raise ConfigError(
            f"{path}: by its heading {quoted(heading)} not a table of {QUANTITIES[quantity]}; give one of that"
        )
    pairs: list[tuple[float, float]] = []
    for number, line in rows:
        pairs.append(_pair(line, f"{path}, line {number}"))
        if len(pairs) > 1 and pairs[-1][0] <= pairs[-2][0]:
            raise ConfigError(
                f"{path}, line {number}: {pairs[-1][0]:g} HU after {pairs[-2][0]:g}; sort the rows by HU, each once"
            )
    if len(pairs) < 2:
        raise ConfigError(f"{path}: {len(pairs)} rows; give two or more, of Hounsfield units and a value each")
    hu, values = zip(*pairs, strict=True)
    found: Quantity = "spr" if OF_PROTONS.search(heading) else "red"
    return HuTable(path.stem, hu, values, quantity or found, path.name)


def _pair(line: str, where: str) -> tuple[float, float]:
    numbers = [number for cell in SEPARATOR.split(line) if (number := _number(cell)) is not None]
    if len(numbers) != 2 or len(SEPARATOR.split(line)) != 2 or not all(map(math.isfinite, numbers)):
        raise ConfigError(f"{where}: {quoted(line)} is not two numbers; write HU and value, as in 100,1.095")
    if numbers[1] < 0:
        raise ConfigError(f"{where}: the value {numbers[1]:g} is negative; give values relative to water, 0 or more")
    return numbers[0], numbers[1]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def density_measures(real: Array, synthetic: Array, mask: Array, by: HuTable) -> dict[str, Any]:
    """Errors of relative electron density (or stopping-power ratio) over a mask.

    Args:
        real: HU, any shape.
        synthetic: HU, of that shape.
        mask: boolean, of that shape, not empty.
        by: the table.

    Returns:
        `table`, its name, and under the table's quantity `mae` and `me`, the mean of |synthetic − real| and of
        synthetic − real, relative to water.
    """
    difference = by.of(synthetic[mask]) - by.of(real[mask])
    return {
        "table": by.name,
        by.quantity: {"mae": float(np.abs(difference).mean()), "me": float(difference.mean())},
    }
