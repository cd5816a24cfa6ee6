"""`inspect`, `train` and `synthesize` agree on every kind of input: what one refuses, none takes."""

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

from medcycle.cohort.catalogue import prepare_cohort
from medcycle.cohort.cohort import find_cohort
from medcycle.cohort.findings import inspect_paths
from medcycle.config import DataConfig
from medcycle.errors import DataError, MedcycleError
from medcycle.io import write_nifti
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.phantom.dicom_series import write_series
from medcycle.synthesis.driver import synthesize_path
from medcycle.synthesis.order import Order

GRID = head_grid((32, 36, 16), (6, 6, 10))
HEADS = {"mr": HeadPhantom.random(4).mr(GRID), "ct": HeadPhantom.random(5).ct(GRID)}


def series(folder: Path, kind: str, **attributes: object) -> list[Path]:
    """A series with attributes set in every fifth slice."""
    files = write_series(HEADS[kind], folder, modality=kind.upper())
    for path in files[::5]:
        dataset = pydicom.dcmread(path)
        for keyword, value in attributes.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
        dataset.save_as(path)
    return files


def stray_phase(folder: Path, kind: str) -> None:
    series(folder, kind, ImageType=["ORIGINAL", "PRIMARY", "P"])


def stray_echo(folder: Path, kind: str) -> None:
    series(folder, kind, EchoTime=99)


def palette(folder: Path, kind: str) -> None:
    series(folder, kind, PhotometricInterpretation="PALETTE COLOR")


def bits(folder: Path, kind: str) -> None:
    series(folder, kind, HighBit=3)


def some_rescaled(folder: Path, kind: str) -> None:
    series(folder, kind, RescaleIntercept=-500)
    series(folder, kind, RescaleIntercept=None, RescaleSlope=None)


def none_rescaled(folder: Path, kind: str) -> None:
    for path in series(folder, kind):
        dataset = pydicom.dcmread(path)
        del dataset.RescaleIntercept, dataset.RescaleSlope
        dataset.save_as(path)


def empty_last_file(folder: Path, kind: str) -> None:
    series(folder, kind)[-1].write_bytes(b"")


def one_missing(folder: Path, kind: str) -> None:
    series(folder, kind)[5].unlink()


def torn(folder: Path, kind: str) -> None:
    path = series(folder, kind)[5]
    path.write_bytes(path.read_bytes()[:-300])


def annexed(folder: Path, kind: str) -> None:
    folder.mkdir()
    (folder / "a.nii.gz").symlink_to("../.git/annex/objects/nowhere")


def pointer(folder: Path, kind: str) -> None:
    folder.mkdir()
    (folder / "a.nii.gz").write_text("/annex/objects/MD5E-s1--0.nii.gz")


def no_valid_form(folder: Path, kind: str) -> None:
    folder.mkdir()
    write_nifti(HEADS[kind], folder / "a.nii")
    content = bytearray((folder / "a.nii").read_bytes())
    content[280:328], content[252:254] = bytes(48), bytes(2)
    (folder / "a.nii").write_bytes(content)


def offset(folder: Path, kind: str) -> None:
    folder.mkdir()
    write_nifti(HEADS[kind].with_array(np.round(HEADS[kind].array + 1024).clip(0)), folder / "a.nii.gz")


def cut_short(folder: Path, kind: str) -> None:
    folder.mkdir()
    write_nifti(HEADS[kind], folder / "a.nii")
    (folder / "a.nii").write_bytes((folder / "a.nii").read_bytes()[:-100])


REFUSED = [
    *((stray_phase, "mr"), (stray_echo, "mr"), (palette, "mr"), (bits, "ct"), (some_rescaled, "ct")),
    *((none_rescaled, "ct"), (empty_last_file, "ct"), (empty_last_file, "mr"), (one_missing, "mr"), (torn, "ct")),
    *((annexed, "mr"), (pointer, "ct"), (no_valid_form, "mr"), (offset, "ct"), (cut_short, "mr")),
]


def sound_series(folder: Path, kind: str) -> None:
    series(folder, kind)


def packed_under_a_plain_name(folder: Path, kind: str) -> None:
    folder.mkdir()
    write_nifti(HEADS[kind], folder / "b.nii.gz")
    (folder / "b.nii.gz").rename(folder / "a.nii")


def plain_under_a_packed_name(folder: Path, kind: str) -> None:
    folder.mkdir()
    write_nifti(HEADS[kind], folder / "b.nii.gz")
    (folder / "a.nii.gz").write_bytes(gzip.decompress((folder / "b.nii.gz").read_bytes()))
    (folder / "b.nii.gz").unlink()


def zero_sform(folder: Path, kind: str) -> None:
    folder.mkdir()
    write_nifti(HEADS[kind], folder / "a.nii")
    content = bytearray((folder / "a.nii").read_bytes())
    content[280:328] = bytes(48)
    (folder / "a.nii").write_bytes(content)


def pair(folder: Path, kind: str) -> None:
    folder.mkdir()
    nib.save(nib.Nifti1Pair(HEADS[kind].array, GRID.affine), folder / "a.img")


def rounded_echo(folder: Path, kind: str) -> None:
    series(folder, kind, EchoTime="4.000001")


def empty_slice(folder: Path, kind: str) -> None:
    folder.mkdir()
    array = HEADS[kind].array.copy()
    array[:, :, 7] = array.min()
    write_nifti(HEADS[kind].with_array(array), folder / "a.nii.gz")


TAKEN = [
    *((sound_series, "mr"), (sound_series, "ct"), (packed_under_a_plain_name, "mr"), (zero_sform, "ct")),
    *((plain_under_a_packed_name, "ct"), (pair, "mr"), (rounded_echo, "mr"), (empty_slice, "mr")),
]


def verdicts(folder: Path, kind: str, checkpoint: Path, other: Path) -> dict[str, bool]:
    """Whether each command takes what lies in a folder."""
    inspected = [found.verdict == "sound" for found in inspect_paths([folder])]

    def takes(command: Callable[[], object]) -> bool:
        try:
            command()
        except DataError:
            return False
        return True

    folders = (folder, other) if kind == "mr" else (other, folder)
    config = DataConfig(spacing=(6.0, 6.0, None), patch_size=(32, 32))
    return {
        "inspect": all(inspected),
        "train": takes(lambda: prepare_cohort(find_cohort(*folders), folder.parent / "store", config)),
        "synthesize": takes(
            lambda: synthesize_path(checkpoint, folder, folder.parent / "out", Order(to="ct" if kind == "mr" else "mr"))
        ),
    }


def told(case: tuple[Callable[..., None], str]) -> str:
    return f"{case[0].__name__}-{case[1]}"


@pytest.fixture
def other(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A sound volume of the other modality, in a folder."""
    kind = "ct" if request.node.callspec.params["case"][1] == "mr" else "mr"
    (tmp_path / "other").mkdir()
    write_nifti(HEADS[kind], tmp_path / "other" / "other.nii.gz")
    return tmp_path / "other"


@pytest.mark.parametrize("case", REFUSED, ids=told)
def test_what_one_refuses_none_takes(case, tmp_path: Path, checkpoint: Path, other: Path) -> None:
    case[0](tmp_path / "given", case[1])
    assert verdicts(tmp_path / "given", case[1], checkpoint, other) == dict.fromkeys(
        ("inspect", "train", "synthesize"), False
    )


@pytest.mark.parametrize("case", TAKEN, ids=told)
def test_what_one_takes_all_take(case, tmp_path: Path, checkpoint: Path, other: Path) -> None:
    case[0](tmp_path / "given", case[1])
    assert verdicts(tmp_path / "given", case[1], checkpoint, other) == dict.fromkeys(
        ("inspect", "train", "synthesize"), True
    )


def test_nobody_in_a_cohort_is_absent_without_a_word(tmp_path: Path, checkpoint: Path, caplog) -> None:
    """One of three is a link to nowhere: the others are done, and the call says whom it could not do."""
    for name in ("a", "b"):
        (tmp_path / "in").mkdir(exist_ok=True)
        write_nifti(HEADS["mr"], tmp_path / "in" / f"{name}.nii.gz")
    (tmp_path / "in" / "c.nii.gz").symlink_to("nowhere")
    with pytest.raises(MedcycleError, match=r"1 of 3 volumes not translated, 2 done; .* c: .*a link to nowhere"):
        synthesize_path(checkpoint, tmp_path / "in", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a", "b"]
    assert "not translated: c" in caplog.text
