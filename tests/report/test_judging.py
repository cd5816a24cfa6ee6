"""A synthesis judged by its MR, and the page of that."""

import json
import shutil
from pathlib import Path

import pytest

from medcycle.cli.main import execute
from medcycle.errors import EmptyFolder
from medcycle.report.judging import judge_synthesis, report_folder
from medcycle.report.libraries import libraries
from medcycle.report.one_case import further_warnings
from medcycle.report.plain import Part

pytestmark = pytest.mark.slow


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
@pytest.mark.parametrize("given", [True, False])
def test_report_judges_a_synthesis_by_its_mr(made: Path, cohort: Path, tmp_path: Path, given: bool) -> None:
    page = tmp_path / "page.html"
    more = ["--mr", str(cohort / "mr")] if given else []
    assert execute(["report", str(made), *more, "--output", str(page)]) == 0
    told = json.loads((report_folder(made) / "summary.json").read_text())
    assert any(verdict["grade"] in page.read_text() for verdict in told["verdicts"].values())
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_a_warning_that_is_a_reason_of_the_verdict_is_told_once() -> None:
    told = Part(
        {"verdict": {"reasons": ["the synthesis warned: too small", "too dark"]}, "warnings": ["too small", "new"]}
    )
    assert further_warnings(told) == ["new"]
    assert further_warnings(Part({"warnings": ["too small"]})) == ["too small"]


@pytest.mark.usefixtures("with_libraries")
def test_without_its_mr_a_synthesis_is_shown_without_a_verdict(made: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(made, tmp_path / "far" / "away" / "out")
    page = tmp_path / "page.html"
    assert execute(["report", str(moved), "--output", str(page)]) == 0
    assert "<h2" in page.read_text()
    with pytest.raises(EmptyFolder, match="--mr"):
        judge_synthesis(moved, tmp_path / "checks")


@pytest.mark.usefixtures("with_libraries")
def test_the_mr_of_others_is_refused(made: Path, cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(EmptyFolder, match="give the MR that they were made from"):
        judge_synthesis(made, tmp_path / "checks", cohort / "test" / "ct")


def test_synthetic_mr_has_no_verdict(
    checkpoint: Path, cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(checkpoint), str(cohort / "ct"), str(tmp_path / "out"), "--to", "mr", "--report"]
    assert execute(["synthesize", *given]) == 2
    assert "--report judges synthetic CT" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
