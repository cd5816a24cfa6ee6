"""The JavaScript libraries, styles and scripts that a page carries with it."""

from __future__ import annotations

from importlib.resources import files

from medcycle.errors import DataError

__all__ = ["asset", "libraries", "licences"]

LIBRARIES = ("plotly-cartesian.min.js", "niivue.umd.js")


def asset(name: str) -> str:
    """The text of one of the page's own files."""
    return files("medcycle.report").joinpath("assets", name).read_text(encoding="utf-8")


def libraries() -> list[str]:
    """The libraries' code, fit to stand in script elements.

    Raises:
        DataError: if they are not there.
    """
    folder = files("medcycle.report").joinpath("vendor")
    missing = [name for name in LIBRARIES if not folder.joinpath(name).is_file()]
    if missing:
        raise DataError(
            f"{folder}: no {' and '.join(missing)}, which the report needs; in a clone run `python hatch_build.py`, "
            "otherwise `pip install --force-reinstall --no-deps medcycle`, both with network and npm"
        )
    # in strings, where these stand, a backslash before a slash or an exclamation mark changes nothing
    return [
        folder.joinpath(name).read_text(encoding="utf-8").replace("</script", "<\\/script").replace("<!--", "<\\!--")
        for name in LIBRARIES
    ]


def licences() -> dict[str, str]:
    """The licences of the libraries, by their names."""
    root = files("medcycle.report")
    plotly = root.joinpath("vendor", "plotly.licence.txt")
    return {
        "NiiVue": root.joinpath("licences", "niivue.txt").read_text(encoding="utf-8"),
        "plotly.js": plotly.read_text(encoding="utf-8") if plotly.is_file() else "MIT License",
    }
