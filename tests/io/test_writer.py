"""Written series as other programs see them."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from scipy.ndimage import map_coordinates

from medcycle.body import Modality
from medcycle.errors import DataError, UsageError
from medcycle.io.dicom.header import Origin
from medcycle.io.dicom.writer import write_series
from medcycle.io.nifti import read_nifti, write_nifti
from medcycle.modality import SOURCE_OF
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.volume import Grid, Volume
from tests.io.support import (
    ACQUISITIONS,
    HEADS,
    KEEPS_VOXELS,
    LPS,
    case,
    complaints,
    read_dcm2niix,
    read_plastimatch,
    read_sitk,
    rotation,
    saved,
    smooth,
)


def write_ct(
    volume: Volume,
    folder: Path,
    *,
    reference: Sequence[pydicom.Dataset] | None,
    on_slice: Callable[[int, int], None] | None = None,
    **origin: Any,
) -> list[Path]:
    return write_series(volume, folder, modality="ct", reference=reference, origin=Origin(**origin), on_slice=on_slice)


def as_stored(volume: Volume, modality: Modality) -> np.ndarray:
    """What other programs read of a volume that keeps its voxels: HU, or signal times a power of two."""
    if modality == "ct":
        return np.rint(volume.array.clip(-1024, 3071))
    largest = float(volume.array.max())
    factor = next(2.0**n for n in range(-20, 40) if 2**14 <= largest * 2.0**n < 2**15)
    return np.rint(volume.array.clip(0, None) * factor)


@pytest.mark.parametrize(
    ("name", "modality"), [*((name, "ct") for name in ACQUISITIONS), ("axial", "mr"), ("oblique", "mr")]
)
def test_other_programs_see_a_valid_series(name: str, modality: Modality, tmp_path: Path) -> None:
    volume, reference = case(name, SOURCE_OF[modality].upper())
    written = write_series(volume, tmp_path / "made", modality=modality, reference=reference, origin=Origin("1.2.3"))
    assert complaints("dciodvfy", written) == []
    assert complaints("dcentvfy", [*written, *saved(reference, tmp_path / "source")]) == []
    first, second = read_sitk(written), read_dcm2niix(written, tmp_path / "nifti").to_ras()
    np.testing.assert_allclose(first.to_ras().grid.affine, second.grid.affine, rtol=0, atol=1e-3)
    np.testing.assert_array_equal(first.to_ras().array, second.array)
    grid = first.grid
    np.testing.assert_allclose(LPS[:3, :3] @ grid.affine[:3, :3], np.diag(grid.spacing), rtol=0, atol=1e-9)
    if name in KEEPS_VOXELS:
        np.testing.assert_allclose(first.to_ras().grid.affine, volume.to_ras().grid.affine, rtol=0, atol=1e-3)
        np.testing.assert_array_equal(first.to_ras().array, as_stored(volume.to_ras(), modality))
    else:
        assert grid.spacing[0] == pytest.approx(grid.spacing[1])


def centre_of_mass(volume: Volume) -> np.ndarray:
    """RAS mm; of what is denser than the outside."""
    weights = volume.array.astype(np.float64) - volume.array.min()
    index = [float((weights * axis).sum() / weights.sum()) for axis in np.indices(weights.shape, sparse=True)]
    return (volume.grid.affine @ [*index, 1])[:3]


@pytest.mark.parametrize(
    ("name", "modality"), [("axial", "ct"), ("oblique", "ct"), ("sagittal", "mr"), ("feet first", "mr")]
)
def test_a_head_is_where_the_nifti_has_it(name: str, modality: Modality, tmp_path: Path) -> None:
    orientation, spacing, turns = HEADS[name]
    grid = head_grid(spacing=spacing, orientation=orientation, rotation_degrees=turns)
    head = HeadPhantom.random(3)
    volume = head.ct(grid) if modality == "ct" else head.mr(grid)
    write_nifti(volume, tmp_path / "made.nii.gz")
    nifti = read_nifti(tmp_path / "made.nii.gz")
    written = write_series(nifti, tmp_path / "made", modality=modality, reference=None, origin=Origin("1"))
    assert complaints("dciodvfy", written[::8]) == []
    for read in (
        read_sitk(written),
        read_dcm2niix(written, tmp_path / "dcm2niix"),
        read_plastimatch(written, tmp_path / "plastimatch"),
    ):
        assert np.abs(centre_of_mass(read) - centre_of_mass(nifti)).max() < 0.25
        if name != "oblique" and (orientation[2] in "SI" or spacing[0] == spacing[2]):
            np.testing.assert_allclose(read.to_ras().grid.affine, nifti.to_ras().grid.affine, rtol=0, atol=1e-3)
            np.testing.assert_array_equal(read.to_ras().array, as_stored(nifti.to_ras(), modality))


@pytest.mark.parametrize("largest", [0.003, 1.0, 700.3, 4095.0, 32767.6, 1e6])
def test_signal_of_any_size_keeps_its_precision(largest: float, tmp_path: Path) -> None:
    volume, reference = case("axial", "CT")
    signal = np.random.default_rng(0).uniform(-0.01, 1, volume.grid.shape).astype(np.float32) * np.float32(largest)
    signal[0, 0, 0] = largest
    origin = Origin("1", model_description="checkpoint of SHA-256 12ab")
    written = write_series(
        volume.with_array(signal), tmp_path / "mr", modality="mr", reference=reference, origin=origin
    )
    header = pydicom.dcmread(written[0])
    told = re.search(r"signal \(arbitrary units\) times (\S+); checkpoint", header.DerivationDescription)
    assert told
    stored = read_sitk(written)
    assert 2**14 <= stored.array.max() < 2**15
    assert (header.WindowCenter, header.WindowWidth) == (int(header.WindowWidth) // 2, header.WindowWidth)
    assert 0.9 < header.WindowWidth / stored.array.max() <= 1
    np.testing.assert_allclose(
        stored.to_ras().array / float(told[1]),
        volume.with_array(signal.clip(0, None)).to_ras().array,
        rtol=0,
        atol=largest / 2**14,
    )


def test_an_mr_without_signal_is_written_too(tmp_path: Path) -> None:
    volume, reference = case("oblique", "CT")
    nothing = volume.with_array(np.zeros(volume.grid.shape, dtype=np.float32))
    written = write_series(nothing, tmp_path / "mr", modality="mr", reference=reference, origin=Origin("1"))
    assert complaints("dciodvfy", written) == []
    assert not read_sitk(written).array.any()


def test_an_mr_header_says_that_no_sequence_made_it(tmp_path: Path) -> None:
    volume, reference = case("coronal", "CT")
    written = write_series(volume, tmp_path / "mr", modality="mr", reference=reference, origin=Origin("1.2.3"))
    mr, source = pydicom.dcmread(written[0]), reference[0]
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "FrameOfReferenceUID", "PatientPosition"):
        assert mr[keyword].value == source[keyword].value
    assert mr.SeriesInstanceUID != source.SeriesInstanceUID
    assert (mr.SOPClassUID, mr.Modality) == ("1.2.840.10008.5.1.4.1.1.4", "MR")
    assert list(mr.ImageType) == ["DERIVED", "SECONDARY", "OTHER"]
    assert (mr.ScanningSequence, mr.SequenceVariant, mr.SyntheticData) == ("RM", "NONE", "YES")
    for keyword in ("ScanOptions", "MRAcquisitionType", "RepetitionTime", "EchoTime", "EchoTrainLength"):
        assert mr[keyword].is_empty
    assert not {"KVP", "RescaleSlope", "RescaleIntercept"} & set(mr.dir())
    assert (mr.BitsAllocated, mr.BitsStored, mr.HighBit, mr.PixelRepresentation) == (16, 16, 15, 0)
    assert (mr.ImageComments, mr.SeriesDescription) == ("SYNTHETIC - RESEARCH USE ONLY", "sMR medcycle")
    assert mr.DerivationDescription.startswith("Synthetic MR predicted from CT")
    assert {item.ReferencedSOPInstanceUID for item in mr.SourceImageSequence} == {d.SOPInstanceUID for d in reference}


def _move(path: Path) -> None:
    dataset = pydicom.dcmread(path)
    x, y, z = dataset.ImagePositionPatient
    dataset.ImagePositionPatient = [x + 0.01, y, z]
    dataset.save_as(path)


def _brighten(path: Path) -> None:
    dataset = pydicom.dcmread(path)
    pixels = dataset.pixel_array.copy()
    pixels[2, 3] += 1
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(path)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a slice lost": (Path.unlink, "can't be opened"),
    "a slice torn": (lambda path: path.write_bytes(path.read_bytes()[:-40]), "truncated"),
    "one grey level": (_brighten, "1 voxels have other values"),
    "all moved": (_move, "elsewhere"),
    "other bytes": (lambda path: path.write_bytes(bytes(3000)), "not DICOM"),
}


@pytest.mark.parametrize(("damage", "modality"), [*((damage, "ct") for damage in DAMAGES), (next(iter(DAMAGES)), "mr")])
def test_what_does_not_read_back_is_not_kept(damage: str, modality: Modality, tmp_path: Path) -> None:
    volume, reference = case("axial", SOURCE_OF[modality].upper())
    harm, message = DAMAGES[damage]

    def after_slice(done: int, _: int) -> None:
        (path,) = tmp_path.glob(f".partial-*/{done:04d}.dcm")
        if damage == "all moved" or done == 4:
            harm(path)

    with pytest.raises(DataError, match=f"does not read back.*{message}"):
        write_series(
            volume,
            tmp_path / "made",
            modality=modality,
            reference=reference,
            origin=Origin("1"),
            on_slice=after_slice,
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [name for name in ACQUISITIONS if name not in KEEPS_VOXELS])
def test_resampling_covers_the_volume_and_moves_nothing(name: str, tmp_path: Path) -> None:
    volume, reference = case(name)
    files = write_ct(volume, tmp_path / "ct", reference=reference, software_version="1")
    written = read_sitk(files)
    to_lps = LPS @ written.grid.affine
    points = np.moveaxis(np.indices(written.grid.shape), 0, -1) @ to_lps[:3, :3].T + to_lps[:3, 3]
    back = np.linalg.inv(LPS @ volume.grid.affine)
    source = points @ back[:3, :3].T + back[:3, 3]
    last = np.array(volume.grid.shape) - 1
    inside = ((source > 0) & (source < last)).all(axis=-1)
    beyond = ((source < -0.51) | (source > last + 0.51)).any(axis=-1)
    assert inside.sum() > 500
    # Half a unit of rounding; SimpleITK interpolates in float32.
    assert np.abs(written.array - smooth(points))[inside].max() <= 0.51
    assert (written.array[beyond] == -1024).all()
    corners = np.stack(np.meshgrid(*[(0, n) for n in last], indexing="ij"), axis=-1).reshape(-1, 3)
    to_world = LPS @ volume.grid.affine
    at = (corners @ to_world[:3, :3].T + to_world[:3, 3] - to_lps[:3, 3]) @ np.linalg.inv(to_lps[:3, :3]).T
    assert (at >= -1e-6).all()
    assert (at <= np.array(written.grid.shape) - 1 + 1e-6).all()


def test_resampling_agrees_with_scipy(tmp_path: Path) -> None:
    volume, reference = case("oblique")
    noise = np.random.default_rng(0).uniform(-900, 1500, volume.grid.shape)
    files = write_ct(volume.with_array(noise), tmp_path / "ct", reference=reference, software_version="1")
    written = read_sitk(files)
    mapping = np.linalg.inv(volume.grid.affine) @ written.grid.affine
    source = np.einsum("ab,bijk->aijk", mapping[:3, :3], np.indices(written.grid.shape))
    source += mapping[:3, 3].reshape(3, 1, 1, 1)
    last = np.array(volume.grid.shape) - 1
    inside = ((source.T > 0) & (last > source.T)).all(axis=-1).T
    expected = map_coordinates(noise, source, order=1)
    assert np.abs(written.array - expected)[inside].max() <= 0.51


def test_header_keeps_the_patient_and_says_what_it_is(tmp_path: Path) -> None:
    volume, reference = case("axial downwards")
    files = write_ct(
        volume, tmp_path / "ct", reference=reference, model_description="best.pt é\\x", software_version="1.2.3"
    )
    assert [file.name for file in files] == [f"{n:04d}.dcm" for n in range(1, 10)]
    slices = [pydicom.dcmread(file) for file in files]
    mr, ct = reference[0], slices[0]
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge", "StudyInstanceUID"):
        assert ct[keyword].value == mr[keyword].value
    for keyword in ("StudyDate", "StudyTime", "StudyID", "StudyDescription", "AccessionNumber"):
        assert ct[keyword].value == mr[keyword].value
    for keyword in ("ReferringPhysicianName", "FrameOfReferenceUID", "PatientPosition", "PositionReferenceIndicator"):
        assert ct[keyword].value == mr[keyword].value
    assert ct.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert ct.SOPClassUID == "1.2.840.10008.5.1.4.1.1.2"
    assert len({s.SOPInstanceUID for s in slices} | {d.SOPInstanceUID for d in reference}) == 18
    (series,) = {s.SeriesInstanceUID for s in slices}
    assert series != mr.SeriesInstanceUID
    assert (ct[0x0008, 0x001C].VR, ct[0x0008, 0x001C].value) == ("CS", "YES")
    assert list(ct.ImageType) == ["DERIVED", "SECONDARY", "AXIAL"]
    for keyword in ("KVP", "AcquisitionNumber", "PositionReferenceIndicator"):
        assert ct[keyword].is_empty
    assert (ct.BitsAllocated, ct.BitsStored, ct.HighBit, ct.PixelRepresentation) == (16, 12, 11, 0)
    assert (ct.RescaleIntercept, ct.RescaleSlope, ct.RescaleType) == (-1024, 1, "HU")
    assert ct.SliceThickness == ct.SpacingBetweenSlices == 3.3
    assert ct.ImageComments == "SYNTHETIC - RESEARCH USE ONLY"
    assert (ct.BurnedInAnnotation, ct.BodyPartExamined) == ("NO", "HEAD")
    assert (ct.Manufacturer, ct.ManufacturerModelName, ct.SoftwareVersions) == ("medcycle", "medcycle", "1.2.3")
    assert "best.pt ?/x" in ct.DerivationDescription
    assert ct.DerivationCodeSequence[0].CodeValue == "123110"
    sources = {item.ReferencedSOPInstanceUID for item in ct.SourceImageSequence}
    assert sources == {d.SOPInstanceUID for d in reference}
    assert ct.SourceImageSequence[0].PurposeOfReferenceCodeSequence[0].CodeValue == "121322"
    equipment = ct.ContributingEquipmentSequence[0]
    assert (equipment.Manufacturer, equipment.PurposeOfReferenceCodeSequence[0].CodeValue) == ("medcycle", "109102")
    positions = [float(s.ImagePositionPatient[2]) for s in slices]
    np.testing.assert_allclose(np.diff(positions), 3.3, atol=1e-6)
    assert [s.InstanceNumber for s in slices] == list(range(1, 10))


def test_decimal_strings_fit_their_type(tmp_path: Path) -> None:
    volume, reference = case("doubly oblique sagittal")
    reference[0].add(pydicom.DataElement("PatientWeight", "DS", "70.12345678901234567", validation_mode=0))
    files = write_ct(volume, tmp_path / "ct", reference=reference, software_version="1")
    texts = []
    for file in files:
        for element in pydicom.dcmread(file):
            if element.VR == "DS" and not element.is_empty:
                texts += [str(v) for v in (element.value if element.VM > 1 else [element.value])]
    assert len(texts) > 100
    assert max(map(len, texts)) <= 16


def test_hounsfield_units_are_clipped_to_twelve_bits_and_rounded(tmp_path: Path) -> None:
    volume, reference = case("axial")
    array = np.zeros(volume.grid.shape)
    values = {-5000: -1024, -1024: -1024, -1023.6: -1024, 0.4: 0, 0.6: 1, 3070.7: 3071, 3071: 3071, 32_000: 3071}
    array[: len(values), 3, 4] = list(values)
    files = write_ct(volume.with_array(array), tmp_path / "ct", reference=reference, software_version="1")
    written = read_sitk(files)
    np.testing.assert_array_equal(written.array[: len(values), 3, 4], list(values.values()))
    assert written.array.dtype.kind == "i"


@pytest.mark.parametrize("name", ["axial", "coronal"])
def test_volume_without_dicom_becomes_its_own_study(name: str, tmp_path: Path) -> None:
    volume, _ = case(name)
    files = write_ct(volume.to_ras(), tmp_path / "ct", reference=None, software_version="1", body_part="Head_Neck")
    assert complaints("dciodvfy", files) == []
    assert complaints("dcentvfy", files) == []
    ct = pydicom.dcmread(files[0])
    assert (str(ct.PatientName), ct.PatientPosition, ct.BodyPartExamined) == ("Anonymous^medcycle", "HFS", "HEADNECK")
    assert "SourceImageSequence" not in ct
    other = write_ct(volume, tmp_path / "other", reference=None, software_version="1")
    assert pydicom.dcmread(other[0]).PatientID != ct.PatientID


@pytest.mark.parametrize(
    "missing", ["BodyPartExamined", "StudyID", "PatientPosition", "FrameOfReferenceUID", "PatientSex"]
)
def test_sources_with_gaps_still_give_a_valid_series(missing: str, tmp_path: Path) -> None:
    volume, reference = case("axial")
    for dataset in reference:
        del dataset[missing]
        dataset.PatientName = "anonymized"
        dataset.ReferringPhysicianName = ""
    files = write_ct(volume, tmp_path / "ct", reference=reference, software_version="1")
    assert complaints("dciodvfy", files[:1]) == []
    assert pydicom.dcmread(files[0]).PatientName.family_name == "anonymized"


def test_a_lost_frame_of_reference_is_told(tmp_path: Path, caplog) -> None:
    volume, reference = case("axial")
    for dataset in reference:
        del dataset.FrameOfReferenceUID
    write_ct(volume, tmp_path / "ct", reference=reference, software_version="1")
    assert "no FrameOfReferenceUID" in caplog.text
    caplog.clear()
    write_ct(volume, tmp_path / "alone", reference=None, software_version="1")
    assert not caplog.text


def test_an_age_that_is_none_is_not_handed_on(tmp_path: Path) -> None:
    volume, reference = case("axial")
    folder = tmp_path / "mr"
    for path in saved(reference, folder):
        path.write_bytes(path.read_bytes().replace(b"AS\x04\x00063Y", b"AS\x04\x000Y  "))
    read = [pydicom.dcmread(path) for path in folder.iterdir()]
    assert read[0].PatientAge == "0Y"
    files = write_ct(volume, tmp_path / "ct", reference=read, software_version="1")
    assert complaints("dciodvfy", files[:1]) == []
    assert "PatientAge" not in pydicom.dcmread(files[0])


UNSOUND = {
    "PatientWeight": ("DS", b"70,5"),
    "PatientSize": ("DS", b"1,75m "),
    "SeriesNumber": ("IS", b"A1"),
    "PatientBirthDate": ("DA", b"01.02.1970"),
    "StudyDate": ("DA", b"2020-01-01"),
    "PatientSex": ("CS", b"unknown "),
    "StudyDescription": ("LO", b"x" * 100),
    "LossyImageCompressionRatio": ("DS", b"1:10"),
}


@pytest.mark.parametrize("keyword", UNSOUND)
def test_values_that_are_none_of_their_kind_are_not_handed_on(keyword: str, tmp_path: Path) -> None:
    volume, reference = case("axial")
    kind, value = UNSOUND[keyword]
    tag = Tag(keyword)
    for dataset in reference:
        dataset._dict[tag] = RawDataElement(tag, kind, len(value), value, 0, False, True)
    files = write_ct(volume, tmp_path / "ct", reference=reference, software_version="1")
    # a DICOMDIR wants a study date, which nobody knows where the source's is none
    assert [one for one in complaints("dciodvfy", files[:1]) if "DICOMDIR - Study Date" not in one] == []
    written = pydicom.dcmread(files[0])
    assert written.SeriesNumber == 9000 if keyword == "SeriesNumber" else not written.get(keyword)


def test_letters_that_the_character_set_lacks(tmp_path: Path) -> None:
    volume, reference = case("axial")
    for name, declared, written_in in (
        ("Müller^Jörg", "ISO_IR 6", "ISO_IR 100"),
        ("Łukasz^Żak", "ISO_IR 100", "ISO_IR 192"),
        ("Łukasz^Żak", "ISO_IR 101", "ISO_IR 101"),
    ):
        for dataset in reference:
            dataset.SpecificCharacterSet, dataset.PatientName = declared, name
        files = write_ct(volume, tmp_path / f"{declared}-{written_in}", reference=reference, software_version="1")
        written = pydicom.dcmread(files[0])
        assert (written.SpecificCharacterSet, written.PatientName) == (written_in, name)
        assert complaints("dciodvfy", files[:1]) == []


@pytest.mark.parametrize("part", ["KNEE", "THORAX", "brain tumour", "HEADANDNECK"])
def test_body_parts_of_any_spelling_stay_valid(part: str, tmp_path: Path) -> None:
    volume, reference = case("axial")
    files = write_ct(volume, tmp_path / "ct", reference=reference, software_version="1", body_part=part)
    assert complaints("dciodvfy", files[:1]) == []


def without(keyword: str) -> list[pydicom.Dataset]:
    _, reference = case("axial")
    del reference[3][keyword]
    return reference


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ([], "no datasets"),
        (without("SOPInstanceUID"), "no SOPInstanceUID"),
        (without("StudyInstanceUID"), "more than one StudyInstanceUID"),
        (case("axial")[1] + case("axial")[1], "more than one StudyInstanceUID"),
        (without("FrameOfReferenceUID"), "more than one FrameOfReferenceUID"),
    ],
)
def test_unsound_references_are_refused(reference: list[pydicom.Dataset], message: str, tmp_path: Path) -> None:
    volume, _ = case("axial")
    with pytest.raises(DataError, match=message):
        write_ct(volume, tmp_path / "ct", reference=reference, software_version="1")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_or_left_half_written(tmp_path: Path) -> None:
    volume, reference = case("axial")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").write_text("mine")
    for taken in (tmp_path / "full", tmp_path / "full" / "note.txt"):
        with pytest.raises(UsageError, match="nothing is overwritten"):
            write_ct(volume, taken, reference=reference, software_version="1")
    bad = volume.array.copy()
    bad[0, 0, 0] = np.nan
    with pytest.raises(DataError, match="NaN"):
        write_ct(volume.with_array(bad), tmp_path / "ct", reference=reference, software_version="1")

    def interrupt(done: int, _: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_ct(volume, tmp_path / "ct", reference=reference, software_version="1", on_slice=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["full"]
    (tmp_path / "ct").mkdir()
    files = write_ct(volume, tmp_path / "ct", reference=reference, software_version="1")
    assert sorted((tmp_path / "ct").iterdir()) == files


def test_names_in_other_scripts_survive(tmp_path: Path) -> None:
    volume, reference = case("axial")
    for dataset in reference:
        dataset.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
        dataset.PatientName = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    sources = [pydicom.dcmread(path) for path in saved(reference, tmp_path / "mr")]
    files = write_ct(volume, tmp_path / "ct", reference=sources, software_version="1")
    assert str(pydicom.dcmread(files[0]).PatientName) == "Yamada^Tarou=山田^太郎=やまだ^たろう"
    assert complaints("dciodvfy", files[:1]) == []


@pytest.mark.parametrize(("degrees", "kept"), [(1e-5, True), (0.5, False)])
def test_rounding_of_an_orientation_is_not_a_tilt(degrees: float, kept: bool, tmp_path: Path) -> None:
    volume, reference = case("axial")
    affine = np.eye(4)
    affine[:3, :3] = rotation(degrees, 1)
    turned = Volume(volume.array, Grid(volume.grid.shape, affine @ volume.grid.affine))
    written = read_sitk(write_ct(turned, tmp_path / "ct", reference=reference, software_version="1"))
    same_size = written.grid.shape == volume.grid.shape
    assert same_size == kept
    if kept:
        np.testing.assert_array_equal(written.to_ras().array, np.rint(volume.to_ras().array))


def test_one_slice_is_a_series_too(tmp_path: Path) -> None:
    volume, reference = case("axial")
    single = Volume(volume.array[..., :1], Grid((18, 14, 1), volume.grid.affine))
    files = write_ct(single, tmp_path / "ct", reference=reference, software_version="1")
    assert complaints("dciodvfy", files) == []
    np.testing.assert_array_equal(read_sitk(files).to_ras().array, np.rint(single.to_ras().array))
