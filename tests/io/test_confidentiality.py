"""A marker in every element of the data dictionary, at every depth: none of them comes out of a de-identified call."""

import copy
import logging
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import DataElement, Dataset
from pydicom.datadict import DicomDictionary, RepeatersDictionary, dictionary_VR
from pydicom.tag import BaseTag, Tag

from medcycle.io.dicom.confidentiality import action_on, kept_terms, profile
from medcycle.io.dicom.deidentify import Deidentify
from medcycle.io.dicom.export import write_dicom
from medcycle.io.dicom.gate import DicomSeries, find_series
from medcycle.io.dicom.header import Origin
from medcycle.io.dicom.roi_names import is_standard
from medcycle.io.dicom.series import grid_of, read_headers, read_series
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.phantom.dicom_series import Identity, write_series
from tests.io.support import complaints, saved, square, structure_set

NUMBER = 28471
BYTES = b"QZXMARK 19431107"
MARKERS = {
    **dict.fromkeys(("LO", "SH", "ST", "LT", "UT", "UC", "CS", "AE"), "QZXMARK"),
    **{"PN": "Qzxmark^Anna", "UR": "http://qzxmark.org", "UI": "1.2.840.10008.19431107", "AS": "943Y"},
    **{"DA": "19431107", "TM": "194311.07", "DT": "19431107194311", "IS": str(NUMBER), "DS": f"{NUMBER}.5"},
    **{"US": NUMBER, "SS": NUMBER, "UL": NUMBER, "SL": NUMBER, "UV": NUMBER, "SV": NUMBER, "FL": NUMBER, "FD": NUMBER},
    **{"AT": 0x51585A4D, **dict.fromkeys(("OB", "OW", "OF", "OD", "OL", "OV", "UN"), BYTES)},
}
HARMLESS = ("QZXMARK", "19431107", "1943.11.07", "943Y", "qzxmark")

NOT_OF_A_PLAIN_IMAGE = {
    *("NumberOfFrames", "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"),
    *("RescaleSlope", "RescaleIntercept", "PixelPaddingValue", "PixelPaddingRangeLimit", "PlanarConfiguration"),
    *("FloatPixelData", "DoubleFloatPixelData", "PixelDataProviderURL", "BurnedInAnnotation", "LossyImageCompression"),
    "SpecificCharacterSet",
}
"""With them the series would be refused, or be another one, or not be written."""

NUMBERS = {"IS", "DS", "US", "SS", "UL", "SL", "UV", "SV", "FL", "FD"}

GROUPS_WITHOUT_NUMBERS = {
    *(*range(0x0010, 0x0018), *range(0x0030, 0x0040)),
    *(0x0074, 0x0088, 0x0100, 0x0400, 0x4008, 0x4010),
}
"""Of patients, trials, visits, requests, procedures, storage, authorisation, results, screening."""


def planted(dataset: Dataset, levels: int = 0, *, within: bool = False) -> Dataset:
    """Every element of the dictionary that isn't there, with a marker; within sequences again, but for sequences."""
    for number, (_, _, name, _, keyword) in DicomDictionary.items():
        tag = Tag(number)
        if tag.group in (0, 2, 0xFFFE) or tag.element == 0 or keyword in NOT_OF_A_PLAIN_IMAGE or tag in dataset:
            continue
        if name and not (within and dictionary_VR(tag) == "SQ"):
            dataset.add(marked(tag))
    for number in (0x50003000, 0x60003000, 0x60004000, 0x60020022, 0x7F000010):
        dataset.add(DataElement(number, "OW" if number & 0xFFFF == 0x3000 else "LT", BYTES, validation_mode=0))
    for group in (0x0009, 0x0029, 0x3007):
        dataset.private_block(group, "QZXMARK", create=True).add_new(0x01, "LO", "QZXMARK")
    if levels:
        dataset.add(DataElement("ReferencedImageSequence", "SQ", [planted(Dataset(), levels - 1, within=True)]))
    return dataset


@cache
def marked(tag: BaseTag) -> DataElement:
    kind = dictionary_VR(tag).split(" or ")[-1]
    if kind != "SQ":
        value = MARKERS.get(kind, BYTES)
        return DataElement(tag, kind, value, validation_mode=0)
    inner, outer = Dataset(), Dataset()
    for item in (inner, outer):
        item.add(DataElement("ImageType", "CS", MARKERS["CS"], validation_mode=0))
        item.PatientComments = MARKERS["LT"]
    outer.PurposeOfReferenceCodeSequence = [inner]
    return DataElement(tag, "SQ", [outer])


def marked_series(folder: Path, modality: str = "MR") -> DicomSeries:
    """Markers come in after the series has been found sound: the first slice has all of them, MR at three depths."""
    grid, head = head_grid((24, 28, 3), (8, 8, 20)), HeadPhantom.random(4)
    volume = head.mr(grid) if modality == "MR" else head.ct(grid)
    files = write_series(volume, folder, modality=modality, identity=Identity("QZXMARK"))
    (series,) = find_series(files)
    for number, path in enumerate(files):
        dataset = pydicom.dcmread(path)
        for keyword in ("PatientName", "PatientBirthDate", "StudyID", "StudyDate", "SeriesDescription", "Manufacturer"):
            dataset.add(marked(Tag(keyword)))
        if not number:
            planted(dataset, levels=2 if modality == "MR" else 0)
        dataset.PixelData = dataset.PixelData + BYTES
        for keyword in ("SourceApplicationEntityTitle", "PrivateInformation", "ImplementationVersionName"):
            dataset.file_meta.add(marked(Tag(keyword)))
        dataset.file_meta.PrivateInformationCreatorUID = MARKERS["UI"]
        dataset.preamble = BYTES.ljust(128, b"\0")
        dataset.save_as(path)
    return series


def every_element(dataset: Dataset) -> Iterator[DataElement]:
    for element in dataset:
        yield element
        for item in element.value if element.VR == "SQ" else ():
            yield from every_element(item)


@pytest.mark.parametrize("modality", ["MR", "CT"])
def test_no_marker_comes_out(modality: str, tmp_path: Path, caplog, capfd) -> None:
    caplog.set_level(logging.DEBUG)
    folder = tmp_path / "Qzxmark^Anna"
    series = marked_series(folder, modality)
    headers, grid = read_headers(series), grid_of(series)
    structures = structure_set(
        [copy.copy(header) for header in headers],
        {"Brain": [(square(grid, 1), headers[1])], "GTV of Rosalind": [(square(grid, 2), headers[2])]},
    )
    planted(structures)
    planted(structures.StructureSetROISequence[1], within=True)
    (drawn,) = saved([structures], tmp_path / "drawn")
    head = HeadPhantom.random(4)
    made = head.ct(grid) if modality == "MR" else head.mr(grid)
    caplog.clear()
    files = write_dicom(
        made,
        tmp_path / "made",
        modality="ct" if modality == "MR" else "mr",
        reference=series,
        origin=Origin("1.2.3"),
        rtstruct=drawn,
        deidentify=Deidentify(with_source=True),
    )
    assert len(files) == 3 + 1 + 3
    said = " ".join([*caplog.messages, *capfd.readouterr(), *(str(file.relative_to(tmp_path)) for file in files)])
    for content in (*(file.read_bytes() for file in files), said.encode()):
        found = [marker for marker in HARMLESS if marker.upper().encode() in content.upper()]
        assert found == []
    for file in files:
        for element in every_element(pydicom.dcmread(file)):
            assert not element.tag.is_private
            if element.VR not in ("SQ", "UI") and str(NUMBER) in str(element.value):
                assert element.VR in NUMBERS or element.keyword == "ROIName"  # made of the ROI's number
                assert element.tag.group not in GROUPS_WITHOUT_NUMBERS, element
    assert pydicom.dcmread(files[3]).StructureSetROISequence[1].ROIName == "ROI 2"


def test_a_useful_source_remains(tmp_path: Path) -> None:
    """What a reader needs, in the values that the scanner wrote; and valid files."""
    grid, head = head_grid((24, 28, 3), (8, 8, 20)), HeadPhantom.random(4)
    files = write_series(head.mr(grid), tmp_path / "mr", modality="MR")
    for path in files:
        dataset = pydicom.dcmread(path)
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "ANNA"]
        dataset.Manufacturer, dataset.StationName, dataset.DeviceSerialNumber = "SIEMENS", "MR7 Anna", "4711"
        dataset.SeriesDescription, dataset.PatientAge = "t1 mprage sag, Anna, Dr House", "062Y"
        region = Dataset()
        region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = "69536005", "SCT", "Anna's head"
        unknown = Dataset()
        unknown.CodeValue, unknown.CodingSchemeDesignator, unknown.CodeMeaning = "4711", "99ANNA", "Anna"
        dataset.AnatomicRegionSequence, dataset.ViewCodeSequence = [region], [unknown]
        dataset.save_as(path)
    (series,) = find_series(files)
    original = pydicom.dcmread(files[0])

    def source_with(*retain: str) -> Dataset:
        how = Deidentify("k" * 20, with_source=True, retain=frozenset(retain))
        folder = tmp_path / "-".join(("made", *retain))
        made = write_dicom(head.ct(grid), folder, modality="ct", reference=series, origin=Origin("1"), deidentify=how)
        known = complaints("dciodvfy", [files[0]])  # the phantom's own
        assert [line for line in complaints("dciodvfy", [made[0], made[-1]]) if line not in known] == []
        return pydicom.dcmread(made[-1])

    basic = source_with()
    for keyword in (
        "Modality",
        "EchoTime",
        "RepetitionTime",
        "ScanningSequence",
        "MagneticFieldStrength",
        "Manufacturer",
    ):
        assert basic[keyword].value == original[keyword].value
    assert list(basic.ImageType) == ["ORIGINAL", "PRIMARY", "M", "ND"]
    assert basic.AnatomicRegionSequence[0].CodeMeaning.startswith("Head structure")
    assert {"ViewCodeSequence", "PatientAge", "SeriesDescription"} & set(basic.dir()) == set()
    assert (basic.PatientSex, basic.StationName, basic.DeviceSerialNumber) == ("", "", "removed")
    assert codes(basic) == ["113100", "113107"]
    rich = source_with("device", "dates", "patient", "descriptions")
    assert (rich.PatientSex, rich.PatientAge, rich.StationName) == ("O", "062Y", "MR7 Anna")
    assert (rich.StudyDate, rich.StudyTime) == (original.StudyDate, original.StudyTime)
    assert rich.SeriesDescription == "t1 mprage sag"
    assert rich.LongitudinalTemporalInformationModified == "UNMODIFIED"
    assert codes(rich) == ["113100", "113105", "113106", "113108", "113109"]
    assert rich.PatientBirthDate == ""


def codes(dataset: Dataset) -> list[str]:
    return [item.CodeValue for item in dataset.DeidentificationMethodCodeSequence]


def test_the_allowlist_and_the_table_agree_with_the_dictionary() -> None:
    for keyword, terms in kept_terms().items():
        assert bool(terms) == (dictionary_VR(keyword) == "CS"), keyword
    assert len(profile()) > 600
    assert set(map(len, profile())) == {8}
    repeated = {name for _, _, _, _, name in RepeatersDictionary.values()}
    assert not repeated & set(kept_terms())
    removed = [word for word in kept_terms() if action_on(Tag(word), word, ()) == "remove"]
    assert set(removed) <= {
        *("SeriesDescription", "StudyDescription", "ProtocolName", "GantryID", "CassetteID"),
        *("DetectorID", "PlateID", "GeneratorID", "PatientAge", "PatientSize", "PatientWeight"),
    }


@pytest.mark.parametrize(
    ("names", "standard"),
    [
        (
            (
                "Parotid_L",
                "BODY",
                "SpinalCord_PRV05",
                "Lungs-GTV",
                "PTVp1_7000",
                "CTVn_High",
                "zPTV_Low!",
                "Femur_Head_R",
            ),
            True,
        ),
        (("GTV_CT1PT1", "ITV_Lung_L", "PTV_5040x28-03", "Ring_05", "External", "Brainstem", "VB_T05", "Eye_L"), True),
        (("GTV Smith", "Smith_L", "PTV_Anna", "Heart^Anna", "PTV_19431107", "BrainMiller", "", "Lens 4711"), False),
    ],
)
def test_names_of_tg_263(names: tuple[str, ...], standard: bool) -> None:
    assert [is_standard(name) for name in names] == [standard] * len(names)


def test_hidden_bits_and_compressed_comments_do_not_stay(tmp_path: Path) -> None:
    grid, head = head_grid((24, 28, 3), (8, 8, 20)), HeadPhantom.random(4)
    files = write_series(head.mr(grid), tmp_path / "mr", modality="MR")
    for path in files:
        dataset = pydicom.dcmread(path)
        words = np.frombuffer(dataset.PixelData, "<u2") | 0x5000
        dataset.PixelData = words.tobytes()
        dataset.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
        dataset.save_as(path)
    (series,) = find_series(files)
    made = write_dicom(
        head.ct(grid),
        tmp_path / "made",
        modality="ct",
        reference=series,
        origin=Origin("1"),
        deidentify=Deidentify(with_source=True),
    )
    source = [file for file in made if file.parent.name == "source"]
    assert max(np.frombuffer(pydicom.dcmread(file).PixelData, "<u2").max() for file in source) < 4096
    assert (read_series(find_series(source)[0]).array == read_series(series).array).all()


def test_neither_errors_nor_warnings_name_files_of_patients(tmp_path: Path, caplog) -> None:
    grid, head = head_grid((24, 28, 3), (8, 8, 20)), HeadPhantom.random(4)
    files = write_series(head.mr(grid), tmp_path / "Doe^Jane", modality="MR")
    (series,) = find_series(files)
    (tmp_path / "Doe.dcm").write_text("text")
    files[2].rename(tmp_path / "gone")

    def attempt(rtstruct: Path | None) -> str:
        with pytest.raises(Exception, match=r"structure set|source") as caught:
            write_dicom(
                head.ct(grid),
                tmp_path / "made",
                modality="ct",
                reference=series,
                origin=Origin("1"),
                rtstruct=rtstruct,
                deidentify=Deidentify(with_source=True),
            )
        return str(caught.value)

    for said in (attempt(None), attempt(tmp_path / "Doe.dcm")):
        assert "Doe" not in said + caplog.text
