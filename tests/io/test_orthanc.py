"""A round trip through a PACS: Orthanc."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest

from medcycle.io.dicom.export import write_dicom
from medcycle.io.dicom.header import Origin
from medcycle.io.dicom.series import grid_of, read_headers
from medcycle.phantom.dicom_series import Identity
from tests.io.support import saved, source_series, square, structure_set
from tests.orthanc import Pacs, orthanc


@pytest.fixture(scope="module")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pacs]:
    with orthanc(tmp_path_factory.mktemp("orthanc")) as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), [("MR", "axial"), ("CT", "oblique")])
def test_a_series_comes_back_from_the_study_it_belongs_to(kind: str, name: str, pacs: Pacs, tmp_path: Path) -> None:
    made, series = source_series(tmp_path / "source", name, kind, patient=Identity(f"PACS-{kind}"))
    headers, modality = read_headers(series), "ct" if kind == "MR" else "mr"
    drawn = structure_set(headers, {"Organ": [(square(grid_of(series), 8), headers[8])]})
    (rtstruct,) = saved([drawn], tmp_path / "drawn")
    pacs.store(series.files)
    files = write_dicom(
        made, tmp_path / "made", modality=modality, reference=series, origin=Origin("1"), rtstruct=rtstruct
    )
    pacs.store(files)

    study, written = headers[0].StudyInstanceUID, [pydicom.dcmread(file) for file in files[:-1]]
    found = {item["00080060"]: item["0020000E"] for item in pacs.find(f"studies/{study}/series")}
    assert found == {
        kind: headers[0].SeriesInstanceUID,
        modality.upper(): written[0].SeriesInstanceUID,
        "RTSTRUCT": pydicom.dcmread(files[-1]).SeriesInstanceUID,
    }
    (known,) = pacs.find(f"studies?StudyInstanceUID={study}")
    assert known["00100020"] == headers[0].PatientID
    instances = pacs.find(f"studies/{study}/series/{written[0].SeriesInstanceUID}/instances?includefield=00200052")
    assert {item["00200052"] for item in instances} == {headers[0].FrameOfReferenceUID}
    assert len(instances) == len(written)

    returned = {item.SOPInstanceUID: item for item in pacs.instances(study, written[0].SeriesInstanceUID)}
    assert returned.keys() == {item.SOPInstanceUID for item in written}
    for item in written:
        back = returned[item.SOPInstanceUID]
        assert back.PixelData == item.PixelData
        np.testing.assert_array_equal(back.pixel_array, item.pixel_array)
        assert back.FrameOfReferenceUID == headers[0].FrameOfReferenceUID
        assert back.SyntheticData == "YES"
    (structures,) = pacs.instances(study, found["RTSTRUCT"])
    contour = structures.ROIContourSequence[0].ContourSequence[0]
    assert contour.ContourData == drawn.ROIContourSequence[0].ContourSequence[0].ContourData
    if name == "axial":
        assert contour.ContourImageSequence[0].ReferencedSOPInstanceUID in returned
