"""De-identified output: no patient data in any byte, links between objects intact, still marked synthetic."""

import datetime
import stat
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import generate_uid

from medcycle.errors import DataError, UsageError
from medcycle.io.dicom.deidentify import Deidentifier, Deidentify, read_key
from medcycle.io.dicom.export import write_dicom
from medcycle.io.dicom.gate import DicomSeries, find_series
from medcycle.io.dicom.header import Origin
from medcycle.io.dicom.pixels import read_dataset
from medcycle.io.dicom.series import grid_of, read_headers, read_series
from medcycle.volume import Volume
from tests.io.support import complaints, saved, source_series, square, structure_set, told

SECRETS = {
    "PatientName": "Wellington^Philippa",
    "PatientID": "HOSP-0815-4711",
    "PatientBirthDate": "19611224",
    "AccessionNumber": "ACC998877",
    "ReferringPhysicianName": "Haverford^Gregor",
    "StudyDate": "20240506",
    "SeriesDate": "20240507",
    "StudyDescription": "Scan of Ms Wellington",
    "StudyID": "STUDY7788",
    "InstitutionName": "Saint Eustace Infirmary",
    "OperatorsName": "Knoblauch^Otto",
    "PatientComments": "neighbour of Dr Haverford",
    "PatientAddress": "Rosebud Lane 5",
    "RequestingService": "Ward Twelve",
    "DeviceSerialNumber": "SN-55443322",
    "SeriesDescription": "t1 wellington",
    "ProtocolName": "Philippa head",
    "ReceiveCoilName": "WELLINGTON-8",
    "RequestedProcedureDescription": "follow-up as discussed",
}
WORDS = [word for value in SECRETS.values() for word in value.replace("^", " ").split() if len(word) > 4]


@pytest.fixture
def patient(tmp_path: Path) -> tuple[Volume, DicomSeries, Path]:
    """A synthetic CT, its MR with much patient data, and a structure set."""
    made, series = source_series(tmp_path / "source")
    study, frame, scan = generate_uid(), generate_uid(), generate_uid()
    for file in series.files:
        dataset = pydicom.dcmread(file)
        for keyword, value in SECRETS.items():
            setattr(dataset, keyword, value)
        dataset.StudyInstanceUID, dataset.FrameOfReferenceUID, dataset.SeriesInstanceUID = study, frame, scan
        dataset.PatientAge, dataset.EthnicGroup = "062Y", "Hanoverian"
        request = pydicom.Dataset()
        request.ScheduledProcedureStepDescription = "Wellington again"
        dataset.RequestAttributesSequence = [request]
        dataset.private_block(0x0029, "VENDOR", create=True).add_new(0x10, "OB", b"Philippa Wellington 19611224")
        dataset.add_new(0x60000010, "US", 16)
        dataset.add_new(0x60003000, "OW", b"WELLINGTON ".ljust(12, b" "))
        dataset.preamble = b"Wellington".ljust(128, b"\0")
        dataset.save_as(file)
    (series,) = find_series(series.files)
    headers, grid = read_headers(series), grid_of(series)
    contours = [(square(grid, k), headers[k]) for k in (8, 12)]
    structures = structure_set(headers, {"Brain": contours, "GTV Wellington": contours})
    (path,) = saved([structures], tmp_path / "drawn")
    return made, series, path


def export(patient: tuple[Volume, DicomSeries, Path], folder: Path, deidentify: Deidentify) -> list[Path]:
    made, series, rtstruct = patient
    origin = Origin("1.2.3", "checkpoint of SHA-256 12ab")
    return write_dicom(
        made, folder, modality="ct", reference=series, origin=origin, rtstruct=rtstruct, deidentify=deidentify
    )


def test_no_byte_tells_the_patient(patient, tmp_path: Path, caplog, capfd) -> None:
    files = export(patient, tmp_path / "made", Deidentify(with_source=True))
    uids = [str(element.value) for element in read_dataset(patient[1].files[0], pixels=False) if element.VR == "UI"]
    original = [uid for uid in uids if not uid.startswith("1.2.840.10008.")]
    assert len(original) >= 4
    for file in files:
        assert told([*WORDS, *original, "062Y", "Hanoverian"], file.read_bytes()) == [], file.name
    said = " ".join([*caplog.messages, *capfd.readouterr(), *(str(file.relative_to(tmp_path)) for file in files)])
    assert not any(word.upper() in said.upper() for word in WORDS)
    assert told(WORDS, b"".join(file.read_bytes() for file in patient[1].files)) == WORDS


def test_series_structures_and_source_still_belong_together(patient, tmp_path: Path) -> None:
    files = export(patient, tmp_path / "made", Deidentify(with_source=True))
    slices, source = [f for f in files if f.parent.name == "made"][:-1], [f for f in files if f.parent.name == "source"]
    ct, mr, rt = (pydicom.dcmread(file) for file in (slices[0], source[0], tmp_path / "made" / "rtstruct.dcm"))
    for keyword in ("PatientName", "PatientID", "PatientSex", "StudyInstanceUID", "FrameOfReferenceUID", "StudyDate"):
        assert ct[keyword].value == mr[keyword].value == rt[keyword].value
    assert {item.ReferencedSOPInstanceUID for item in ct.SourceImageSequence} == {
        pydicom.dcmread(file).SOPInstanceUID for file in source
    }
    (roi, other) = rt.StructureSetROISequence
    assert roi.ReferencedFrameOfReferenceUID == ct.FrameOfReferenceUID
    assert (roi.ROIName, other.ROIName) == ("Brain", "ROI 2")
    assert rt.ROIContourSequence[0].ContourSequence[0].ContourImageSequence[0].ReferencedSOPInstanceUID in {
        pydicom.dcmread(file).SOPInstanceUID for file in slices
    }
    assert complaints("dciodvfy", [slices[0], tmp_path / "made" / "rtstruct.dcm"]) == []
    found = complaints("dcentvfy", files)
    missing = (ct.StudyInstanceUID, rt.PredecessorStructureSetSequence[0].ReferencedSOPInstanceUID)
    assert [line for line in found if not any(f"referenced - {uid} " in line for uid in missing)] == []
    (again,) = find_series(source)
    assert read_series(again).grid.is_close(read_series(patient[1]).grid)
    assert (read_series(again).array == read_series(patient[1]).array).all()


def test_names_of_regions_may_be_kept_as_typed(patient, tmp_path: Path) -> None:
    """But not those that name the patient."""
    headers, grid = read_headers(patient[1]), grid_of(patient[1])
    drawn = {name: [(square(grid, 8), headers[8])] for name in ("Tumour bed, 2nd try", "GTV Wellington", "PTV_5000")}
    (path,) = saved([structure_set(headers, drawn)], tmp_path / "named")
    for retain, first in ((frozenset(), "ROI 1"), (frozenset({"roi-names"}), "Tumour bed, 2nd try")):
        files = export((*patient[:2], path), tmp_path / first, Deidentify(retain=retain))
        structures = pydicom.dcmread(files[-1])
        assert [roi.ROIName for roi in structures.StructureSetROISequence] == [first, "ROI 2", "PTV_5000"]
        assert not structures.get("StructureSetName")
        codes = [item.CodeValue for item in structures.DeidentificationMethodCodeSequence]
        assert codes == (["113100", "113107"] if retain else ["113100", "113105", "113107"])


def test_it_says_so_and_is_still_marked_synthetic(patient, tmp_path: Path) -> None:
    files = export(patient, tmp_path / "made", Deidentify(with_source=True))
    for file in files:
        dataset = pydicom.dcmread(file)
        assert dataset.PatientIdentityRemoved == "YES"
        assert dataset.DeidentificationMethod[0].startswith("medcycle")
        assert str(dataset.PatientName).startswith("Deidentified^")
        assert dataset.PatientBirthDate == ""
    ct, rt = pydicom.dcmread(files[0]), pydicom.dcmread(tmp_path / "made" / "rtstruct.dcm")
    assert (ct.SyntheticData, ct.ImageComments) == ("YES", "SYNTHETIC - RESEARCH USE ONLY")
    assert ct.SeriesDescription == "sCT medcycle"
    assert "neural network; checkpoint of SHA-256 12ab" in ct.DerivationDescription
    assert ct.ContributingEquipmentSequence[0].Manufacturer == "medcycle"
    assert ct.Manufacturer == "medcycle"
    assert rt.StructureSetLabel == "sCT RETARGETED"
    assert rt.ContributingEquipmentSequence[0].Manufacturer == "medcycle"


@pytest.mark.slow
def test_the_same_key_gives_the_same_patient_again(patient, tmp_path: Path) -> None:
    def identity(folder: str, key: str) -> tuple[str, ...]:
        header = pydicom.dcmread(export(patient, tmp_path / folder, Deidentify(key))[0])
        keywords = ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID", "StudyDate", "StudyID")
        return tuple(str(header[keyword].value) for keyword in keywords)

    first = identity("a", "k" * 20)
    assert identity("b", "k" * 20) == first
    assert not set(identity("c", "m" * 20)) & set(first)
    assert Deidentify().key != Deidentify().key
    assert "k" * 20 not in repr(Deidentify("k" * 20))


def test_dates_keep_their_distances(patient, tmp_path: Path) -> None:
    source = pydicom.dcmread(export(patient, tmp_path / "made", Deidentify(with_source=True))[-1])
    day = datetime.datetime.strptime
    study, series = (day(source[name].value, "%Y%m%d") for name in ("StudyDate", "SeriesDate"))
    assert abs((series - study).days - 1) <= 1  # hours are moved too, where a time is known
    assert 60 <= (datetime.datetime(2024, 5, 6) - study).days <= 732
    today = datetime.datetime.now()
    made = day(pydicom.dcmread(tmp_path / "made" / "0001.dcm").SeriesDate, "%Y%m%d")
    assert 60 <= (today - made).days <= 732


def test_patients_are_moved_by_other_times() -> None:
    moved = set()
    for number in range(5):
        header = pydicom.Dataset()
        header.PatientID = f"P{number}"
        moved.add(Deidentifier(Deidentify("k" * 20), header).shift(datetime.datetime(2024, 1, 1)))
    assert len(moved) == 5


@pytest.mark.slow
@pytest.mark.parametrize(
    "dates",
    [
        {"StudyDate": "2024", "StudyTime": "noon"},
        {"StudyDate": "", "StudyTime": ""},
        {"AcquisitionDateTime": "2024"},
        {"ContentDate": "20240231", "ContentTime": "10"},
        {"PatientID": "", "StudyID": ""},
    ],
)
def test_odd_values_do_not_stop_it(patient, dates: dict[str, str], tmp_path: Path) -> None:
    made, series, _ = patient
    for file in series.files:
        dataset = pydicom.dcmread(file)
        for keyword, value in dates.items():
            kind = pydicom.datadict.dictionary_VR(keyword)
            dataset[keyword] = pydicom.DataElement(keyword, kind, value, validation_mode=0)
        dataset.save_as(file)
    (series,) = find_series(series.files)
    origin = Origin("1")
    files = write_dicom(
        made, tmp_path / "made", modality="ct", reference=series, origin=origin, deidentify=Deidentify(with_source=True)
    )
    assert pydicom.dcmread(files[0]).PatientIdentityRemoved == "YES"


def test_text_in_the_pixels_is_not_passed_on(patient, tmp_path: Path) -> None:
    for file in patient[1].files:
        dataset = pydicom.dcmread(file)
        dataset.BurnedInAnnotation = "YES"
        dataset.save_as(file)
    with pytest.raises(DataError, match="burned into its pixels"):
        export(patient, tmp_path / "made", Deidentify(with_source=True))
    assert not (tmp_path / "made").exists()
    assert export(patient, tmp_path / "made", Deidentify())


def test_without_a_source_there_is_nobody_to_hide(patient, tmp_path: Path) -> None:
    made, _, rtstruct = patient
    for wanted in ({"deidentify": Deidentify()}, {"rtstruct": rtstruct}):
        with pytest.raises(UsageError, match="--reference"):
            write_dicom(made, tmp_path / "made", modality="ct", reference=None, origin=Origin("1"), **wanted)


def test_a_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "study.key"
    key = read_key(path)
    assert len(key) == 64
    assert read_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (tmp_path / "short.key").write_text("abc\n")
    (tmp_path / "binary.key").write_bytes(bytes(range(128, 200)))
    for wrong in ("short.key", "binary.key", "keys"):
        with pytest.raises(UsageError, match="key"):
            read_key(tmp_path / wrong)


def test_a_source_of_another_patient_gets_another_identity(patient, tmp_path: Path) -> None:
    header = read_headers(patient[1])[0]
    other = read_headers(patient[1])[0]
    other.PatientID = "SOMEONE-ELSE"
    for dataset in (header, other):
        Deidentifier(Deidentify("k" * 20), dataset).apply(dataset)
    assert header.PatientID != other.PatientID
    assert header.StudyDate != other.StudyDate or header.StudyInstanceUID != other.StudyInstanceUID
