"""Models compared on the same patients, from the folders that `evaluate` writes."""

import csv
import json
from pathlib import Path

import pytest

from medcycle.cli.main import execute
from medcycle.evaluation.tables import Summary, write_tables


def evaluation(folder: Path, offset: float, patients: int = 8, protocol: str = "medcycle") -> Path:
    cases = {f"p{n}": {"mae": 70.0 + n + offset * (1 + 0.05 * n), "ssim": 0.9} for n in range(patients)}
    write_tables(Summary(protocol, cases), folder)
    return folder


def test_differences_are_paired_and_corrected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [evaluation(tmp_path / name, offset) for name, offset in (("cut", 0.0), ("unit", 4.0), ("munit", 6.0))]
    assert execute(["compare", *map(str, folders), "--output", str(tmp_path / "out")]) == 0
    told = json.loads((tmp_path / "out" / "comparison.json").read_text())
    first = told["differences"][0]
    assert (first["first"], first["second"], first["metric"], first["n"]) == ("cut", "unit", "mae", 8)
    assert first["mean"] == pytest.approx(4 * 1.175)
    assert first["p"] == pytest.approx(2 / 2**8)
    assert first["p_holm"] == pytest.approx(3 * first["p"])
    rows = list(csv.DictReader((tmp_path / "out" / "comparison.csv").read_text().splitlines()))
    assert len(rows) == 3 * 2
    assert "cut, 8 patients" in (tmp_path / "out" / "comparison.md").read_text()
    assert r"\begin{tabular}" in (tmp_path / "out" / "comparison.tex").read_text()


def test_only_patients_that_all_models_have_count(tmp_path: Path) -> None:
    folders = [evaluation(tmp_path / "a", 0.0, patients=3), evaluation(tmp_path / "b", 1.0, patients=7)]
    assert execute(["compare", *map(str, folders), "--output", str(tmp_path / "out")]) == 0
    told = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert told["models"]["b"]["mae"]["n"] == 3
    assert told["differences"][0]["p"] is None


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (None, "two or more"),
        ("nothing", "no summary.json"),
        ("damaged", "damaged"),
        ("other", "different protocols"),
        ("strangers", "no case of the same name"),
    ],
)
def test_what_can_not_be_compared(
    tmp_path: Path, second: str | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first = evaluation(tmp_path / "first", 0.0)
    (tmp_path / "nothing").mkdir()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "summary.json").write_text('{"cases": 3')
    evaluation(tmp_path / "other", 0.0, protocol="synthrad2023")
    write_tables(Summary("medcycle", {"q": {"mae": 1.0}}), tmp_path / "strangers")
    folders = [str(first)] + ([str(tmp_path / second)] if second else [])
    assert execute(["compare", *folders, "--output", str(tmp_path / "out")]) in {1, 2}
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
