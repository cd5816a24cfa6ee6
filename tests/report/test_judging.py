"""A synthesis judged by its MR, and the page of that."""

import json
from pathlib import Path

import pytest

from medcycle.cli.main import execute
from medcycle.errors import EmptyFolder
from medcycle.report.judging import judge_synthesis, report_folder
from medcycle.report.libraries import libraries


@pytest.fixture(scope="module")
def with_libraries() -> None:
    try:
        libraries()
    except Exception as error:  # noqa: BLE001 - whatever keeps them away
        pytest.skip(f"the report's libraries are not there: {error}")


@pytest.fixture(scope="module")
def made(checkpoint: Path, cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("made") / "out"
    given = [str(checkpoint), str(cohort / "mr"), str(output), "--uncertainty", "--report"]
    libraries()
    assert execute(["synthesize", *given]) == 0
    return output


@pytest.mark.usefixtures("with_libraries")
def test_synthesize_writes_a_page_of_its_verdicts_beside(made: Path) -> None:
    folder = report_folder(made)
    assert folder.name == "out-report"
    names = {path.name for path in made.iterdir()}
    summary = json.loads((folder / "summary.json").read_text())
    assert set(summary["verdicts"]) == names
    assert "<html" in (folder / "report.html").read_text()[:500]
    inputs = json.loads((folder / "inputs.json").read_text())["cases"]
    assert all((folder / one["source"]).is_file() and one["real"] is None for one in inputs.values())


@pytest.mark.usefixtures("with_libraries")
def test_report_judges_a_synthesis_when_its_mr_is_given(made: Path, cohort: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert execute(["report", str(made), "--mr", str(cohort / "mr"), "--output", str(page)]) == 0
    told = json.loads((tmp_path / "page-out" / "summary.json").read_text())
    assert told["verdicts"]
    assert any(verdict["grade"] in page.read_text() for verdict in told["verdicts"].values())


@pytest.mark.usefixtures("with_libraries")
def test_the_mr_of_others_is_refused(made: Path, cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(EmptyFolder, match="give the MR that it was made from"):
        judge_synthesis(cohort / "test" / "ct", made, tmp_path / "checks")


def test_synthetic_mr_has_no_verdict(
    checkpoint: Path, cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(checkpoint), str(cohort / "ct"), str(tmp_path / "out"), "--to", "mr", "--report"]
    assert execute(["synthesize", *given]) == 2
    assert "--report judges synthetic CT" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
