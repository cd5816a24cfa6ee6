"""The site of docs/ builds without a warning, needs no network, and has what the code has."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from medcycle.config import METHODS, NETWORKS, Config
from medcycle.config.site import CouchSection, SiteSection

ROOT = Path(__file__).parents[2]

for package in ("mkdocs", "material", "mkdocstrings", "latex2mathml"):
    pytest.importorskip(package, reason=f"{package} is not installed; `pip install 'medcycle[docs]'` does it")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` does."""
    folder = tmp_path_factory.mktemp("site")
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": path, "NO_MKDOCS_2_WARNING": "1", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    loads = re.compile(r"""<(?:script|img|iframe|link)[^>]+(?:src|href)=["']?(https?://[^"'> ]+)""")
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not loads.findall(re.sub(r'<link rel="canonical"[^>]*>', "", text)), page
    assert (site / "search" / "search_index.js").exists()  # which a page opened from a folder can load


def test_all_commands_keys_and_functions_are_there(site: Path) -> None:
    import medcycle as mc  # noqa: PLC0415 - to read what it offers
    from medcycle.cli.main import EXAMPLES  # noqa: PLC0415

    commands, configuration, python, files = (
        (site / name).read_text(encoding="utf-8")
        for name in (
            "reference/commands.html",
            "reference/configuration.html",
            "reference/python.html",
            "how-to/site-file.html",
        )
    )
    assert [name for name in (*EXAMPLES, "config check", "models export") if f">medcycle {name}<" not in commands] == []
    kinds = {"method": METHODS.values(), "network": NETWORKS.values()}
    for section, field in Config.model_fields.items():
        for kind in kinds.get(section, [field.annotation]):
            keys = [key for key in kind.model_fields if section not in kinds or key != "name"]
            assert [key for key in keys if f"<code>{section}.{key}</code>" not in configuration] == []
    keys = [*SiteSection.model_fields, *(f"couch.{key}" for key in CouchSection.model_fields)]
    assert [key for key in keys if f"<code>{key}</code>" not in files and key != "couch"] == []
    functions = [name for name in mc.__all__ if name[0].islower()]
    assert [name for name in functions if f'id="medcycle.{name}"' not in python] == []


def test_no_comment_is_left_where_a_reference_belongs(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert "<!-- generated" not in page.read_text(encoding="utf-8"), page


def test_units_are_of_keys_that_there_are() -> None:
    hooks = str(ROOT / "docs" / "_hooks")
    sys.path.insert(0, hooks)
    try:
        from references import UNITS, configuration, site_keys  # type: ignore[import-not-found]  # noqa: PLC0415
    finally:
        sys.path.remove(hooks)
    told = configuration() + site_keys()
    assert [key for key in UNITS if f"| `{key}` |" not in told] == []


def test_messages_are_quoted_as_the_code_has_them() -> None:
    text = (ROOT / "docs" / "reference" / "messages.md").read_text(encoding="utf-8")
    quoted = [
        part for row in re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE) for part in re.findall(r"`([^`]+)`", row)
    ]
    assert len(quoted) > 15
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "medcycle").rglob("*.py"))
    source = re.sub(r'"\s*f?"', "", source)  # strings over several lines
    pieces = [piece.strip() for words in quoted for piece in re.split(r"\.\.\.|\d+", words) if len(piece.strip()) > 3]
    assert [piece for piece in pieces if piece not in source] == []
