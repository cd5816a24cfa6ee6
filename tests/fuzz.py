"""Damaged inputs by the thousand: `python -m tests.fuzz --inputs 20000 [--real FOLDER]`.

Files of every kind that is read are flipped, cut, repeated and overwritten at random; each must be read or refused by
one of medcycle's own errors, within five seconds. What fails is kept in `--keep`.
"""

from __future__ import annotations

import argparse
import gzip
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import SimpleITK as sitk

from medcycle.errors import MedcycleError
from medcycle.io import discover, write_nifti
from medcycle.io.itk import to_itk
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.phantom.defects import write_defective_series
from medcycle.phantom.dicom_series import write_series

SECONDS = 5.0

Sample = dict[str, bytes]
"""A small folder: names and contents."""


def samples(real: Path | None = None) -> list[Sample]:
    """Small series, plain, padded and enhanced, NIfTI, NRRD and MetaImage; and small files of a folder, if given."""
    head = HeadPhantom.random(0)
    grid = head_grid((12, 14, 5), (18, 18, 40))
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        write_series(head.ct(grid), top / "ct", modality="CT")
        write_series(head.mr(grid), top / "mr", modality="MR")
        write_defective_series(head.mr(grid), top / "enhanced", "enhanced_multiframe", modality="MR")
        for path in write_series(head.ct(grid), top / "padded", modality="CT"):
            dataset = pydicom.dcmread(path)
            dataset.add_new("PixelPaddingValue", "US", 0)
            dataset.HighBit, dataset.PhotometricInterpretation = 15, "MONOCHROME1"
            dataset.save_as(path)
        (top / "pair").mkdir()
        nib.save(nib.Nifti1Pair(head.ct(grid).array, grid.affine), top / "pair" / "a.img")
        for suffix in (".nii", ".nii.gz"):
            write_nifti(head.ct(grid), top / suffix[1:] / f"a{suffix}")
        for suffix in (".nrrd", ".mha"):
            (top / suffix[1:]).mkdir()
            sitk.WriteImage(to_itk(head.mr(grid)), top / suffix[1:] / f"a{suffix}")
        made = [{path.name: path.read_bytes() for path in sorted(folder.iterdir())} for folder in sorted(top.iterdir())]
    if real:
        files = [path for path in sorted(real.rglob("*")) if path.is_file() and path.stat().st_size < 1_000_000]
        made += [{path.name: path.read_bytes()} for path in files]
    return made


def damaged(sample: Sample, random: np.random.Generator) -> Sample:
    """One file of the sample, changed."""
    name = str(random.choice(sorted(sample)))
    content = sample[name]
    packed = name.endswith(".gz") and random.random() < 0.5  # else the packing itself is hurt
    data = bytearray(gzip.decompress(content) if packed else content)
    # headers decide, pixels do not: most changes go there
    reach = len(data) if random.random() < 0.3 else min(len(data), 1500)
    for _ in range(int(random.integers(1, 6))):
        place = int(random.integers(reach))
        match int(random.integers(5)):
            case 0:
                data[place] ^= 1 << int(random.integers(8))
            case 1:
                data[place] = int(random.choice([0, 1, 0x7F, 0x80, 0xFF]))
            case 2:
                del data[place:]
            case 3:
                data[place:place] = data[place : place + int(random.integers(1, 40))]
            case 4:
                data[place : place + 4] = random.bytes(4)
        if not data:
            break
        reach = min(reach, len(data))
    return sample | {name: gzip.compress(bytes(data), 1) if packed else bytes(data)}


def outcome(sample: Sample) -> tuple[str, float]:
    """What became of a sample, read from a fresh folder, and in how many seconds; raises what medcycle lets through."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "in")
        folder.mkdir()
        for file, content in sample.items():
            (folder / file).write_bytes(content)
        start = time.monotonic()
        result = "nothing found"
        try:
            for source in discover(folder):
                source.read()
                result = "read"
        except MedcycleError as error:
            result = type(error).__name__
        seconds = time.monotonic() - start
        if [path.name for path in Path(name).iterdir()] != ["in"] or len(list(folder.iterdir())) != len(sample):
            raise AssertionError("reading wrote a file")
        return result, seconds


def run(inputs: int, seed: int, real: Path | None, keep: Path) -> int:
    """Try `inputs` damaged samples and print what became of them; the number that failed."""
    random = np.random.default_rng(seed)
    sources = samples(real)
    results: Counter[str] = Counter()
    slowest = 0.0
    failed = 0
    for number in range(inputs):
        sample = damaged(sources[int(random.integers(len(sources)))], random)
        try:
            result, seconds = outcome(sample)
            slowest = max(slowest, seconds)
            problem = "" if seconds < SECONDS else f"{seconds:.1f} s"
            results[result] += 1
        except Exception as error:  # noqa: BLE001 - what is not ours is what is looked for
            problem = f"{type(error).__name__}: {error}"
        if problem:
            failed += 1
            print(f"input {number}: {problem}", flush=True)
            (keep / str(number)).mkdir(parents=True, exist_ok=True)
            for name, content in sample.items():
                (keep / str(number) / name).write_bytes(content)
    print(f"{inputs} inputs, {failed} failed, the slowest {slowest:.2f} s; {dict(results.most_common())}")
    return failed


def main(arguments: Sequence[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--real", type=Path, help="a folder whose small files are damaged too")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"))
    options = parser.parse_args(arguments)
    logging.getLogger("medcycle").setLevel(logging.CRITICAL)
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    return 1 if run(options.inputs, options.seed, options.real, options.keep) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
