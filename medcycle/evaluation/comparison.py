"""Two or more models on the same patients."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medcycle.errors import DataError, UsageError
from medcycle.evaluation.printable import number, statistics_table, to_latex, to_markdown
from medcycle.evaluation.statistics import PairedDifference, of_values, paired
from medcycle.io.files import write_text
from medcycle.io.opening import read_json
from medcycle.words import cell

__all__ = ["Comparison", "compare_evaluations", "write_comparison"]

Scores = Mapping[str, Mapping[str, float | None]]


class Comparison:
    """Models by name, each with its scores of the patients that all of them have.

    Args:
        models: metric values by patient, by model.
        protocol: that all were scored by.
    """

    def __init__(self, models: Mapping[str, Scores], protocol: str) -> None:
        self.models, self.protocol = models, protocol
        first = next(iter(models.values()))
        self.metrics = list(next(iter(first.values())))

    def statistics(self, model: str) -> dict[str, dict[str, float | None]]:
        """Of each metric over the patients."""
        scores = self.models[model].values()
        return {metric: of_values([one.get(metric) for one in scores]) for metric in self.metrics}

    def differences(self) -> list[PairedDifference]:
        """Of each pair of models and each metric."""
        return [one for metric in self.metrics for one in paired(self.models, metric)]


def compare_evaluations(folders: Sequence[Path]) -> Comparison:
    """Read evaluations of the same patients; those that some lack are left out of all.

    Args:
        folders: that `medcycle evaluate` wrote, named as the models are to be called.

    Raises:
        UsageError: if there are fewer than two, two of one name, or one isn't an evaluation.
        DataError: if they were scored by different protocols, or have no patient in common.
    """
    if len(folders) < 2:
        raise UsageError("comparing needs two or more evaluations; give the folder of another")
    read = {folder.resolve().name: _read(folder) for folder in folders}
    if len(read) < len(folders):
        raise UsageError("two evaluations have folders of the same name, which is their model's; rename one")
    protocols = {told["protocol"] for told in read.values()}
    if len(protocols) > 1:
        raise DataError(f"scored by different protocols ({', '.join(sorted(protocols))}); evaluate all by one")
    common = set.intersection(*(set(told["cases"]) for told in read.values()))
    if not common:
        raise DataError("the evaluations have no case of the same name; evaluate the same patients")
    models = {name: {case: told["cases"][case] for case in sorted(common)} for name, told in read.items()}
    return Comparison(models, protocols.pop())


def _read(folder: Path) -> dict[str, Any]:
    path = folder / "summary.json"
    try:
        told = read_json(path)
        cases = {str(name): _numbers(scores) for name, scores in told["cases"].items()}
        return {"protocol": str(told["protocol"]), "cases": cases}
    except FileNotFoundError as error:
        raise UsageError(f"{folder}: no summary.json; give a folder that `medcycle evaluate` wrote") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, DataError) as error:
        raise UsageError(f"{path}: damaged; evaluate again") from error


def _numbers(scores: Mapping[str, Any]) -> dict[str, float | None]:
    return {str(metric): None if value is None else float(value) for metric, value in scores.items()}


def write_comparison(comparison: Comparison, folder: Path) -> None:
    """Write `comparison.csv`, `.json`, `.md` and `.tex`: each model's statistics, and the paired differences."""
    differences = comparison.differences()
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    writer.writerow(PairedDifference._fields)
    writer.writerows([cell(str(value)) if isinstance(value, str) else value for value in one] for one in differences)
    told = {
        "protocol": comparison.protocol,
        "models": {name: comparison.statistics(name) for name in comparison.models},
        "differences": [one._asdict() for one in differences],
    }
    write_text(folder / "comparison.csv", rows.getvalue())
    write_text(folder / "comparison.json", json.dumps(told, indent=2, allow_nan=False) + "\n")
    tables = [statistics_table(comparison.statistics(name)) for name in comparison.models]
    titles = [f"{name}, {len(scores)} patients" for name, scores in comparison.models.items()]
    tables.append(_difference_table(differences))
    titles.append("Paired differences, second − first; p by Wilcoxon's signed-rank test, corrected by Holm's method")
    texts = [f"{title}\n\n{to_markdown(table)}" for title, table in zip(titles, tables, strict=True)]
    write_text(folder / "comparison.md", "\n".join(texts))
    write_text(folder / "comparison.tex", "\n".join(map(to_latex, tables)))


def _difference_table(differences: Sequence[PairedDifference]) -> list[Sequence[str]]:
    heading = ("first", "second", "metric", "patients", "mean difference", "95 % interval", "p", "p (Holm)")
    return [
        heading,
        *(
            (
                one.first,
                one.second,
                one.metric,
                str(one.n),
                number(one.mean),
                f"{number(one.low)} to {number(one.high)}" if one.low is not None else "–",
                number(one.p),
                number(one.p_holm),
            )
            for one in differences
        ),
    ]
