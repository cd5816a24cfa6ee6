"""Synthetic CT from Python: read an MR, translate it, look at the numbers, write it.

Run it with `python examples/from_python.py RUN_OR_CHECKPOINT MR OUTPUT.nii.gz`.
"""

import sys

import medcycle as mc


def main(run: str, source: str, output: str) -> None:
    """Translate one MR."""
    mr = mc.read(source)  # an image file or a DICOM series folder
    made = mc.synthesize(mr, run)
    bone = (made.volume.array > 250) & made.body.array
    print(f"{mr.grid.shape} voxels, {bone.sum() / made.body.array.sum():.1%} of the body above 250 HU")
    mc.write_nifti(made.volume, output)


if __name__ == "__main__":
    main(*sys.argv[1:4])
