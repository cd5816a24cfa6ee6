"""Small files that say they are large, or are when they are unpacked."""

from __future__ import annotations

import bz2
import gzip
import io
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from medcycle.phantom import HeadPhantom, head_grid
from medcycle.phantom.dicom_series import write_series
from tests.attack import Attack, files

GRID = head_grid((12, 14, 5), (18, 18, 40))

HUGE = {
    "all that fits": (32767, 32767, 32767),
    "one slice more": (1024, 1024, 2049),
    "a line": (32767, 32767, 3),
    "a cube": (1300, 1300, 1300),
}


@cache
def zeros(gigabytes: int = 1) -> bytes:
    """A gzip stream of that many zeros."""
    return gzip.compress(bytes(2**26), 9) * (16 * gigabytes)


@cache
def deflated_zeros(gigabytes: int = 1) -> bytes:
    """The same bare, as DICOM has it, without its end."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    start = packer.compress(bytes(2**24)) + packer.flush(zlib.Z_FULL_FLUSH)
    return start * (64 * gigabytes)


def header(shape: tuple[int, ...], kind: type = np.int16, *, second: bool = False, swapped: bool = False) -> bytes:
    """Of a NIfTI file, with the four bytes behind it."""
    known = (nib.Nifti2Header if second else nib.Nifti1Header)(endianness=">" if swapped else "<")
    known.set_data_dtype(kind)
    known["dim"][: len(shape) + 1] = (len(shape), *shape)
    known["pixdim"][1:4] = 1
    known.set_sform(np.eye(4), 1)
    known["vox_offset"] = 544 if second else 352
    known["magic"] = b"n+2\0\r\n\x1a\n" if second else b"n+1"
    return known.binaryblock + bytes(4)


def nifti() -> Iterator[Attack]:
    """NIfTI of more voxels than there are, and streams without an end."""
    for name, shape in HUGE.items():
        for kind in (np.uint8, np.int16, np.float64, np.complex128):
            content = header(shape, kind)
            yield Attack(f"{name} of {kind.__name__}, packed", files(a__nii__gz=gzip.compress(content) + zeros()))
        yield Attack(f"{name}, bare", files(a__nii=header(shape)))
        yield Attack(f"{name}, second", files(a__nii__gz=gzip.compress(header(shape, second=True)) + zeros()))
        yield Attack(f"{name}, swapped", files(a__nii__gz=gzip.compress(header(shape, swapped=True)) + zeros()))
    yield Attack(
        "more than any number", files(a__nii__gz=gzip.compress(header((2**62, 2**62, 2**62), second=True)) + zeros())
    )
    yield Attack("negative", files(a__nii=header((-5, 8, 8)) + bytes(1000)))
    endless = gzip.compress(header((8, 8, 8))) + zeros(4)
    yield Attack("endless", files(a__nii__gz=endless), harmless=True)
    for name, at in (("far", 2e9), ("farther", 1e30), ("nowhere", np.nan), ("before", -1e9)):
        known = nib.Nifti1Header(header((8, 8, 8))[:348])
        known["vox_offset"] = at
        yield Attack(f"voxels {name}", files(a__nii__gz=gzip.compress(known.binaryblock) + zeros()), harmless=at < 0)
        longer = known.binaryblock + b"\x01\0\0\0" + struct.pack("<ii", 2**31 - 16, 4)
        yield Attack(f"an extension to {name}", files(a__nii__gz=gzip.compress(longer) + zeros()), harmless=at < 0)
    pair = bytearray(header((8, 8, 8)))
    pair[344:348] = b"ni1\0"
    for name, size in (("long", 2**31 - 16), ("none", 0), ("least", 16), ("negative", -16)):
        content = bytes(pair[:348]) + b"\x01\0\0\0" + struct.pack("<ii", size, 4)
        voxels = bytes(1024)
        yield Attack(
            f"a pair's extension, {name}",
            files(a__hdr__gz=gzip.compress(content) + zeros(), a__img__gz=gzip.compress(voxels)),
        )
    for name, shape in HUGE.items():
        content = bytearray(header(shape))
        content[344:348] = b"ni1\0"
        yield Attack(f"a pair, {name}", files(a__hdr=bytes(content[:348]), a__img__gz=zeros()))


def itk() -> Iterator[Attack]:
    """The same of NRRD and MetaImage."""
    for name, shape in HUGE.items():
        sizes = " ".join(map(str, shape))
        for encoding, data in (
            ("gzip", zeros()),
            ("bzip2", bz2.compress(bytes(2**20))),
            ("raw", b"abc"),
            ("ascii", b"1 2 3"),
            ("hex", b"00"),
        ):
            yield Attack(f"nrrd {encoding}, {name}", files(a__nrrd=nrrd(sizes, encoding) + data))
        for packed in ("True", "False"):
            yield Attack(f"mha {packed}, {name}", files(a__mha=mha(sizes, packed) + zlib.compress(bytes(2**20))))
            yield Attack(
                f"mhd {packed}, {name}", files(a__mhd=mha(sizes, packed, "a.raw"), a__raw=zlib.compress(bytes(2**20)))
            )
    for skip in ("byte skip: 1000000000000", "byte skip: -2", "line skip: 1000000000", "line skip: -5"):
        yield Attack(f"nrrd, {skip}", files(a__nrrd=nrrd("8 8 8", "gzip", skip) + zeros()))
    yield Attack("nrrd, endless", files(a__nrrd=nrrd("8 8 8", "gzip") + zeros(2)), harmless=True)
    for size in (10**12, 2**63, -1):
        content = mha("8 8 8", "True", extra=f"CompressedDataSize = {size}\n") + zlib.compress(bytes(2**20))
        yield Attack(f"mha of {size} packed bytes", files(a__mha=content), harmless=True)
    yield Attack("nrrd, long header", files(a__nrrd=b"NRRD0004\n" + b"# x\n" * 300_000 + nrrd("8 8 8", "raw")[9:]))
    yield Attack("nrrd, many sizes", files(a__nrrd=nrrd("9 " * 20_000, "raw")))
    yield Attack("mha, many dimensions", files(a__mha=mha("8 8 8", "False").replace(b"NDims = 3", b"NDims = 100000")))


def nrrd(sizes: str, encoding: str, more: str = "", kind: str = "unsigned char") -> bytes:
    """The header of an NRRD file, with the empty line behind it."""
    lines = ["NRRD0004", f"type: {kind}", "dimension: 3", f"sizes: {sizes}", "space: left-posterior-superior"]
    lines += ["space directions: (1,0,0) (0,1,0) (0,0,1)", "space origin: (0,0,0)", f"encoding: {encoding}"]
    return ("\n".join([*lines, *([more] if more else [])]) + "\n\n").encode()


def mha(sizes: str, packed: str, place: str = "LOCAL", extra: str = "") -> bytes:
    """The header of a MetaImage."""
    return (
        f"ObjectType = Image\nNDims = 3\nBinaryData = True\nCompressedData = {packed}\n{extra}DimSize = {sizes}\n"
        f"ElementSpacing = 1 1 1\nElementType = MET_UCHAR\nElementDataFile = {place}\n"
    ).encode()


@cache
def slices(folder: str = "") -> tuple[bytes, ...]:
    """A small DICOM series."""
    import tempfile  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as name:
        return tuple(
            path.read_bytes() for path in write_series(HeadPhantom.random(0).mr(GRID), Path(name), modality="MR")
        )


def series(change, *, only: int | None = None) -> object:
    """Lays the series with its data sets, or one of them, changed."""

    def lay(folder: Path) -> None:
        for number, content in enumerate(slices()):
            dataset = pydicom.dcmread(io.BytesIO(content))
            if only in (None, number):
                change(dataset)
            dataset.save_as(folder / f"{number}.dcm", enforce_file_format=True)

    return lay


def deflated(rest: bytes, before: bytes = b"") -> object:
    """Lays the series with deflated data sets, in which something is put first or last."""

    def lay(folder: Path) -> None:
        for number, content in enumerate(slices()):
            dataset = pydicom.dcmread(io.BytesIO(content))
            dataset.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.1")
            plain = io.BytesIO()
            dataset.save_as(plain, enforce_file_format=True, implicit_vr=False, little_endian=True)
            data = plain.getvalue().replace(b"UI\x14\x001.2.840.10008.1.2.1\x00", b"UI\x16\x001.2.840.10008.1.2.1.99")
            end = 132 + 12 + 2 + struct.unpack("<I", data[140:144])[0]
            packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
            packed = packer.compress(before) + packer.compress(data[end - 2 + 2 - 2 :])
            packed += packer.flush(zlib.Z_FULL_FLUSH)
            (folder / f"{number}.dcm").write_bytes(data[: end - 2] + packed + rest)

    return lay


ITEMS = b"\xfe\xff\x00\xe0\x00\x00\x00\x00"


def element(group: int, number: int, kind: bytes, value: bytes, length: int | None = None) -> bytes:
    """In Explicit VR Little Endian, of a kind with a length of 32 bits."""
    return struct.pack("<HH2sHI", group, number, kind, 0, len(value) if length is None else length) + value


def dicom() -> Iterator[Attack]:
    """DICOM, deflated and encapsulated."""
    yield Attack("deflated, sound", deflated(b""), harmless=True)
    yield Attack("deflated, endless", deflated(deflated_zeros()), harmless=True)
    items = element(0x8, 0x1110, b"SQ", ITEMS * 3_000_000, 0xFFFFFFFF)
    yield Attack("deflated, many items", deflated(b"", items))
    yield Attack("deflated, a long value", deflated(b"", element(0x8, 0x1111, b"OB", bytes(2**25))))
    yield Attack("deflated, a longer value", deflated(b"", element(0x8, 0x1111, b"OB", b"", 0xFFFFFFF0)))
    deep = element(0x8, 0x1110, b"SQ", b"\xfe\xff\x00\xe0\xff\xff\xff\xff" * 1, 0xFFFFFFFF) * 2_000
    yield Attack("deflated, deep", deflated(b"", deep))
    yield Attack("deep", series(lambda one: one.add_new(0x00091001, "UN", deep)), harmless=True)

    def many_items(dataset: pydicom.Dataset) -> None:
        dataset.add_new(0x00091001, "OB", ITEMS * 600_000)

    yield Attack("many items, bare", series(many_items, only=0), harmless=True)
    for name, value in (("NumberOfFrames", 2**31 - 1), ("Rows", 65535), ("Columns", 65535), ("BitsAllocated", 64)):
        yield Attack(f"{name} {value}", series(lambda one, name=name, value=value: setattr(one, name, value)))
        yield Attack(f"{name} {value}, deflated", deflated_with(name, value))
        for syntax in (RLELossless, JPEG2000Lossless, JPEGLosslessSV1):
            yield Attack(f"{name} {value}, {syntax.name}", coded(syntax, b"\0" * 64, **{name: value}))
    for name, content in {
        "jpeg 2000 of 65535 sides": j2k(65535, 65535, 1),
        "jpeg 2000 of large tiles": j2k(14, 12, 1, tile=2**31),
        "jpeg 2000 of 16384 components": j2k(14, 12, 16384),
        "jpeg 2000 with offsets": j2k(2**32 - 1, 2**32 - 1, 1),
    }.items():
        yield Attack(name, coded(JPEG2000Lossless, content))
    yield Attack("jpeg of 65535 sides", coded(JPEGLosslessSV1, jpeg(0xC3, 65535, 65535)))
    yield Attack("jpeg twice", coded(JPEGLosslessSV1, jpeg(0xC3, 14, 12)[:-2] + jpeg(0xC3, 65535, 65535)[2:]))
    yield Attack("jpeg-ls of 65535 sides", coded(JPEGLSLossless, jpeg(0xF7, 65535, 65535)))
    yield Attack("jpeg, endless markers", coded(JPEGLosslessSV1, b"\xff\xd8" + b"\xff" * 2**20))
    rle = struct.pack("<16I", 2, 64, 2**20, *[0] * 13)
    yield Attack("rle that spreads", coded(RLELossless, rle + b"\x81\x00" * 2**22))
    yield Attack("rle of no segments", coded(RLELossless, struct.pack("<16I", 2**31, *[2**31] * 15)))
    for step in (1e6, 1e300):
        yield Attack(f"slices {step:g} mm apart", series(moved(step)), call=("inspect", "IN"), harmless=True)


def deflated_with(name: str, value: int) -> object:
    """A deflated series, an attribute of which is another."""

    def lay(folder: Path) -> None:
        for number, content in enumerate(slices()):
            dataset = pydicom.dcmread(io.BytesIO(content))
            setattr(dataset, name, value)
            dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
            dataset.save_as(folder / f"{number}.dcm", enforce_file_format=True)

    return lay


def coded(syntax: UID, frame: bytes, **values: int) -> object:
    """A series of compressed frames."""

    def change(dataset: pydicom.Dataset) -> None:
        for name, value in values.items():
            setattr(dataset, name, value)
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.PixelData = encapsulate([frame])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True

    return series(change)


def j2k(height: int, width: int, components: int, tile: int | None = None) -> bytes:
    """The beginning of a JPEG 2000 stream."""
    sides = struct.pack(">8I", width, height, 0, 0, tile or width, tile or height, 0, 0)
    size = struct.pack(">HHH", 0xFF51, 38 + 3 * components & 0xFFFF, 0) + sides + struct.pack(">H", components)
    return b"\xff\x4f" + size + b"\x0f\x01\x01" * components + b"\xff\x52\x00\x0c\0\0\0\x01\0\0\x04\x04\0\x01\xff\xd9"


def jpeg(marker: int, height: int, width: int) -> bytes:
    """A JPEG stream of a header."""
    return b"\xff\xd8\xff" + struct.pack(">BHBHHB", marker, 11, 12, height, width, 1) + b"\x01\x11\x00\xff\xd9"


def moved(step: float):
    """Puts slices that far apart, and each elsewhere in its plane."""

    def change(dataset: pydicom.Dataset) -> None:
        number = int(dataset.InstanceNumber)
        dataset.ImagePositionPatient = [f"{number * step:.6g}", f"{number**2 * step:.6g}", f"{number**3 * step:.6g}"]

    return change
