"""What cases are called, and what is left of texts that name them."""

from pathlib import Path

import pytest

from medcycle.report.names import Names


@pytest.fixture
def names() -> Names:
    made = Names()
    made.case("MUELLER_ANNA")
    made.case("o'Brien")
    made.case("7")
    made.hide([Path("/srv/ward12/MUELLER_ANNA/ct.nii.gz"), Path("/srv/Anna Maria Huber/mr.nii")])
    return made


def test_cases_are_numbered_in_their_order_and_keep_their_numbers(names: Names) -> None:
    assert [names.case(name) for name in ("MUELLER_ANNA", "7", "o'Brien", "new")] == [
        "Case 1",
        "Case 3",
        "Case 2",
        "Case 4",
    ]
    assert Names(shown=True).case("MUELLER_ANNA") == "MUELLER_ANNA"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("MUELLER_ANNA is short", "Case 1 is short"),
        ("Mueller^Anna is short", "Case 1 is short"),
        ("/srv/ward12/MUELLER_ANNA/ct.nii.gz: grids differ", "a file: grids differ"),
        ("/srv/Anna Maria Huber/mr.nii: torn", "a file: torn"),
        (r"C:\data\huber.nii.gz: torn", "a file: torn"),
        ("../elsewhere/x: torn", "a file: torn"),
        ("unknown.dcm has no pixels", "a file has no pixels"),
        ("patient 'Huber, Eva' differs", "patient … differs"),
        ("on ward12", "on …"),
        ("an error of 7 HU in 1/2 of MR/CT", "an error of 7 HU in 1/2 of MR/CT"),
    ],
)
def test_texts_lose_names_and_paths(names: Names, text: str, told: str) -> None:
    assert names.told(text) == told


def test_with_identifiers_texts_are_as_they_are_but_for_control_characters() -> None:
    assert Names(shown=True).told("/srv/a.nii:\n torn\x1b[1m") == "/srv/a.nii: torn\\x1b[1m"
    assert Names().told("x " * 5000).endswith("...")
