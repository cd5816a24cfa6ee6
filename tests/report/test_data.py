"""What is read of folders, and what is computed of it."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcycle.errors import UnreadableFile
from medcycle.report.evaluation import read_evaluation
from medcycle.report.metrics import METRICS, figure, metric_of
from medcycle.report.names import Names
from medcycle.report.pictures import clean_png
from medcycle.report.plain import Part, read_part, read_rows
from medcycle.report.spread import outliers, pooled
from tests.report.folders import png, write_evaluation, write_unreferenced


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), max_size=40))
def test_outliers_are_those_that_numpy_has_outside_the_whiskers(values: list[float | None]) -> None:
    known = np.array([value for value in values if value is not None])
    found = outliers(values)
    assert len(found) == len(values)
    if known.size < 5:
        assert not any(found)
        return
    first, third = np.percentile(known, [25, 75])
    slack = 1e-9 * (1 + np.abs(known).max())
    for value, mark in zip(values, found, strict=True):
        if value is None:
            assert mark is None
        elif value > third + 1.5 * (third - first) + slack:
            assert mark == "high"
        elif value < first - 1.5 * (third - first) - slack:
            assert mark == "low"


def test_pooled_curves_are_those_of_all_voxels_together() -> None:
    rng = np.random.default_rng(0)
    voxels = [rng.normal(10 * n, 3 + n, 50 + 200 * n) for n in range(3)]
    parts = [([0.0], [float(v.mean())], [float(v.std())], [float(v.size)]) for v in voxels]
    whole = np.concatenate(voxels)
    curve = pooled(parts)
    assert curve.mean == pytest.approx([whole.mean()])
    assert curve.sd == pytest.approx([whole.std()])
    assert pooled([([0.0, None], [None, 1.0], [], [])]).x == []


def test_of_json_come_numbers_and_texts_only() -> None:
    part = Part({"a": float("nan"), "b": True, "c": "x", "d": [1, "2", None, 1e400], "e": {"f": 3}, "g": 10**400})
    assert (part.number("a"), part.number("b"), part.number("c"), part.number("g")) == (None,) * 4
    assert part.numbers("d") == [1, None, None, None]
    assert part.part("e").number("f") == 3
    assert part.part("c", "e").values == {}
    assert (part.text("d"), part.list("e"), part.texts("d")) == ("", [], ["2"])
    assert Part([1]).values == {}


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", "[" * 100_000, "\xff"])
def test_damaged_json_is_told_in_a_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "summary.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(UnreadableFile, match=r"summary\.json: .*; run it again") as raised:
        read_part(tmp_path / "summary.json", "run it again")
    assert "\n" not in str(raised.value)


def test_a_row_that_is_just_being_written_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("step,loss\n1,2\n2,3\n3", encoding="utf-8")
    assert read_rows(tmp_path / "metrics.csv") == [{"step": "1", "loss": "2"}, {"step": "2", "loss": "3"}]
    assert read_rows(tmp_path / "nothing.csv") == []


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_explained(name: str) -> None:
    metric = METRICS[name]
    assert all((metric.label, metric.meaning, metric.range, metric.mask))
    assert metric.explanation.endswith(".")


def test_metrics_of_tissues_are_known_by_their_parts() -> None:
    assert metric_of("bone_mae").title == metric_of("mae_bone").title == "bone MAE (HU)"
    assert metric_of("bone_mae").mask == "voxels that are bone in the real CT"
    assert metric_of("something_new_mm").title == "something new (mm)"
    assert figure("me", -3.14159) == "−3.1"
    assert figure("psnr", None) == "–"


def test_an_evaluation_comes_in_the_order_of_its_table(tmp_path: Path) -> None:
    folder = write_evaluation(tmp_path / "scores", ["z", "=a", "m"], volumes=0)
    with (folder / "cases.csv").open() as stream:
        rows = list(csv.reader(stream))
    rows[2][0] = "'=a"  # as tables for spreadsheets have it
    (folder / "cases.csv").write_text("\n".join(map(",".join, rows)) + "\n")
    found = read_evaluation(folder, names := Names())
    assert [case.name for case in found.cases] == ["z", "=a", "m"]
    assert names.case("m") == "Case 3"
    assert found.has_reference
    assert found.statistics["mae"].low is not None
    assert found.cases[1].details.part("tissues", "bone").number("mae") is not None


def test_older_evaluations_have_no_intervals_and_no_details(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text(
        json.dumps({"protocol": "medcycle", "cases": {"a": {"mae": 1.0}, "b": {"mae": None}}, "mean": {}})
    )
    found = read_evaluation(tmp_path, Names())
    assert (found.statistics["mae"].mean, found.statistics["mae"].low, found.statistics["mae"].n) == (1.0, None, 1)
    assert "no details" in found.cases[0].problem


def test_without_true_ct(tmp_path: Path) -> None:
    assert not read_evaluation(write_unreferenced(tmp_path / "scores", ["a"]), Names()).has_reference


def test_details_are_never_read_from_elsewhere(tmp_path: Path) -> None:
    folder = write_evaluation(tmp_path / "scores", ["a"], volumes=0)
    (tmp_path / "secret.json").write_text('{"version": 1, "warnings": ["secret"]}')
    summary = json.loads((folder / "summary.json").read_text())
    summary["cases"] = {"../../secret": {"mae": 1.0}}
    (folder / "summary.json").write_text(json.dumps(summary))
    assert not read_evaluation(folder, Names()).cases[0].details


def test_pictures_keep_their_pixels_and_lose_their_texts(tmp_path: Path) -> None:
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "a.png").write_bytes(png(comment="Huber"))
    (tmp_path.parent / "outside.png").write_bytes(png())
    assert clean_png(tmp_path, "cases/a.png") == png()
    (tmp_path / "cases" / "torn.png").write_bytes(png()[:-20])
    for name in ("", "../outside.png", "cases/torn.png", "cases", "cases/nothing.png", "a\0b"):
        assert clean_png(tmp_path, name) == b""
