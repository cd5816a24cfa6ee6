"""What MkDocs does to the pages of docs/ beyond Markdown: references from the code, files outside docs/, formulas."""

import html
import posixpath
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from references import GENERATED

ROOT = Path(__file__).parents[2]

OUTSIDE = {
    "CHANGELOG.md": "reference/changelog.md",
    "CONTRIBUTING.md": "why/contributing.md",
    "SECURITY.md": "reference/security.md",
    "examples/README.md": "how-to/examples.md",
    "examples/slicer/README.md": "how-to/slicer.md",
}
"""Files of the repository that are pages of the site, and where."""

LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?(?=\))")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages whose files lie outside docs/."""
    for source, page in OUTSIDE.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=_relinked(text, source, page)))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Put references that the code gives in the place of their comments, and follow links out of docs/."""
    for name, generate in GENERATED.items():
        if (comment := f"<!-- generated: {name} -->") in markdown:
            markdown = markdown.replace(comment, generate())
    own = page.file.src_uri
    return markdown if own in OUTSIDE.values() else _relinked(markdown, f"docs/{own}", own)


def on_page_content(content: str, **_: Any) -> str:
    """Formulas in MathML, which browsers draw by themselves."""
    return re.sub(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', _formula, content, flags=re.DOTALL)


def _formula(found: re.Match[str]) -> str:
    return convert(html.unescape(found[3]), display="inline" if found[2] == "(" else "block")


def _relinked(text: str, source: str, page: str) -> str:
    """Links between files of the repository as links between pages."""

    def moved(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), found[1]))
        to = OUTSIDE.get(target) or (target.removeprefix("docs/") if target.startswith("docs/") else None)
        if to is None:
            return found[0]
        return posixpath.relpath(to, posixpath.dirname(page) or ".") + (found[2] or "")

    return LINK.sub(moved, text)
