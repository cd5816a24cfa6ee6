"""Fetches the JavaScript libraries of the report when the package is built.

They are pinned in pyproject.toml, with the SHA-512 of their archives, and are never committed. npm brings them, so that
its proxies and mirrors hold. `python hatch_build.py` fetches them into a clone; with `--tests`, also what only tests
need.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand, with a Python that builds nothing
    BuildHookInterface = object

ROOT = Path(__file__).resolve().parent

ARCHIVES = "MEDCYCLE_NPM_ARCHIVES"
"""The environment variable that names a folder with the archives, for builds without network."""

STAMP = "versions.json"


class LibrariesHook(BuildHookInterface):  # type: ignore[misc]
    """Has the libraries in place before files are collected."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Fetch what is not there; an editable installation goes on without, since only the report needs it."""
        try:
            fetch(self.config["libraries"], ROOT)
        except Unavailable as error:
            if version != "editable":
                raise SystemExit(f"error: {error}") from error
            self.app.display_warning(f"`medcycle report` will not work yet: {error}")


class Unavailable(Exception):
    """A library that can't be had, and what to do."""


def fetch(libraries: list[dict[str, Any]], root: Path) -> list[str]:
    """Put those libraries in their folders that are not there in this version; the names of what was fetched."""
    fetched = []
    for library in libraries:
        folder = root / library["into"]
        if _is_there(library, folder):
            continue
        with tempfile.TemporaryDirectory() as temporary:
            archive = _archive(library, Path(temporary))
            _require_intact(library, archive)
            _unpack(library, archive, folder)
        _note(library, folder)
        fetched.append(_told(library))
    return fetched


def _told(library: dict[str, Any]) -> str:
    return f"{library['package']}@{library['version']}"


def _own_name(library: dict[str, Any], name: str) -> str:
    """What a file of the archive is called here: a licence, by its library."""
    return f"{library['short']}.licence.txt" if Path(name).name.startswith("LICENSE") else Path(name).name


def _known(folder: Path) -> dict[str, str]:
    try:
        return dict(json.loads((folder / STAMP).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _is_there(library: dict[str, Any], folder: Path) -> bool:
    whole = all((folder / _own_name(library, name)).is_file() for name in library["files"])
    return whole and _known(folder).get(library["package"]) == library["integrity"]


def _note(library: dict[str, Any], folder: Path) -> None:
    known = _known(folder) | {library["package"]: library["integrity"]}
    (folder / STAMP).write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def _archive(library: dict[str, Any], folder: Path) -> Path:
    name = f"{library['package'].lstrip('@').replace('/', '-')}-{library['version']}.tgz"
    if given := os.environ.get(ARCHIVES):
        if (path := Path(given, name)).is_file():
            return path
        raise Unavailable(f"{path}: no such archive; get it by `npm pack {_told(library)}` on a machine with network")
    if not (npm := shutil.which("npm")):
        raise Unavailable(
            f"{_told(library)}, which the report needs, is brought by npm, and there is none; install Node.js, or set "
            f"{ARCHIVES} to a folder with {name}, which `npm pack {_told(library)}` makes on another machine"
        )
    call = [npm, "pack", _told(library), "--silent", "--pack-destination", str(folder)]
    made = subprocess.run(call, cwd=folder, capture_output=True, text=True, check=False)
    if made.returncode or not (folder / name).is_file():
        reason = " ".join((made.stderr or made.stdout).split())[-300:] or f"exit status {made.returncode}"
        raise Unavailable(
            f"{_told(library)}, which the report needs, can't be fetched by npm ({reason}); check the network, or set "
            f"{ARCHIVES} to a folder with {name}, which `npm pack {_told(library)}` makes on another machine"
        )
    return folder / name


def _require_intact(library: dict[str, Any], archive: Path) -> None:
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != library["integrity"]:
        raise Unavailable(
            f"{archive.name}: its hash is {found}, not {library['integrity']} as pyproject.toml has it; it is damaged "
            "or was replaced: fetch it again"
        )


def _unpack(library: dict[str, Any], archive: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as content:
        for name in library["files"]:
            stream = content.extractfile(f"package/{name}")
            if stream is None:
                raise Unavailable(f"{archive.name}: holds no {name}; correct pyproject.toml")
            (folder / _own_name(library, name)).write_bytes(stream.read())


def main() -> None:
    """Fetch into a clone what pyproject.toml names."""
    hook = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["hooks"]
    wanted = hook["custom"]["libraries"] + (hook["custom"]["test-libraries"] if "--tests" in sys.argv else [])
    try:
        fetched = fetch(wanted, ROOT)
    except Unavailable as error:
        sys.exit(f"error: {error}")
    sys.stdout.write(f"fetched {', '.join(fetched)}\n" if fetched else "all libraries are there\n")


if __name__ == "__main__":
    main()
