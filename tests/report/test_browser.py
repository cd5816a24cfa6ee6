"""The page in a real browser, from a file, without network."""

import io
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import image

from medcycle.phantom import head_grid
from medcycle.report import write_report
from medcycle.report.libraries import LIBRARIES
from tests.report.folders import write_evaluation, write_run, write_synthesis, write_unreferenced

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed; `make setup` does it")

CHROMIUM = Path("/usr/bin/chromium")
VENDOR = Path(__file__).parents[2] / "medcycle" / "report" / "vendor"
AXE = Path(__file__).parent / "vendor" / "axe.min.js"

ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--no-first-run", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
]
"""Quiet, and with WebGL on the processor."""

OWN = ("file:", "data:", "blob:")

READY = "#viewer[data-state=ready], #viewer[data-state=failed]"

DISCLAIMER = "For research only: not for diagnosis or treatment."

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium; .ci/install-chromium installs it"),
    pytest.mark.skipif(
        not all((VENDOR / name).is_file() for name in LIBRARIES),
        reason="the page's libraries are not there; `python hatch_build.py` fetches them",
    ),
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    top = tmp_path_factory.mktemp("folders")
    grid = head_grid(spacing=(4.0, 4.0, 4.0))
    return [
        write_evaluation(top / "scores", [f"p{n}" for n in range(6)], volumes=2, grid=grid),
        write_unreferenced(top / "unref", ["a", "b", "c"]),
        write_synthesis(top / "made", ["q"]),
        write_run(top / "run", ["x", "y"]),
    ]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def report(folders: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(folders, tmp_path_factory.mktemp("report") / "report.html")


def opened(browser: Any, report: Path, **options: Any) -> tuple[Any, list[str]]:
    """The page, and what went wrong on it: errors, and requests for anything else."""
    page, wrong = browser.new_page(**({"viewport": {"width": 1300, "height": 900}} | options)), []
    page.on("console", lambda told: wrong.append(told.text) if told.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(OWN) else wrong.append(request.url))
    page.goto(report.as_uri())
    return page, wrong


@pytest.fixture(scope="module")
def viewer(browser: Any, report: Path) -> Iterator[Any]:
    """The page with the first case drawn, which tests leave as they found it; nothing may go wrong on it."""
    page, wrong = opened(browser, report)
    page.evaluate("document.getElementById('viewer').scrollIntoView()")
    page.wait_for_selector(READY)
    assert page.get_attribute("#viewer", "data-state") == "ready", page.inner_text("#viewer-note")
    yield page
    page.close()
    assert [text for text in wrong if "GPU stall" not in text] == []  # which software rendering is told to be


def pixels(page: Any, role: str) -> Any:
    """What a panel shows."""
    page.wait_for_timeout(150)
    shot = page.locator(f"#panels figure[data-role={role}] canvas").screenshot()
    return image.imread(io.BytesIO(shot))[4:-4, 4:-4, :3]  # the last row may be the page's, by scrolling


def values(page: Any) -> list[str]:
    return [text.strip() for text in page.locator("#panels output").all_inner_texts()]


def test_every_panel_draws_slices(viewer: Any) -> None:
    for role in ("source", "synthetic", "real", "error", "uncertainty"):
        shown = pixels(viewer, role)
        assert shown.std() > 0.03, role
        assert len(np.unique(shown.reshape(-1, 3), axis=0)) > 30, role
    error = pixels(viewer, "error")
    assert (error[..., 0] - error[..., 2]).max() > 0.3  # orange where it is too dense
    assert (error[..., 2] - error[..., 0]).max() > 0.3  # blue where it is too thin
    assert "mm" in viewer.inner_text("#position")
    assert len(values(viewer)) == 5
    assert values(viewer)[2].endswith("HU")


def test_windows_change_the_ct_alone(viewer: Any) -> None:
    before = {role: pixels(viewer, role) for role in ("real", "source")}
    viewer.focus("#panels")
    viewer.keyboard.press("3")
    assert np.abs(pixels(viewer, "real") - before["real"]).mean() > 0.02
    np.testing.assert_allclose(pixels(viewer, "source"), before["source"], atol=0.02)
    assert viewer.get_attribute("[data-window=bone]", "aria-pressed") == "true"
    viewer.click("[data-window=soft]")
    np.testing.assert_allclose(pixels(viewer, "real"), before["real"], atol=0.02)


def test_a_click_moves_the_crosshair_everywhere(viewer: Any) -> None:
    before = {role: pixels(viewer, role) for role in ("source", "real")}
    place, told = viewer.inner_text("#position"), values(viewer)
    box = viewer.locator("#panels figure[data-role=synthetic] canvas").bounding_box()
    viewer.mouse.click(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.12)
    viewer.wait_for_timeout(200)
    assert viewer.inner_text("#position") != place
    assert values(viewer) != told
    for role, old in before.items():
        assert np.abs(pixels(viewer, role) - old).max() > 0.2, role


def test_the_error_is_synthetic_minus_real(viewer: Any) -> None:
    numbers = [float(text.split()[0].replace("−", "-")) for text in values(viewer)]
    _, synthetic, real, error, _ = numbers
    assert error == pytest.approx(synthetic - real, abs=1)


def test_keys_step_through_slices(viewer: Any) -> None:
    viewer.focus("#panels")
    places = [viewer.inner_text("#position")]
    for key in ("ArrowLeft", "ArrowUp", "PageUp", "PageDown"):
        viewer.keyboard.press(key)
        viewer.wait_for_timeout(100)
        places.append(viewer.inner_text("#position"))
    assert len(set(places[:4])) == 4
    assert places[4] == places[2]


def test_overlay_and_blink(viewer: Any) -> None:
    plain = pixels(viewer, "real")
    viewer.focus("#panels")
    viewer.keyboard.press("o")
    viewer.wait_for_timeout(500)
    assert viewer.input_value("#overlay") == "error"
    over = pixels(viewer, "real")
    colourful = [np.mean(np.abs(shown[..., 0] - shown[..., 2]) > 0.1) for shown in (plain, over)]
    assert colourful[1] > colourful[0] + 0.02  # there was the crosshair's colour alone
    viewer.select_option("#overlay", "")
    viewer.emulate_media(reduced_motion="reduce")  # blinks by the key alone
    before = pixels(viewer, "synthetic")
    viewer.focus("#panels")
    viewer.keyboard.press("b")
    viewer.wait_for_timeout(500)
    assert viewer.locator("#panels figure[data-role=synthetic] figcaption span").inner_text() == "Real CT"
    assert np.abs(pixels(viewer, "synthetic") - before).mean() > 0.005
    viewer.keyboard.press("b")
    viewer.wait_for_timeout(300)
    np.testing.assert_allclose(pixels(viewer, "synthetic"), before, atol=0.02)


def test_links_open_a_case_and_old_canvases_go(viewer: Any) -> None:
    for number in (1, 0, 1):  # more contexts than a browser keeps
        viewer.evaluate(f"document.querySelector('a[data-case=\"{number}\"]').click()")
        viewer.wait_for_selector(READY)
    assert viewer.locator("#panels canvas").count() == 5
    assert pixels(viewer, "real").std() > 0.03
    assert viewer.locator("#case-details table").count() > 5
    viewer.select_option("#case", "5")
    viewer.wait_for_selector(READY)
    assert "Not shown" in viewer.inner_text("#panels")
    viewer.select_option("#case", "0")
    viewer.wait_for_selector(READY)


def test_sorting_by_click_and_by_key(browser: Any, report: Path) -> None:
    page, _ = opened(browser, report)
    heading = page.locator(".sortable th", has=page.locator(".sort", has_text="MAE (HU)")).first
    cells = page.locator(".sortable").first.locator("tbody tr td:nth-child(2)")

    def numbers() -> list[float]:
        return [float(cell.get_attribute("data-value")) for cell in cells.all()]

    heading.locator(".sort").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert numbers() == sorted(numbers())
    heading.locator(".sort").focus()
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert numbers() == sorted(numbers(), reverse=True)
    page.close()


def test_explanations_come_with_the_focus_and_go_with_escape(browser: Any, report: Path) -> None:
    page, _ = opened(browser, report)
    page.locator(".figures .term").first.focus()
    assert "Mean absolute error" in page.inner_text("#tip")
    page.keyboard.press("Escape")
    assert page.locator("#tip").is_hidden()
    page.get_by_role("button", name="About PSNR").first.hover()
    assert "decibels" in page.inner_text("#tip")
    page.close()


@pytest.mark.parametrize(("theme", "width"), [("light", 1300), ("dark", 360)])
def test_nothing_serious_for_those_who_hear_or_type(browser: Any, report: Path, theme: str, width: int) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not there; `python hatch_build.py --tests` fetches it")
    page, _ = opened(browser, report, color_scheme=theme, viewport={"width": width, "height": 900}, bypass_csp=True)
    page.evaluate("document.getElementById('viewer').scrollIntoView()")
    page.wait_for_selector(READY)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    serious = [
        (one["id"], one["help"], [node["html"][:200] for node in one["nodes"][:3]])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []
    page.close()


@pytest.mark.skipif(not shutil.which("pdftotext"), reason="no pdftotext; .ci/install-chromium installs it")
@pytest.mark.parametrize("cases", [6, 60])
def test_on_paper_it_has_three_pages_each_with_the_disclaimer(browser: Any, tmp_path: Path, cases: int) -> None:
    folder = write_evaluation(tmp_path / "scores", [f"p{n}" for n in range(cases)], volumes=0)
    page, _ = opened(browser, write_report([folder], tmp_path / "r.html"), color_scheme="dark")
    page.pdf(path=str(tmp_path / "r.pdf"), prefer_css_page_size=True, print_background=True)
    page.close()
    call = ["pdftotext", "-layout", str(tmp_path / "r.pdf"), "-"]
    *pages, rest = subprocess.run(call, check=True, capture_output=True, text=True).stdout.split("\f")
    assert rest == ""
    assert len(pages) <= 3
    for one in pages:
        assert DISCLAIMER in " ".join(one.split())
    assert "HU calibration" in " ".join(pages)


def test_a_hostile_name_does_nothing(browser: Any, tmp_path: Path) -> None:
    attack = "</script><img src=x onerror=window.attacked=1>"
    folder = write_evaluation(tmp_path / "scores", ["a", "b"], volumes=0)
    for name in ("summary.json", "cases.csv"):
        text = (folder / name).read_text(encoding="utf-8")
        (folder / name).write_text(text.replace('"a"', f'"{attack}"').replace("\na,", f"\n{attack},"), encoding="utf-8")
    page, wrong = opened(browser, write_report([folder], tmp_path / "o.html", identifiers=True, title=attack))
    page.evaluate("document.getElementById('viewer').scrollIntoView()")
    page.wait_for_selector(READY)
    assert page.evaluate("window.attacked") is None
    assert attack in page.inner_text("h1")
    assert wrong == []
    page.close()
