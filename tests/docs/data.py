"""What the pages call MR_FOLDER, OUTPUT or runs/first: generated, small, and made when a page first asks for it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom

from medcycle.cli.main import execute
from medcycle.phantom import HeadPhantom, head_grid, write_cohort
from medcycle.phantom.dicom_series import write_dataset, write_series
from tests.io.support import structure_set
from tests.node.support import with_meta
from tests.test_pictures import BLUE, RED, write_discs

SHORT = {"training.max_steps": 2, "training.validations": 0, "data.deformed_ct": 0}
"""What makes a training short."""

SMALL = {"network.filters": 4, "data.patch_size": [64, 64]}
"""What makes its networks small."""

SPACING = (4.0, 4.0, 9.0)


def options(settings: dict[str, object]) -> list[str]:
    """Settings as a command takes them."""
    return [f"--set={key}={value}" for key, value in settings.items()]


class Data:
    """Makes each thing once, in a folder of its own.

    Args:
        folder: holds what has been made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.makers: dict[str, Callable[[Path], object]] = {
            "MR_FOLDER": self._heads("mr"),
            "CT_FOLDER": self._heads("ct"),
            **{name: self._heads("test/mr", 1) for name in ("HEAD_MR", "NEW_MR", "ANY_MR")},
            **{name: self._heads("test/ct", 1) for name in ("TRUE_CT", "NEW_CT")},
            **{name: self._heads("test/mr") for name in ("PAIRED_MR", "REGISTERED_MR")},
            **{name: self._heads("test/ct") for name in ("PAIRED_CT", "REGISTERED_CT")},
            "CBCT_FOLDER": self._heads("test/ct"),
            "mr.nii.gz": self._head("test/mr", 0),
            "ct.nii.gz": self._head("test/ct", 0),
            "sct.nii.gz": self._head("test/ct", 0),
            "smr.nii.gz": self._head("test/mr", 0),
            "other_ct.nii.gz": self._head("test/ct", 1),
            "MR_SERIES": self._series("MR"),
            "CT_SERIES": self._series("CT"),
            "PET_SERIES": self._series("CT"),
            "drawn_on_mr.dcm": self._structures,
            "labels.nii.gz": self._labels,
            "synthetic_labels.nii.gz": self._labels,
            "scanner.csv": lambda path: path.write_text("HU,SPR\n-1000,0.001\n0,1.0\n3100,1.9\n"),
            **{name: lambda path: write_discs(path, RED, range(2)) for name in ("trainA", "testA")},
            **{name: lambda path: write_discs(path, BLUE, range(2)) for name in ("trainB", "testB")},
            "runs/first": self._first,
            "runs/heads": lambda path: self._train("head_ct_only", path, "--ct", self["CT_FOLDER"]),
            "OUTPUT": lambda path: self._call("synthesize", self["runs/first"], self["NEW_MR"], path),
            **dict.fromkeys(("scores", "scores/cyclegan", "scores/cut"), self._scores),
        }

    def __getitem__(self, name: str) -> Path:
        """The thing of this name, made if need be; one that can't be made is a name of its own, as `head`."""
        if name not in self.makers:
            return Path(name)
        path = self.folder / name.replace("/", "-")
        if not path.exists():
            self.makers[name](path)
        return path

    def put(self, name: str, folder: Path) -> None:
        """Copy the thing of this name into a folder, if it can be made and isn't there."""
        if name in self.makers and not (to := folder / name).exists():
            made = self[name]
            to.parent.mkdir(parents=True, exist_ok=True)
            if made.is_dir():
                shutil.copytree(made, to, dirs_exist_ok=True)
            else:
                shutil.copy(made, to)

    def _call(self, *given: object) -> None:
        assert execute([str(item) for item in given]) == 0, given

    def _cohort(self) -> Path:
        cohort = self.folder / "cohort"
        if not cohort.exists():
            write_cohort(cohort, patients=2, paired_cases=2, spacing=SPACING)
        return cohort

    def _heads(self, part: str, number: int = 2) -> Callable[[Path], object]:
        def make(path: Path) -> None:
            path.mkdir()
            for file in sorted((self._cohort() / part).iterdir())[:number]:
                shutil.copy(file, path)

        return make

    def _head(self, part: str, number: int) -> Callable[[Path], object]:
        return lambda path: shutil.copy(sorted((self._cohort() / part).iterdir())[number], path)

    def _series(self, modality: str) -> Callable[[Path], object]:
        def make(path: Path) -> None:
            head, grid = HeadPhantom.random(7), head_grid(spacing=SPACING, orientation="LPS")
            write_series(head.mr(grid) if modality == "MR" else head.ct(grid), path, modality=modality)

        return make

    def _structures(self, path: Path) -> None:
        slices = [pydicom.dcmread(file) for file in sorted(self["MR_SERIES"].iterdir())]
        middle = slices[len(slices) // 2]
        x, y, z = (float(v) for v in middle.ImagePositionPatient)
        square = np.array([[x + a, y + b, z] for a, b in ((80, 80), (120, 80), (120, 120), (80, 120))])
        write_dataset(with_meta(structure_set(slices, {"Bolus": [(square, middle)]})), path)

    def _labels(self, path: Path) -> None:
        import nibabel as nib  # noqa: PLC0415 - one of the things only needs it

        ct = nib.load(self["ct.nii.gz"])
        nib.save(nib.Nifti1Image((ct.get_fdata() > 250).astype(np.uint8), ct.affine), path)

    def _first(self, path: Path) -> None:
        """A run that has held out one MR."""
        split = self.folder / "split.yaml"
        split.write_text("mr000: train\nmr001: validation\n")
        both = ("--mr", self["MR_FOLDER"], "--ct", self["CT_FOLDER"])
        self._train("demo", path, *both, f"--set=data.split_file={split}")

    def _train(self, recipe: str, path: Path, *given: object) -> None:
        self._call("train", recipe, *given, "--output", path, "--device=cpu", *options(SHORT | SMALL))

    def _scores(self, path: Path) -> None:
        self._call("evaluate", "--real", self["TRUE_CT"], "--synthetic", self["OUTPUT"], "--output", path)
