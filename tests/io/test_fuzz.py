"""A few hundred of the damaged inputs that `python -m tests.fuzz` makes by the thousand, and hostile headers."""

from contextlib import suppress
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medcycle.errors import MedcycleError
from medcycle.io import discover
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.phantom.dicom_series import write_series
from tests.fuzz import SECONDS, damaged, outcome, samples

HEAD = HeadPhantom.random(0).mr(head_grid((12, 14, 4), (18, 18, 50)))

ATTRIBUTES = [
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns", "BitsAllocated"),
    *("NumberOfFrames", "SamplesPerPixel", "RescaleSlope", "RescaleIntercept", "ImageType", "EchoTime"),
    *("SeriesInstanceUID", "SOPInstanceUID", "Modality", "PatientID", "SeriesDescription", "PixelRepresentation"),
]
ABSURD = st.one_of(
    st.none(),
    st.sampled_from(["", "../../x", "1e400", "nan", "-1", "0", "\\".join(["0"] * 7), "1\\0\\0\\0\\1\\0", "99999999"]),
    st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), max_size=12),
)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_are_read_or_refused(seed: int) -> None:
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    random = np.random.default_rng([7, seed])
    sources = samples()
    for _ in range(150):
        _, seconds = outcome(damaged(sources[int(random.integers(len(sources)))], random))
        assert seconds < SECONDS


@pytest.mark.slow
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(st.sampled_from(ATTRIBUTES), ABSURD, min_size=1, max_size=3), which=st.integers(0, 3))
def test_absurd_headers_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, changes: dict[str, Any], which: int
) -> None:
    folder = tmp_path_factory.mktemp("absurd")
    path = write_series(HEAD, folder, modality="MR")[which]
    dataset = pydicom.dcmread(path)
    for name, value in changes.items():
        if value is None:
            dataset.pop(name, None)
            continue
        # as bytes, which no library checks
        tag = pydicom.datadict.tag_for_keyword(name)
        number = name in ("Rows", "Columns", "BitsAllocated", "SamplesPerPixel", "PixelRepresentation")
        raw = value.encode()[:2].ljust(2, b"\0") if number else value.encode() + b" " * (len(value) % 2)
        kind = pydicom.datadict.dictionary_VR(tag)
        dataset[tag] = pydicom.dataelem.RawDataElement(pydicom.tag.Tag(tag), kind, len(raw), raw, 0, False, True)
    dataset.save_as(path)
    sources = discover(folder)
    assert all("/" not in source.name and not source.name.startswith(".") for source in sources)
    with suppress(MedcycleError):
        for source in sources:
            source.read()
