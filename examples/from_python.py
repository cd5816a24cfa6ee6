"""Synthetic CT from Python: read a volume, translate it, look at the numbers, write it.

Run it with `python examples/from_python.py RUN_OR_CHECKPOINT MR OUTPUT.nii.gz`.
"""

import sys
from pathlib import Path

from medcycle.io import read_volume, write_nifti
from medcycle.methods.saved import checkpoint_of, load_method
from medcycle.synthesis.translate import synthesize


def main(run: Path, source: Path, output: Path) -> None:
    """Translate one MR."""
    mr = read_volume(source)  # an image file or a DICOM series folder
    made = synthesize(mr, load_method(checkpoint_of(run)), to="ct")
    bone = (made.volume.array > 250) & made.body.array
    print(f"{mr.grid.shape} voxels, {bone.sum() / made.body.array.sum():.1%} of the body above 250 HU")
    write_nifti(made.volume, output)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
