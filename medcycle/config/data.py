"""The keys of a configuration that say how volumes are prepared and cut: pure data."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from medcycle.config.bounds import Count, Hounsfield, Pixels, Section, Share, Spacing
from medcycle.patch_geometry import Plane

__all__ = ["DataConfig"]


class DataConfig(Section):
    """How volumes are prepared and cut into slices or patches."""

    spacing: tuple[Spacing, Spacing, Spacing] = Field(
        (1.0, 1.0, None), description="voxel size (mm) right-left, front-back, foot-head; null: keep the volume's own"
    )
    plane: Plane = Field(
        "axial",
        description="plane of the slices for 2D networks; all: axial, coronal and sagittal slices, whose results are "
        "averaged; needs the same spacing along all axes",
    )
    slices: int = Field(
        1,
        ge=1,
        le=31,
        description="neighbouring slices that a 2D network translates together (2.5D), an odd number; the overlapping "
        "results for each slice are averaged",
    )
    patch_size: tuple[Pixels, ...] = Field(
        (256, 256), description="size of a training patch in pixels (2D) or voxels (3D)"
    )
    hu_window: tuple[Hounsfield, Hounsfield] = Field((-1024.0, 2000.0), description="HU values that map to -1 and +1")
    soft_tissue: tuple[Hounsfield, Hounsfield] | None = Field(
        (-200.0, 200.0),
        description="HU range that takes up half of [-1, 1]; null: a linear window",
    )
    mr_normalisation: Literal["percentile", "z-score", "nyul"] = Field(
        "percentile",
        description="how MR signal is scaled: by its range in the body, by its mean and standard deviation there, or "
        "by matching its deciles to those of all MR",
    )
    bias_correction: bool = Field(
        False, description="correct the bias field of MR with N4 first; takes a few seconds per volume"
    )
    mr_percentile: float = Field(
        99.5, gt=50, le=100, description="percentile of the MR signal in the body that maps to +1"
    )
    min_body_fraction: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="leave slices out of training if a smaller fraction of their area lies in the body",
    )
    bone_air_sampling: float = Field(
        0.0,
        ge=0,
        le=1,
        description="how strongly to favour CT slices with much air and bone; 0: sample all slices equally (2D; with "
        "plane: all, axial slices only)",
    )
    match_height: bool = Field(
        False,
        description="sample MR slices at the same height in the body as the CT slices; for similar fields of view (2D)",
    )
    validation_fraction: float = Field(
        0.0, ge=0, lt=1, description="fraction of patients held out for validation; at least one patient, unless 0"
    )
    folds: int | None = Field(
        None,
        ge=2,
        le=1000,
        description="number of cross-validation folds, instead of validation_fraction; null for none",
    )
    fold: int = Field(0, ge=0, lt=1000, description="the fold to hold out, counted from 0")
    split_file: str | None = Field(
        None,
        description="YAML or JSON file that maps patients or cases to train or validation, instead of a fraction or "
        "folds; null for none",
    )
    deformed_ct: Count = Field(
        0,
        description="number of deformed CT to add: each is a training CT registered to the anatomy of another, which "
        "takes a few seconds; n CT give at most n (n - 1)",
    )
    flip: bool = Field(True, description="mirror left and right at random; not for sagittal slices")
    augmentation: Literal["none", "light", "strong"] = Field(
        "light",
        description="random changes to patches: light rotates by up to 5 degrees and scales by up to 5 %; strong also "
        "deforms, and changes the gamma and bias field of MR; use strong when pairs are few",
    )
    body_share: Share = Field(
        0.0, description="fraction of patches centred on a voxel of the body; the others lie anywhere"
    )
    source: Literal["mr", "cbct"] = Field(
        "mr",
        description="what CT is made from: MR, or cone-beam CT (CBCT), which is given in its place and scaled like CT",
    )
    simulated_cbct: Count = Field(
        0,
        description="number of simulated CBCT to make from the training CT, as registered pairs; each takes up to a "
        "minute; needs source: cbct",
    )
    pictures: bool = Field(
        False, description="PNG, JPEG or NumPy pictures instead of scans; grey or RGB, of any sizes; needs slices: 3"
    )
    names: tuple[str, str] | None = Field(
        None, description="what the two kinds of pictures are called, in the order of --mr and --ct; null: mr and ct"
    )

    @property
    def domains(self) -> tuple[str, str]:
        """The names of what is translated into each other."""
        return self.names or ("mr", "ct")

    @model_validator(mode="after")
    def _keys_fit(self) -> Self:
        if self.plane == "all" and (None in self.spacing or len(set(self.spacing)) > 1):
            raise ValueError(
                f"data.plane: all needs the same data.spacing along all axes, as in [1, 1, 1], not {list(self.spacing)}"
            )
        if self.slices % 2 == 0:
            raise ValueError(f"data.slices is {self.slices}; give an odd number")
        ends = (self.hu_window[0], *(self.soft_tissue or ()), self.hu_window[1])
        if list(ends) != sorted(set(ends)):
            raise ValueError(
                f"data.soft_tissue must lie inside data.hu_window, each with the lower end first, not {ends}"
            )
        if self.folds and self.fold >= self.folds:
            raise ValueError(f"data.fold is {self.fold}; of {self.folds} folds the last is {self.folds - 1}")
        return self

    @model_validator(mode="after")
    def _source_fits(self) -> Self:
        if self.simulated_cbct and (self.source != "cbct" or self.plane != "axial"):
            raise ValueError("data.simulated_cbct needs data.source: cbct and data.plane: axial")
        if self.pictures and self.source != "mr":
            raise ValueError("data.source is of scans; leave it out for data.pictures")
        if self.pictures and (self.slices != 3 or self.plane != "axial"):
            raise ValueError("data.pictures needs data.slices: 3, for red, green and blue, and data.plane: axial")
        if self.names and not self.pictures:
            raise ValueError("data.names are of data.pictures; leave them out for scans")
        if self.names and (self.names[0] == self.names[1] or not all(map(str.isidentifier, self.names))):
            raise ValueError(f"data.names {list(self.names)}: give two different words of letters and digits")
        return self
