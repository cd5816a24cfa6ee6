"""Libraries are fetched as pinned, or not at all."""

import base64
import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

import hatch_build


def archive(folder: Path, **files: str) -> str:
    """An npm archive of thing 1.0; its hash."""
    with tarfile.open(folder / "thing-1.0.tgz", "w:gz") as made:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"package/{name.replace('_', '.')}")
            entry.size = len(content)
            made.addfile(entry, io.BytesIO(content.encode()))
    digest = hashlib.sha512((folder / "thing-1.0.tgz").read_bytes()).digest()
    return f"sha512-{base64.b64encode(digest).decode()}"


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv(hatch_build.ARCHIVES, str(tmp_path))
    pin = archive(tmp_path, thing_js="code", LICENSE="licence")
    files = ["thing.js", "LICENSE"]
    return {"package": "thing", "short": "thing", "version": "1.0", "integrity": pin, "into": "vendor", "files": files}


def test_what_is_pinned_is_unpacked_once(library: dict[str, Any], tmp_path: Path) -> None:
    assert hatch_build.fetch([library], tmp_path) == ["thing@1.0"]
    assert (tmp_path / "vendor" / "thing.js").read_text() == "code"
    assert (tmp_path / "vendor" / "thing.licence.txt").read_text() == "licence"
    assert hatch_build.fetch([library], tmp_path) == []
    assert hatch_build.fetch([library], tmp_path) == []


def test_another_hash_is_refused(library: dict[str, Any], tmp_path: Path) -> None:
    archive(tmp_path, thing_js="other")
    with pytest.raises(hatch_build.Unavailable, match=r"thing-1\.0\.tgz: its hash"):
        hatch_build.fetch([library], tmp_path)
    assert not (tmp_path / "vendor").exists()


def test_what_cannot_be_had_is_told(library: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "thing-1.0.tgz").unlink()
    with pytest.raises(hatch_build.Unavailable, match=r"npm pack thing@1\.0"):
        hatch_build.fetch([library], tmp_path)
    monkeypatch.delenv(hatch_build.ARCHIVES)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(hatch_build.Unavailable, match="brought by npm, and there is none"):
        hatch_build.fetch([library], tmp_path)
