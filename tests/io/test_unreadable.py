"""What can't be opened is told, and nobody is absent without a word."""

import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from medcycle.cohort.findings import inspect_paths
from medcycle.errors import DefectiveSeries, UnreadableFile
from medcycle.io import discover, write_nifti
from medcycle.io.dicom.series import read_series
from medcycle.io.discover import survey
from tests.io.series import CT, MR, found, written


def damaged(files: list[Path], how: str) -> Path:
    """The last file, as an interrupted copy leaves it."""
    last = files[-1]
    content = last.read_bytes()
    if how == "empty":
        last.write_bytes(b"")
    elif how == "cut in the preamble":
        last.write_bytes(content[:100])
    elif how == "cut in the header":
        last.write_bytes(content[:700])
    elif how == "without pixels":
        dataset = pydicom.dcmread(last)
        del dataset.PixelData
        dataset.save_as(last)
    elif how == "zeros":
        last.write_bytes(bytes(len(content)))
    else:
        last.unlink()
        last.symlink_to("nowhere" if how == "a link to nowhere" else last.name)
    return last


HOW = [
    *("empty", "cut in the preamble", "cut in the header", "without pixels", "zeros"),
    *("a link to nowhere", "a link to itself"),
]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("suffix", [".dcm", ""])
def test_a_damaged_file_beside_a_series_makes_it_irregular(tmp_path: Path, how: str, suffix: str) -> None:
    files = [path.rename(path.with_suffix(suffix)) for path in written(tmp_path, modality="CT")]
    last = damaged(files, how)
    (source,) = discover(tmp_path)
    assert source.series.verdict == "irregular"
    with pytest.raises(DefectiveSeries, match=rf"a file beside it can't be read: {last.name} \(.*--resample-irregular"):
        source.read()
    (told,) = discover(tmp_path, resample_irregular=True)
    np.testing.assert_allclose(told.read().array, CT.array[:, :, :11], atol=0.51)


def test_what_is_nothing_of_a_series_leaves_it_sound(tmp_path: Path) -> None:
    written(tmp_path, modality="CT")
    (tmp_path / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0" * 10)
    (tmp_path / "._CT0001.dcm").write_bytes(b"\0\5\x16\7" * 30)
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "CT0001.dcm").write_bytes(b"")
    (series,) = (source.series for source in discover(tmp_path))
    assert series.verdict == "sound"


def test_links_to_nowhere_and_pointers_are_cases(tmp_path: Path) -> None:
    write_nifti(MR, tmp_path / "sub-01_T1w.nii.gz")
    (tmp_path / "sub-02_T1w.nii.gz").symlink_to("../.git/annex/objects/xx/yy/MD5E-s1--0.nii.gz")
    (tmp_path / "sub-03_T1w.nii.gz").write_text("/annex/objects/MD5E-s1--0.nii.gz\n")
    (tmp_path / "sub-04_T1w.nrrd").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    (tmp_path / "sub-05_T1w.mha").write_bytes(b"")
    sources = {source.name[:6]: source for source in discover(tmp_path)}
    assert sorted(sources) == ["sub-01", "sub-02", "sub-03", "sub-04", "sub-05"]
    for name, words in (("02", "datalad get"), ("03", "git annex get"), ("04", "git lfs pull"), ("05", "empty")):
        with pytest.raises(UnreadableFile, match=words):
            sources[f"sub-{name}"].read()
    findings = {found.name: found.verdict for found in inspect_paths([tmp_path])}
    assert sorted(findings.values()) == ["refused"] * 4 + ["sound"]


LOCKED = """
import os, sys
from pathlib import Path
from medcycle.cohort.findings import inspect_paths
os.setuid(65534)
for found in inspect_paths([Path(sys.argv[1])]):
    print(found.name, found.verdict, found.reason)
"""


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that other users can enter, which pytest's own folders aren't."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.mark.skipif(os.name != "posix", reason="rights are those of POSIX")
def test_closed_folders_and_files_are_told(open_to_all: Path) -> None:
    for name in ("p1", "p2", "p3"):
        (open_to_all / name).mkdir()
        write_nifti(MR, open_to_all / name / "t1.nii.gz")
    written(open_to_all / "p4")
    closed = [open_to_all / "p2", open_to_all / "p3" / "t1.nii.gz", open_to_all / "p4" / "MR0012.dcm"]
    for place in closed:
        place.chmod(0)
    code = LOCKED if os.getuid() == 0 else LOCKED.replace("os.setuid(65534)", "")
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, str(open_to_all)], capture_output=True, text=True, check=True, cwd=Path.cwd()
        )
    finally:
        for place in closed:
            place.chmod(0o755)
    lines = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert lines["p1_t1"].startswith("sound")
    assert lines["p2"].startswith("refused permission denied")
    assert lines["p3_t1"].startswith("refused can't be opened: permission denied")
    assert lines["p4"].startswith("irregular a file beside it can't be read: MR0012.dcm")


@pytest.mark.parametrize("implicit", [True, False])
def test_a_data_set_encoded_otherwise_than_its_header_says(tmp_path: Path, implicit: bool) -> None:
    for path in written(tmp_path, modality="CT"):
        dataset = pydicom.dcmread(path)
        meta, body, head = dataset.file_meta, io.BytesIO(), DicomBytesIO()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian if implicit else ImplicitVRLittleEndian
        del dataset.file_meta
        dataset.preamble = None
        pydicom.dcmwrite(body, dataset, implicit_vr=implicit, little_endian=True)
        head.is_little_endian, head.is_implicit_VR = True, False
        write_file_meta_info(head, meta, enforce_standard=True)
        path.write_bytes(bytes(128) + b"DICM" + head.getvalue() + body.getvalue())
    (series,) = found(tmp_path)
    assert series.verdict == "sound", series.problem
    np.testing.assert_allclose(read_series(series).array, CT.array, atol=0.51)


def test_a_link_to_a_folder_above_is_followed_once(tmp_path: Path) -> None:
    write_nifti(MR, tmp_path / "a.nii.gz")
    (tmp_path / "again").symlink_to(tmp_path)
    assert [source.name for source in survey(tmp_path).sources] == ["a"]
