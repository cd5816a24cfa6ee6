"""Slices of another kind inside a stack, series that share a UID, and numbers that headers round."""

import logging
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from medcycle.errors import DefectiveSeries
from medcycle.io import discover
from medcycle.io.dicom.series import read_series
from medcycle.phantom.dicom_series import Identity
from tests.io.series import GRID, MR, found, written

STRAYS = (3, 6, 9)


def phase(dataset: Dataset) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "P", "ND"]


def ge_phase(dataset: Dataset) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    dataset.add_new(0x00430010, "LO", "GEMS_PARM_01")
    dataset.add_new(0x0043102F, "SS", 1)


def philips_real(dataset: Dataset) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "R_FFE", "R", "FFE"]


def component(dataset: Dataset) -> None:
    dataset.ComplexImageComponent = "IMAGINARY"


def other_echo(dataset: Dataset) -> None:
    dataset.EchoTime = 80


def other_inversion(dataset: Dataset) -> None:
    dataset.InversionTime = 2500


def diffusion(dataset: Dataset) -> None:
    dataset.DiffusionBValue = 1000.0


def water(dataset: Dataset) -> None:
    dataset.ImageType = ["DERIVED", "PRIMARY", "DIXON", "WATER"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (phase, "ImageComponent phase"),
        (ge_phase, "ImageComponent phase"),
        (philips_real, "ImageComponent real"),
        (component, "ImageComponent imaginary"),
        (other_echo, "EchoTime 80"),
        (other_inversion, "InversionTime 2500"),
        (diffusion, "DiffusionBValue 1000"),
        (water, "ImageType"),
    ],
)
def test_slices_of_another_kind_inside_a_stack_are_refused_by_name(tmp_path: Path, change, word: str) -> None:
    def usual(dataset: Dataset, number: int) -> None:
        dataset.EchoTime, dataset.InversionTime, dataset.DiffusionBValue = 4.92, 900, 0.0
        if number in STRAYS:
            change(dataset)

    files = written(tmp_path, usual)
    (series,) = found(tmp_path)
    assert series.verdict == "refused"
    assert series.problem.startswith("3 of 12 slices are of another kind")
    assert all(f"{files[n].name} ({word}" in series.problem for n in STRAYS)
    with pytest.raises(DefectiveSeries, match="another kind"):
        read_series(series, resample_irregular=True)


def test_the_end_of_a_stack_of_another_echo_is_refused(tmp_path: Path) -> None:
    def change(dataset: Dataset, number: int) -> None:
        dataset.EchoTime = 80 if number >= 8 else 5

    written(tmp_path, change)
    (series,) = found(tmp_path)
    assert (series.verdict, "4 of 12 slices" in series.problem) == ("refused", True)


def test_phase_slices_beside_a_whole_magnitude_stack_leave_it_sound(tmp_path: Path) -> None:
    written(tmp_path / "magnitude")

    def change(dataset: Dataset, number: int) -> None:
        phase(dataset)
        dataset.SOPInstanceUID = Identity().uid("phase", number)
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID

    for path in written(tmp_path / "phase", change)[3:]:
        path.unlink()
    verdicts = {item.label: item.verdict for item in found(tmp_path)}
    assert [verdict for label, verdict in verdicts.items() if "phase" not in label] == ["sound"]


@pytest.mark.parametrize(("change", "word"), [(phase, "phase"), (component, "imaginary"), (ge_phase, "phase")])
def test_a_series_of_no_magnitude_is_refused(tmp_path: Path, change, word: str) -> None:
    written(tmp_path, lambda dataset, number: change(dataset))
    (series,) = found(tmp_path)
    assert (series.verdict, series.problem) == ("refused", f"{word} images, not the magnitude; leave them out")


def test_what_varies_within_one_kind_is_a_warning_wherever_it_is_read(tmp_path: Path, caplog) -> None:
    def change(dataset: Dataset, number: int) -> None:
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "NORM"] if number > 6 else ["ORIGINAL", "PRIMARY", "M", "ND"]

    written(tmp_path, change)
    (source,) = discover(tmp_path)
    assert source.read().grid.is_close(GRID, 1e-3)
    assert "slices differ in ImageType" in caplog.text


@pytest.mark.parametrize(
    ("keyword", "values"),
    [
        ("EchoTime", ("2.994999", "2.995001")),
        ("EchoTime", ("30", "30.02")),
        ("InversionTime", ("900", "900.4")),
        ("DiffusionBValue", (995.0, 1000.0)),
        ("PixelSpacing", (["8.000000", "8.000000"], ["7.999499", "7.999501"])),
        ("ImageOrientationPatient", (["-1", "0", "0", "0", "-1", "0"], ["-1", "0.0004", "0", "-0.0004", "-1", "0"])),
    ],
)
def test_rounded_numbers_split_no_series(tmp_path: Path, keyword: str, values) -> None:
    written(tmp_path, lambda dataset, number: setattr(dataset, keyword, values[number % 2]))
    (series,) = found(tmp_path)
    assert (series.verdict, series.notes) == ("sound", ())
    volume = read_series(series)
    assert volume.grid.is_close(GRID, 0.15)
    np.testing.assert_allclose(volume.array, MR.array, atol=0.51)


def test_numbers_that_differ_do_split(tmp_path: Path) -> None:
    written(tmp_path, lambda dataset, number: setattr(dataset, "PixelSpacing", [8 + number % 2, 8]))
    volumes = found(tmp_path)
    assert [len(item.frames) for item in volumes] == [6, 6]
    assert all(item.notes == ("one of 2 stacks in this series, of different pixel spacing",) for item in volumes)


def owners(tmp_path: Path, keyword: str, *, lift: float = 0) -> list[Path]:
    """Two series of one UID, of which the second has another value, and lies higher."""
    written(tmp_path / "A")

    def change(dataset: Dataset, number: int) -> None:
        value = "OTHER" if keyword.startswith("Patient") else Identity().uid("other")
        setattr(dataset, keyword, "19801231" if keyword == "PatientBirthDate" else value)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = Identity().uid("second", number)
        x, y, z = (float(item) for item in dataset.ImagePositionPatient)
        dataset.ImagePositionPatient = [x, y, z + lift]
        dataset.PixelData = bytes(len(dataset.PixelData) - 2) + b"\1\0"

    written(tmp_path / "B", change)
    return [tmp_path / "A", tmp_path / "B"]


@pytest.mark.parametrize("lift", [0, 12 * 14], ids=["on one grid", "one above the other"])
@pytest.mark.parametrize(
    ("keyword", "word"),
    [
        ("PatientID", "2 patients"),
        ("PatientName", "2 patients"),
        ("PatientBirthDate", "2 patients"),
        ("StudyInstanceUID", "2 studies"),
        ("FrameOfReferenceUID", "2 frames of reference"),
    ],
)
def test_one_uid_of_two_owners_is_two_volumes(tmp_path: Path, keyword: str, word: str, lift: float, caplog) -> None:
    places = owners(tmp_path, keyword, lift=lift)
    sources = discover(tmp_path)
    assert [source.path for source in sources] == places
    assert all(word in source.series.notes[0] for source in sources)
    np.testing.assert_allclose(sources[0].read().array, MR.array, atol=0.51)
    assert sources[1].read().array.sum() == 12
    assert word in caplog.text
    if keyword == "PatientID":
        assert [source.patient for source in sources] == ["PHANTOM", "OTHER"]


def test_a_name_spelled_in_two_ways_is_one_patient(tmp_path: Path) -> None:
    names = ("Doe^Jane", "DOE^Jane^^")
    written(tmp_path, lambda dataset, number: setattr(dataset, "PatientName", names[number % 2]))
    (series,) = found(tmp_path)
    assert series.verdict == "sound"


def test_what_an_anonymisation_made_one_is_told_apart_by_folder(tmp_path: Path) -> None:
    written(tmp_path / "A")

    def change(dataset: Dataset, number: int) -> None:
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = Identity().uid("second", number)
        dataset.PixelData = bytes(len(dataset.PixelData))

    written(tmp_path / "B", change)
    assert sorted(item.label for item in found(tmp_path)) == ["folder A", "folder B"]


@pytest.fixture(autouse=True)
def _warnings_reach_caplog() -> None:
    logging.getLogger("medcycle").propagate = True
