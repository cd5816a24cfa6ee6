"""Tolerances: the shipped ones, a clinic's own, files that are wrong, and what is judged."""

import math
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from medcycle.errors import ConfigError, UsageError
from medcycle.evaluation.tolerances import DEFAULT_TOLERANCES, Tolerance, judge, read_tolerances

GOOD = {"name": "bone ME", "key": "calibration.bone.me", "max_abs": 60, "unit": "HU", "source": "our physicists"}


def write(path: Path, *items: object) -> Path:
    path.write_text(yaml.safe_dump({"tolerances": list(items)}), encoding="utf-8")
    return path


def test_the_shipped_ones_are_sound_and_say_why() -> None:
    tolerances = read_tolerances()
    assert len(tolerances) >= 10
    assert len({tolerance.key for tolerance in tolerances}) == len(tolerances)
    for tolerance in tolerances:
        assert "this project's choice" in tolerance.source or any(year in tolerance.source for year in ("201", "202"))


def test_the_shipped_file_is_beside_the_module() -> None:
    """Where the wheel has it too, since it is inside the package."""
    assert DEFAULT_TOLERANCES.parent == Path(read_tolerances.__code__.co_filename).parent


def test_own_ones_stand_instead(tmp_path: Path) -> None:
    assert read_tolerances(write(tmp_path / "ours.yaml", GOOD)) == (
        Tolerance("bone ME", "calibration.bone.me", "max_abs", 60.0, "HU", "our physicists"),
    )
    assert read_tolerances(write(tmp_path / "none.yaml")) == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"limt": 3}, "unknown key 'limt'; choose from name, key"),
        ({"maxx": 3}, "unknown key 'maxx'; did you mean max?"),
        ({"name": None}, "name: give a text, not None"),
        ({"name": ""}, "name: give a text"),
        ({"source": 3}, "source: give a text, not 3"),
        ({"unit": None}, "unit: give a text"),
        ({"max_abs": "60 HU"}, "max_abs: give a number of 0 or more, not '60 HU'"),
        ({"max_abs": -60}, "max_abs: give a number of 0 or more"),
        ({"max_abs": True}, "max_abs: give a number"),
        ({"max_abs": math.nan}, "max_abs: give a number"),
        ({"max": 3}, "has max and max_abs; give one of max, min, max_abs"),
        ({"key": "calibratoin.bone.me"}, "did you mean calibration?"),
        ({"key": "scores"}, "is of no part of a case"),
        ({"key": "scores..mae"}, "is of no part of a case"),
    ],
)
def test_wrong_items_are_told_with_file_number_and_alternatives(tmp_path: Path, change, message: str) -> None:
    path = write(tmp_path / "ours.yaml", GOOD, GOOD | {"name": "other"} | change)
    with pytest.raises(ConfigError) as caught:
        read_tolerances(path)
    assert f"{path}: tolerance 2" in str(caught.value)
    assert message in str(caught.value)


def test_an_item_without_a_limit_or_that_is_none(tmp_path: Path) -> None:
    without = {key: value for key, value in GOOD.items() if key != "max_abs"}
    with pytest.raises(ConfigError, match="has no limit; give one of"):
        read_tolerances(write(tmp_path / "a.yaml", without))
    with pytest.raises(ConfigError, match="tolerance 1: give name, key"):
        read_tolerances(write(tmp_path / "b.yaml", "bone"))


def test_names_are_unique(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'bone ME' names several"):
        read_tolerances(write(tmp_path / "a.yaml", GOOD, GOOD))


@pytest.mark.parametrize("text", ["", "[]", "tolerances: 3", "tolerances: []\nother: 1", "limits: []", "a: [", "\x00"])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"a\.yaml"):
        read_tolerances(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_tolerances(tmp_path / "gone.yaml")


@given(value=st.floats(-1e3, 1e3), limit=st.floats(0, 1e3))
def test_limits_themselves_are_allowed(value: float, limit: float) -> None:
    largest, smallest, size = (Tolerance("a", "scores.a", kind, limit, "", "") for kind in ("max", "min", "max_abs"))
    assert largest.allows(limit)
    assert smallest.allows(limit)
    assert size.allows(limit)
    assert size.allows(-limit)
    assert largest.allows(value) == (value <= limit)
    assert size.allows(value) == (largest.allows(value) and largest.allows(-value))
    assert smallest.allows(value) or largest.allows(value)


def test_judged_is_what_is_there() -> None:
    tolerances = read_tolerances()
    details = {
        "scores": {"mae": 61.2, "me": None, "psnr": 30.0},
        "calibration": {"bone": {"me": -130.0}},
        "structures": {"bone": {"dice": math.nan}, "body": 3},
        "wepl": None,
        "drr": {"ap": {"ncc": 1, "mae": 0.1, "image": "a.png"}, "lateral": {"ncc": "0.9"}},
    }
    judged = {one["name"]: one for one in judge(details, tolerances)}
    assert list(judged) == ["MAE in the body", "bone ME", "DRR from the front, correlation"]
    assert judged["MAE in the body"] == {
        "name": "MAE in the body",
        "value": 61.2,
        "unit": "HU",
        "limit": "at most 80",
        "inside": True,
        "source": tolerances[0].source,
    }
    assert judged["bone ME"]["inside"] is False
    assert judged["bone ME"]["limit"] == "within ±100"
    assert judged["DRR from the front, correlation"]["value"] == 1.0
    assert judge({}, tolerances) == []
