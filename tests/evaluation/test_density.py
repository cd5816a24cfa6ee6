"""Tables of Hounsfield units against their rows, and files of them, good and bad."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcycle.errors import ConfigError, UsageError
from medcycle.evaluation.density import TABLES, Quantity, density_measures, read_table, table

ROWS = st.lists(st.integers(-1024, 3071), min_size=2, max_size=12, unique=True).flatmap(
    lambda hu: st.tuples(st.just(sorted(hu)), st.lists(st.integers(0, 3000), min_size=len(hu), max_size=len(hu)))
)


def test_generic_table_has_its_rows_and_is_clamped() -> None:
    generic = table("generic")
    assert generic.of([-1024, -90, -45, 0, 100, 350, 3000]).tolist() == [0.001, 0.95, 0.99, 1, 1.095, 1.199, 2.505]
    assert generic.of([-3024, 20_000]).tolist() == [0.001, 2.505]
    assert generic.of(50) == pytest.approx(1.0475)
    assert generic.quantity == "red"


@given(hu=st.lists(st.floats(-2000, 4000), min_size=2, max_size=30))
def test_generic_table_never_falls(hu: list[float]) -> None:
    values = table("generic").of(np.sort(hu))
    assert (np.diff(values) >= 0).all()
    assert values.shape == (len(hu),)


def test_every_table_says_where_it_is_from() -> None:
    for name, one in TABLES.items():
        assert one.name == name
        assert one.source
        assert len(one.hu) == len(one.values) >= 2


def test_unknown_name_gives_the_alternatives() -> None:
    with pytest.raises(ConfigError, match="choose generic"):
        table("generc")


@given(rows=ROWS, separator=st.sampled_from([",", ";", "\t", " ", " , ", ";\t"]), heading=st.booleans())
@settings(max_examples=40, deadline=None)
def test_files_come_back_as_written(tmp_path_factory, rows, separator: str, heading: bool) -> None:
    hu, thousandths = rows
    path = tmp_path_factory.mktemp("table") / "site.csv"
    lines = [f"{h}{separator}{v / 1000}" for h, v in zip(hu, thousandths, strict=True)]
    path.write_text("\n".join(["HU, relative electron density"] * heading + lines) + "\n", encoding="utf-8")
    read = read_table(path)
    assert read.name == "site"
    assert read.of(hu).tolist() == [v / 1000 for v in thousandths]


@pytest.mark.parametrize(
    ("heading", "quantity"),
    [("HU,RED", "red"), ("HU;SPR", "spr"), ("hu\trsp", "spr"), ("HU,stopping power ratio", "spr"), ("HU,value", "red")],
)
def test_heading_says_the_quantity(tmp_path: Path, heading: str, quantity: Quantity) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"\ufeff# scanner 3, head\r\n{heading}\r\n\r\n-1000,0\r\n0,1\r\n", encoding="utf-8")
    assert read_table(path).quantity == quantity
    assert read_table(path, quantity).quantity == quantity


@pytest.mark.parametrize(
    ("heading", "asked"),
    [("HU,RED", "spr"), ("HU,relative electron density", "spr"), ("HU,SPR", "red"), ("HU,stopping power", "red")],
)
def test_a_heading_of_the_other_quantity_is_refused(tmp_path: Path, heading: str, asked: Quantity) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{heading}\n-1000,0\n0,1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"by its heading .* not a table of"):
        read_table(path, asked)


def test_a_table_without_a_heading_is_of_what_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("-1000,0\n0,1\n", encoding="utf-8")
    assert read_table(path, "spr").quantity == "spr"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "0 rows"),
        ("HU,RED\n0,1\n", "1 rows"),
        ("-1000,0\n0\n", "line 2: '0' is not two numbers"),
        ("-1000;0\n0;0,95\n", "line 2: '0;0,95' is not two numbers"),
        ("-1000,0\n0,1\n0,1.1\n", "line 3: 0 HU after 0"),
        ("0,1\n-1000,0\n", "line 2: -1000 HU after 0"),
        ("-1000,-0.1\n0,1\n", "line 1: the value -0.1 is negative"),
        ("nan,0\n0,1\n", "line 1: 'nan,0' is not two numbers"),
        ("-1000,0\n0,inf\n", "line 2: '0,inf' is not two numbers"),
        ("HU,RED\n-1000,0\n0,one\n", "line 3: '0,one' is not two numbers"),
        ("HU,mass density\n-1000,0\n0,1\n", "mass density"),
        ("HU,rho (g/cm3)\n-1000,0\n0,1\n", "mass density"),
    ],
)
def test_bad_files_are_refused_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_table(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_table(tmp_path / "gone.csv")
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00,1")
    with pytest.raises(ConfigError, match="no text in UTF-8"):
        read_table(binary)


def test_errors_of_density_have_closed_forms() -> None:
    real = np.zeros((4, 3, 2))
    synthetic = np.where(np.arange(24).reshape(4, 3, 2) % 2, 100.0, -45.0)
    mask = np.ones_like(real, dtype=bool)
    measures = density_measures(real, synthetic, mask, table("generic"))
    assert measures["table"] == "generic"
    assert measures["red"]["me"] == pytest.approx((0.095 - 0.01) / 2)
    assert measures["red"]["mae"] == pytest.approx((0.095 + 0.01) / 2)
    mask[...] = synthetic > 0
    assert density_measures(real, synthetic, mask, table("generic"))["red"]["mae"] == pytest.approx(0.095)
