"""The page: one file that asks for nothing, tells no names, and takes foreign texts for texts."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from medcycle.cli.main import execute
from medcycle.errors import DataError, UnreadableFile, UsageError
from medcycle.report import libraries, write_report
from medcycle.report.html import element, script_json
from tests.report.folders import write_evaluation, write_run, write_synthesis, write_unreferenced

ATTACK = "</script><img src=x onerror=alert(1)>"

MARKER = "Xaverius"
"""A name that no library has in it."""


@pytest.fixture(autouse=True)
def _small_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries are only in the way here; `test_browser.py` has them."""
    monkeypatch.setattr("medcycle.report.writing.libraries", lambda: ["/* library */"])


class Page(HTMLParser):
    """The elements of a page and the texts in them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_evaluation(tmp_path_factory.mktemp("one") / "scores", [f"p{n}" for n in range(6)], volumes=2)


@pytest.fixture(scope="module")
def page(evaluation: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("medcycle.report.writing.libraries", list)
        written = write_report([evaluation], tmp_path_factory.mktemp("page") / "report.html")
    return Page(written.read_text(encoding="utf-8"))


def data_of(page: Page) -> dict:
    return json.loads(next(text for text in page.texts if text.startswith('{"plots"')))


def test_the_summary_tells_what_is_asked_first(page: Page) -> None:
    for told in (
        "Evaluation against the true CT",
        "6 scored",
        "95 % CI",
        "inside in 6 of 6",
        "Worst by MAE (HU): Case 3",
    ):
        assert told in page.text
    assert page.text.count("For research only: not for diagnosis or treatment.") >= 2
    assert "safe" not in page.text.split("BSD 2-Clause")[0].lower()


def test_outliers_are_marked_in_words(page: Page) -> None:
    assert "150.3 high" in page.text
    cells = [attributes for tag, attributes in page.elements if tag == "td" and attributes.get("class") == "marked"]
    assert {cell["data-value"] for cell in cells} >= {"23.27", repr(62 + 6 * -0.27941549819892586 + 90)} or len(
        cells
    ) >= 2


def test_nothing_is_asked_for_from_elsewhere(page: Page) -> None:
    for tag, attributes in page.elements:
        for key in ("src", "href", "action", "data", "poster"):
            if value := attributes.get(key):
                assert value.startswith(("data:", "#")), f"{tag} {key}={value[:80]}"
    policy = next(a["content"] for tag, a in page.elements if tag == "meta" and a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_every_id_is_there_once_and_every_term_is_explained(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    asked = {a["aria-describedby"] for _, a in page.elements if a.get("aria-describedby")}
    assert asked
    assert asked <= set(ids)


def test_plots_are_those_of_the_data(page: Page) -> None:
    found = {plot["key"].removeprefix("plot-0-") for plot in data_of(page)["plots"]}
    assert found == {"metrics", "tissue-mae", "tissue-me", "calibration", "wepl", "levels", "histogram"}
    cases = data_of(page)["cases"]
    assert [case["label"] for case in cases] == [f"Case {n}" for n in range(1, 7)]
    roles = [panel["role"] for panel in cases[0]["panels"]]
    assert roles == ["source", "synthetic", "real", "error", "uncertainty"]
    assert not any("missing" in panel for panel in cases[0]["panels"])
    assert all("missing" in panel for panel in cases[5]["panels"])


def test_no_name_path_or_host_is_in_the_page(tmp_path: Path) -> None:
    names = [f"{MARKER}_Anna", f"{MARKER.upper()}^2", "plain"]
    folder = write_evaluation(tmp_path / MARKER / f"{MARKER}-scores", names, volumes=1, comment=MARKER)
    summary = json.loads((folder / "summary.json").read_text())
    summary["failed"] = {f"{MARKER} Eva": f"/data/{MARKER}/ct.nii.gz: patient '{MARKER}, E.' of {MARKER} Eva differs"}
    (folder / "summary.json").write_text(json.dumps(summary))
    details = json.loads((folder / "cases" / f"{names[0]}.json").read_text())
    details["warnings"] = [
        f"{names[0]} is odd",
        f"C:\\{MARKER}\\x.dcm",
        f"{MARKER}-scores/x.nii is short",
        f"in {MARKER}",
    ]
    (folder / "cases" / f"{names[0]}.json").write_text(json.dumps(details))
    inputs = json.loads((folder / "inputs.json").read_text())
    inputs["cases"][names[1]] = {"real": f"/nowhere/{MARKER}.nii.gz", "synthetic": f"../{MARKER} x/{MARKER}.mha"}
    (folder / "inputs.json").write_text(json.dumps(inputs))
    made = write_synthesis(tmp_path / MARKER / "made", [f"{MARKER}2"])
    run = write_run(tmp_path / MARKER / "run", [f"{MARKER}1", f"{MARKER}3"])
    written = write_report([folder, made, run], tmp_path / "out.html").read_text(encoding="utf-8")
    assert MARKER.lower() not in written.lower()
    assert str(tmp_path) not in written
    shown = write_report([folder, made, run], tmp_path / "named.html", identifiers=True).read_text(encoding="utf-8")
    assert f"{MARKER}_Anna" in shown


@pytest.mark.parametrize("identifiers", [True, False])
def test_a_hostile_name_is_a_name(tmp_path: Path, identifiers: bool) -> None:
    folder = write_evaluation(tmp_path / "scores", ["a", "b"], volumes=0)
    summary = json.loads((folder / "summary.json").read_text())
    summary["protocol"] = summary["kind"] = ATTACK
    summary["cases"] = {ATTACK: {**summary["cases"]["a"], ATTACK: 1.0}, "b": {"mae": 2.0}}
    summary["failed"] = {f'"{ATTACK}': ATTACK}
    (folder / "summary.json").write_text(json.dumps(summary))
    page = Page(
        write_report([folder], tmp_path / "o.html", identifiers=identifiers, title=ATTACK).read_text(encoding="utf-8")
    )
    assert not any(key.startswith("on") for _, attributes in page.elements for key in attributes)
    assert not any(tag == "img" and not (a["src"] or "").startswith("data:") for tag, a in page.elements)
    assert ATTACK in page.text


def test_hostile_details_are_texts(tmp_path: Path) -> None:
    folder = write_evaluation(tmp_path / "scores", ["a"], volumes=0)
    path = folder / "cases" / "a.json"
    details = json.loads(path.read_text())
    for key in ("tissues", "structures", "labels", "regions", "calibration"):
        details[key][ATTACK] = {"mae": 1.0, "me": ATTACK, "dice": 1.0, "slope": 1.0}
    details["warnings"] = [ATTACK, 3, None]
    details["tolerances"] = [{"name": ATTACK, "value": ATTACK, "unit": ATTACK, "limit": ATTACK, "inside": ATTACK}, 4]
    details["wepl"]["angles_deg"] = ATTACK
    details["histogram"]["edges"] = [ATTACK]
    details["drr"]["ap"]["image"] = "../../../etc/passwd"
    path.write_text(json.dumps(details))
    page = Page(write_report([folder], tmp_path / "o.html").read_text(encoding="utf-8"))
    assert not any(tag == "img" and not (a["src"] or "").startswith("data:") for tag, a in page.elements)


def test_json_in_a_script_ends_nothing() -> None:
    text = script_json({"a": "</script><!--\u2028\u2029&"})
    assert not re.search("[<>&\u2028\u2029]", text)
    assert json.loads(text) == {"a": "</script><!--\u2028\u2029&"}
    assert element("p", "<b>", title='"') == '<p title="&quot;">&lt;b&gt;</p>'


def test_sections_of_every_kind_are_on_one_page(tmp_path: Path, evaluation: Path) -> None:
    folders = [
        evaluation,
        write_unreferenced(tmp_path / "unref", ["a", "b", "c"]),
        write_synthesis(tmp_path / "made", ["q"]),
        write_run(tmp_path / "run", ["x", "y"]),
    ]
    page = Page(write_report(folders, tmp_path / "all.html").read_text(encoding="utf-8"))
    for told in ("Evaluation without a true CT", "✕ do not use", "Synthesis", "Training run", "565 steps", "Case 10"):
        assert told in page.text
    assert "The lowest 12 slices show no head." in page.text
    keys = [plot["key"] for plot in data_of(page)["plots"]]
    assert len(keys) == len(set(keys))
    assert "plot-3-losses" in keys


def test_a_page_of_many_cases_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medcycle.report.writing.BUDGET", 300_000)
    folder = write_evaluation(tmp_path / "scores", [f"p{n}" for n in range(4)])
    written = write_report([folder], tmp_path / "o.html")
    cases = data_of(Page(written.read_text(encoding="utf-8")))["cases"]
    assert sum("missing" not in case["panels"][2] for case in cases) == 2  # those with the largest errors
    assert "missing" not in cases[2]["panels"][2]
    assert "room for 2 cases" in cases[0]["panels"][2]["missing"] + cases[1]["panels"][2]["missing"]


@pytest.mark.parametrize("name", ["nothing", "file", "empty"])
def test_what_is_no_such_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=name):
        write_report([tmp_path / name], tmp_path / "o.html")
    assert not (tmp_path / "o.html").exists()


def test_other_errors_are_told_in_a_line(tmp_path: Path, evaluation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"ends in \.html"):
        write_report([evaluation], tmp_path / "report.pdf")
    with pytest.raises(UsageError, match="nothing to report on"):
        write_report([], tmp_path / "o.html")
    torn = write_run(tmp_path / "run", ["x"])
    (torn / "config.yaml").write_text("a: [1")
    with pytest.raises(UnreadableFile, match=r"config\.yaml"):
        write_report([torn], tmp_path / "o.html")
    monkeypatch.setattr("medcycle.report.writing.libraries", libraries.libraries)
    monkeypatch.setattr(libraries, "LIBRARIES", ("gone.js",))
    with pytest.raises(DataError, match=r"gone\.js.*hatch_build\.py"):
        write_report([evaluation], tmp_path / "o.html")


def test_torn_details_of_a_case_are_told_on_the_page(tmp_path: Path) -> None:
    folder = write_evaluation(tmp_path / "scores", ["a", "b"], volumes=0)
    (folder / "cases" / "a.json").write_text("{")
    assert "can't be read as JSON" in Page(write_report([folder], tmp_path / "o.html").read_text(encoding="utf-8")).text


def test_the_command(tmp_path: Path, evaluation: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["report", str(evaluation), "--output", str(tmp_path / "o.html"), "--title", "Ours"]) == 0
    assert "For research only" in capsys.readouterr().out
    assert "<h1>Ours</h1>" in (tmp_path / "o.html").read_text(encoding="utf-8")
    assert execute(["report", str(tmp_path), "--output", str(tmp_path / "p.html")]) == 2
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize("odd", [10**400, 1e308, "\ud800", "a" * 3000, [[1]], {"a": {}}, None, True])
def test_odd_values_take_no_page_away(tmp_path: Path, odd: object) -> None:
    folder = write_evaluation(tmp_path / "scores", ["a", "b", "c", "d", "e"], volumes=0)
    summary = json.loads((folder / "summary.json").read_text())
    summary["cases"] |= {"a" * 3000: {"mae": 1.0, "\ud800": odd}, "b": {"mae": odd}}
    summary |= {"statistics": {"mae": odd}, "protocol": odd, "failed": {"x": odd}}
    (folder / "summary.json").write_text(json.dumps(summary))
    for name in ("a", "c"):
        path = folder / "cases" / f"{name}.json"
        details = json.loads(path.read_text())
        for number, key in enumerate(sorted(details)):
            if (number % 2 == 0) == (name == "a"):
                details[key] = odd
            elif isinstance(details[key], dict):
                details[key] = dict.fromkeys(details[key], odd) | {"\ud800": odd}
        path.write_text(json.dumps(details))
    (folder / "inputs.json").write_text(json.dumps({"cases": {"a": {"real": odd, "synthetic": "x\0"}, "b": odd}}))
    written = write_report([folder], tmp_path / "o.html", identifiers=True)
    assert "Evaluation" in Page(written.read_text(encoding="utf-8")).text
