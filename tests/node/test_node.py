"""MR in, CT out, between pynetdicom's own senders and archive."""

import socket
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, MRImageStorage, RLELossless

from medcycle.io.dicom.gate import find_series
from medcycle.io.dicom.series import grid_of
from medcycle.io.dicom.site import Site
from medcycle.node import Allowed
from medcycle.node.making import Translator
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.phantom.dicom_series import Identity, slices_of, write_dataset
from medcycle.phantom.enhanced import enhanced
from tests.io.support import square, structure_set
from tests.node.support import (
    BIRTH_DATE,
    NAME,
    QUICK,
    SPACING,
    Archive,
    Sender,
    head_series,
    in_threads,
    quick_ct,
    running,
    wait_until,
    with_meta,
)

pytestmark = pytest.mark.usefixtures("one_thread")

INHERITED = ("PatientID", "PatientName", "StudyInstanceUID", "FrameOfReferenceUID", "AccessionNumber")


def places(datasets: list[pydicom.Dataset]) -> list[tuple[float, ...]]:
    return sorted(tuple(round(float(v), 3) for v in item.ImagePositionPatient) for item in datasets)


def test_a_series_comes_back_as_ct_of_its_study(tmp_path: Path) -> None:
    slices = head_series("A1")
    with Archive().running() as archive, running(tmp_path / "spool", archive.port) as (node, log):
        assert Sender(node.port).send(slices) == [0] * len(slices)
        log.wait_for("sent to ARCHIVE")
        wait_until(lambda: not list((tmp_path / "spool" / "jobs").iterdir()))  # nothing of it stays
        with Sender(node.port).association() as association:
            assert association.send_c_echo().Status == 0
    (made,) = archive.series().values()
    assert places(made) == places(slices)
    assert len({item.SOPInstanceUID for item in made}) == len(made)
    for keyword in INHERITED:
        assert {str(item.get(keyword)) for item in made} == {str(slices[0].get(keyword))}
    assert {item.SyntheticData for item in made} == {"YES"}
    expected = quick_ct(HeadPhantom.random(3).mr(head_grid(spacing=SPACING, orientation="LPS")), lambda: None, print)
    lowest = min(made, key=lambda item: float(item.ImagePositionPatient[2]))
    assert (
        np.abs(lowest.pixel_array.T - 1024.0 - expected.array[..., 0]).max() < 3
    )  # HU; the signal is stored in whole numbers
    assert log.lines[-1] == "stopped: 1 sent, 0 refused, 0 repeated"


def test_a_broken_series_is_refused_and_good_ones_about_it_are_not(tmp_path: Path) -> None:
    first, broken, last = (head_series(name) for name in ("A1", "B2", "C3"))
    del broken[6]
    with Archive().running() as archive, running(tmp_path / "spool", archive.port) as (node, log):
        assert set(Sender(node.port).send([*first, *broken, *last])) == {0}
        log.wait_for("sent to ARCHIVE")
        log.wait_for("job 3: sent")
        log.wait_for("job 2: refused")
    assert {item.PatientID for item in archive.stored} == {"A1", "C3"}
    (told,) = [line for line in log.lines if "refused:" in line]
    assert "missing" in told
    assert log.lines[-1] == "stopped: 2 sent, 1 refused, 0 repeated"


def test_the_log_names_nobody(tmp_path: Path) -> None:
    good, broken, strange = head_series("PAT4711"), head_series("PAT4712"), head_series("PAT4713")
    del broken[6]
    for item in strange[::2]:  # which the gate quotes
        item.ImageType = ["ORIGINAL", "PRIMARY", "M", "PAT4713"]
        item.EchoTime = "4711"
    other = structure_set(head_series("PAT9999"), {"Organ": []})
    other.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0].RTReferencedSeriesSequence[
        0
    ].SeriesInstanceUID = good[0].SeriesInstanceUID
    other.StudyInstanceUID = good[0].StudyInstanceUID

    things = [f"a scan of {NAME} of {BIRTH_DATE}, accession ACCPAT4711, in t1 PAT4711 routine"]

    def tells(volume, check, tell):
        while things:
            tell(things.pop())
        return quick_ct(volume, check, tell)

    translator = Translator(tells, "a stub")
    with (
        Archive().running() as archive,
        running(tmp_path / "spool", archive.port, translator, keep=True) as (node, log),
    ):
        assert set(Sender(node.port).send([*good, with_meta(other), *broken, *strange])) == {0}
        log.wait_for("sent to ARCHIVE")
        log.wait_for("job 2: refused")
        log.wait_for("job 3: refused")
    assert len(list((tmp_path / "spool" / "jobs" / "1").rglob("*.dcm"))) == 2 * len(good) + 1  # which are kept
    told = "\n".join(log.lines)
    names = "\n".join(str(path) for path in (tmp_path / "spool").rglob("*"))
    journal = b"".join(path.read_bytes() for path in (tmp_path / "spool").glob("journal*"))
    assert "a scan of [hidden]" in told
    assert "the structure set is not carried over" in told
    assert "EchoTime 4711" in told
    secrets = [*NAME.split("^"), BIRTH_DATE, "PAT47", "PAT9999", good[0].StudyInstanceUID, good[0].SeriesInstanceUID]
    for secret in [*secrets, good[0].SOPInstanceUID, "1.2.826."]:
        assert secret.casefold() not in told.casefold()
        assert secret not in names
        assert secret.encode() not in journal


def test_only_listed_senders_are_heard(tmp_path: Path) -> None:
    allowed = (Allowed.parse("SCANNER@127.0.0.2"), Allowed.parse("MR TWO@127.0.1.0/24"))
    with running(tmp_path / "spool", 1, allowed=allowed) as (node, log):
        for title, address, called, heard in [
            ("SCANNER", "127.0.0.2", "MEDCYCLE", True),
            ("MR TWO", "127.0.1.9", "MEDCYCLE", True),
            ("SCANNER", "127.0.0.1", "MEDCYCLE", False),
            ("MR TWO", "127.0.0.2", "MEDCYCLE", False),
            ("SCANNER", "127.0.0.2", "OTHER", False),
        ]:
            with Sender(node.port, title).association(bind=address, called=called) as association:
                assert association.is_established == heard, (title, address, called)
    assert "a sender at 127.0.0.1 was refused: its address is not listed" in log
    assert "a sender at 127.0.0.2 was refused: its AE title is not listed" in log


def test_by_default_this_machine_alone_is_heard(tmp_path: Path) -> None:
    with running(tmp_path / "spool", 1) as (node, _):
        assert node.settings.bind == "127.0.0.1"
        assert node.settings.admits("ANYONE", "127.0.0.1")
        assert not node.settings.admits("ANYONE", "192.0.2.1")
        assert not node.settings.admits("ANYONE", "::ffff:192.0.2.1")
        assert node.settings.admits("ANYONE", "::ffff:127.0.0.1")


@pytest.mark.parametrize(("bind", "warned"), [("0.0.0.0", True), ("127.0.0.1", False), ("::1", False)])
def test_it_listens_where_it_is_told(bind: str, warned: bool, tmp_path: Path) -> None:
    with running(tmp_path / "spool", 1, bind=bind) as (node, log):
        family = socket.AF_INET6 if ":" in bind else socket.AF_INET
        with socket.socket(family) as connection:
            connection.connect(("::1" if ":" in bind else "127.0.0.1", node.port))
        log.wait_for("listens on")
        assert ("nobody but this machine is heard" in log) == warned


def test_structure_sets_are_carried_over(tmp_path: Path) -> None:
    slices = head_series("A1")
    for number, item in enumerate(slices):
        write_dataset(item, tmp_path / "source" / f"{number}.dcm")
    (series,) = find_series((tmp_path / "source").iterdir())
    drawn = structure_set(slices, {"Organ": [(square(grid_of(series), 8), slices[8])]})
    with Archive().running() as archive, running(tmp_path / "spool", archive.port) as (node, log):
        assert set(Sender(node.port).send([with_meta(drawn), *slices])) == {0}
        log.wait_for("sent to ARCHIVE")
        lonely = head_series("B2")
        Sender(node.port).send([with_meta(structure_set(lonely, {"Organ": [(square(grid_of(series), 8), lonely[8])]}))])
        log.wait_for("job 2: refused: no images")
    (((structures,),), ((made),)) = (archive.series("RTSTRUCT").values(), archive.series().values())
    contour = structures.ROIContourSequence[0].ContourSequence[0]
    assert contour.ContourData == drawn.ROIContourSequence[0].ContourSequence[0].ContourData
    assert contour.ContourImageSequence[0].ReferencedSOPInstanceUID in {item.SOPInstanceUID for item in made}


def test_the_planning_system_gets_what_it_wants(tmp_path: Path) -> None:
    """Attributes and outlines of a site's file; an override whose structure did not come is told of."""
    site = Site(station_name="CT_SIM_1", outlines=("external",), overrides={"Bolus": 0.0})
    slices = head_series("A1")
    with Archive().running() as archive, running(tmp_path / "spool", archive.port, site=site) as (node, log):
        assert set(Sender(node.port).send(slices)) == {0}
        log.wait_for("sent to ARCHIVE")
    assert "no structure to override: Bolus" in log
    (made,), ((outlines,),) = archive.series().values(), archive.series("RTSTRUCT").values()
    assert {item.StationName for item in made} == {"CT_SIM_1"}
    assert {item.BodyPartExamined for item in made} <= {"HEAD", "WHOLEBODY"}
    assert [item.ROIName for item in outlines.StructureSetROISequence] == ["External"]


def test_without_structures_none_are_taken(tmp_path: Path) -> None:
    with running(tmp_path / "spool", 1, structures=False) as (node, _), Sender(node.port).association() as association:
        with pytest.raises(ValueError, match="No presentation context"):
            association.send_c_store(with_meta(structure_set(head_series("A1"), {"Organ": []})))
        assert association.send_c_echo().Status == 0


@pytest.mark.slow
def test_enhanced_and_compressed_mr(tmp_path: Path) -> None:
    grid = head_grid(spacing=SPACING, orientation="LPS")
    single = with_meta(enhanced([slices_of(HeadPhantom.random(4).mr(grid))], Identity("E1")))
    slices = head_series("A1")
    for item in slices:
        item.compress(RLELossless, generate_instance_uid=False)
    deflated = [with_meta(item, DeflatedExplicitVRLittleEndian) for item in head_series("D1")]
    with Archive().running() as archive, running(tmp_path / "spool", archive.port) as (node, log):
        assert Sender(node.port).send([single]) == [0]
        assert set(Sender(node.port, syntaxes=[RLELossless]).send(slices)) == {0}
        assert set(Sender(node.port, syntaxes=[DeflatedExplicitVRLittleEndian]).send(deflated)) == {0}
        log.wait_for("sent to ARCHIVE", 3)
    by_patient = {made[0].PatientID: made for made in archive.series().values()}
    assert places(by_patient["D1"]) == places(deflated)
    assert len(by_patient["E1"]) == grid.shape[2]
    assert places(by_patient["A1"]) == places(slices)
    plain = quick_ct(HeadPhantom.random(3).mr(grid), lambda: None, print).array
    middle = sorted(by_patient["A1"], key=lambda item: float(item.ImagePositionPatient[2]))[9]
    assert np.abs(middle.pixel_array.T - 1024.0 - plain[..., 9]).max() < 3  # HU; the signal is stored in whole numbers


def test_bounds_on_instances_and_associations(tmp_path: Path) -> None:
    slices = head_series("A1")
    limits = {"instances": 10, "associations": 2, "return_seconds": 0.5, "instance_bytes": 2**19}
    with running(tmp_path / "spool", 1, limits=limits) as (node, log):
        sender = Sender(node.port)
        assert sender.send(slices) == [0] * 10 + [0xA700] * (len(slices) - 10)
        log.wait_for("job 1: refused: ")
        with sender.association() as one, sender.association() as two, sender.association() as three:
            assert (one.is_established, two.is_established, three.is_established) == (True, True, False)
        large = head_series("B2")[0]
        large.PixelData = bytes(4 * 2**20)
        assert sender.send([large]) == [None]
        with sender.association() as association:
            assert association.send_c_echo().Status == 0
    assert "more than 10 instances" in log


@pytest.mark.slow
def test_twenty_series_from_four_senders_at_once(tmp_path: Path) -> None:
    patients = [[f"S{sender}N{number}" for number in range(5)] for sender in range(4)]
    series = {name: head_series(name) for names in patients for name in names}
    with Archive().running() as archive, running(tmp_path / "spool", archive.port, QUICK) as (node, log):

        def send(number: int) -> None:
            for name in patients[number]:
                assert set(Sender(node.port, f"SENDER{number}").send(series[name])) == {0}

        in_threads([lambda number=number: send(number) for number in range(4)])
        log.wait_for("sent to ARCHIVE", 20)
    made = {items[0].PatientID: items for items in archive.series().values()}
    assert len(archive.series()) == len(made) == 20
    for name, items in made.items():
        assert places(items) == places(series[name])
        assert {item.StudyInstanceUID for item in items} == {series[name][0].StudyInstanceUID}
    assert all(MRImageStorage != item.SOPClassUID for item in archive.stored)
