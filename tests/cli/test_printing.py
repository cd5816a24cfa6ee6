"""What tables show."""

import pytest

from medcycle.cli.printing import print_findings
from medcycle.cohort.findings import Finding


@pytest.mark.parametrize(("patient", "shown"), [("ANON-A", "ANON-A, T1"), ("A", "T1"), ("", "T1")])
def test_a_patient_is_shown_whole_unless_the_case_has_the_same_name(patient: str, shown: str, capsys) -> None:
    print_findings([Finding("A", "a", patient=patient, description="T1")])
    (row,) = (line for line in capsys.readouterr().out.splitlines() if "sound" in line and "T1" in line)
    assert [cell.strip() for cell in row.split("│")][1:3] == ["A", shown]
