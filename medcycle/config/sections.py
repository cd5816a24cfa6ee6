"""The keys of a configuration, with their ranges and defaults: pure data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self, get_args

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from medcycle.config.bounds import Count, Hounsfield, Pixels, Range, Section, Share, Spacing, Weight
from medcycle.config.choice import CHOICES
from medcycle.config.method import METHODS, AnyMethod, CycleGanConfig
from medcycle.config.network import NETWORKS, AnyNetwork, ResnetConfig
from medcycle.config.training import TrainingConfig
from medcycle.config.unused import tell_unused, unused_keys
from medcycle.patch_geometry import PatchGeometry, Plane

__all__ = [
    "KINDS",
    "Config",
    "DataConfig",
    "RandomizeConfig",
]

Family = Literal["t1", "t1 gradient echo", "t1 contrast", "t2", "pd", "flair", "stir", "dixon", "ute"]


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
        if self.pictures and (self.slices != 3 or self.plane != "axial"):
            raise ValueError("data.pictures needs data.slices: 3, for red, green and blue, and data.plane: axial")
        if self.names and not self.pictures:
            raise ValueError("data.names are of data.pictures; leave them out for scans")
        if self.names and (self.names[0] == self.names[1] or not all(map(str.isidentifier, self.names))):
            raise ValueError(f"data.names {list(self.names)}: give two different words of letters and digits")
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


class RandomizeConfig(Section):
    """Simulated MR made from CT with random tissue contrast."""

    effects: Literal["head", "body", "plain"] = Field(
        "head",
        description="effects in simulated MR: those of head MR, or of abdominal and pelvic MR; plain: only noise and a "
        "bias field, for generated heads",
    )
    families: tuple[Family, ...] = Field(
        get_args(Family), min_length=1, description="the MR sequences whose contrasts are simulated"
    )
    measured_share: Share = Field(
        0.0, description="fraction of contrasts measured on the MR, once training allows; the others are random"
    )
    vary_bone: bool = Field(
        False, description="vary the thickness and density of bone at random; prevents overfitting to few CT"
    )
    thickness: Range = Field(
        (1.0, 6.0),
        description="range of slice spacing in mm, centre to centre; thick slices extend up to halfway to the next "
        "(2D; 2.5D only with method randomized)",
    )
    thick_share: Share = Field(
        0.5, description="fraction of images with thick slices; the others are thin; 0: keep the slices of the CT"
    )
    air_weight: Weight = Field(1.0, description="weight of errors in air inside the body")
    bone_weight: Weight = Field(1.0, description="weight of errors in bone")


KINDS: Mapping[str, Mapping[str, type[Section]]] = {"network": NETWORKS, "method": METHODS}
"""Sections whose keys depend on their `name`, and what they are for each."""


def _with_keys_of_files(schema: dict[str, Any]) -> None:
    """What files may have besides the sections."""
    value_or_list = {
        name: {"anyOf": [{"enum": [*values]}, {"type": "array", "items": {"enum": [*values]}, "minItems": 1}]}
        for name, values in CHOICES.items()
    }
    choice = {"type": "object", "properties": value_or_list, "additionalProperties": False, "minProperties": 1}
    variant = {
        "type": "object",
        "properties": {
            "when": choice | {"description": "the method, dims or device it applies to"},
            "instead": {"type": "string", "description": "the recipe to use instead; excludes sections"},
            **{section: {"type": "object", "description": f"keys of {section}"} for section in Config.model_fields},
        },
        "required": ["when"],
        "additionalProperties": False,
    }
    schema["properties"] |= {
        "base": {"type": "string", "description": "the configuration this one builds on"},
        "description": {"type": "string", "description": "one or two sentences"},
        "variants": {
            "type": "array",
            "items": variant,
            "description": "changes for other methods, dims or devices, applied in order",
        },
    }


class Config(Section):
    """A whole configuration."""

    model_config = ConfigDict(json_schema_extra=_with_keys_of_files)

    data: DataConfig = DataConfig()
    randomize: RandomizeConfig = RandomizeConfig()
    network: AnyNetwork = ResnetConfig()
    method: AnyMethod = CycleGanConfig()
    training: TrainingConfig = TrainingConfig()

    @model_validator(mode="before")
    @classmethod
    def _with_usual_names(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        usual = {section: {"name": cls.model_fields[section].default.name} for section in KINDS}
        given = {section: values[section] for section in KINDS if isinstance(values.get(section), Mapping)}
        return dict(values) | {section: usual[section] | dict(keys) for section, keys in given.items()}

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if len(self.data.patch_size) != self.network.spatial_dims:
            raise ValueError(
                f"data.patch_size has {len(self.data.patch_size)} sizes, network.spatial_dims is "
                f"{self.network.spatial_dims}; give one size per dimension"
            )
        if any(size % 4 or size < 32 for size in self.data.patch_size):
            raise ValueError(f"data.patch_size {list(self.data.patch_size)} needs multiples of 4, each at least 32")
        if self.network.spatial_dims == 3 and (self.data.plane, self.data.slices) != ("axial", 1):
            raise ValueError(
                "data.plane and data.slices only apply to network.spatial_dims: 2; leave them at axial and 1"
            )
        if self.data.pictures:
            self._pictures_fit()
        own = ("resnet", "unet")
        fitting = {"cut": own, "regcyclegan": own, "unit": own[:1], "munit": own[:1]}.get(
            self.method.name, (self.network.name,)
        )
        if self.network.name not in fitting:
            needed = " or ".join(fitting)
            raise ValueError(f"method.name {self.method.name} needs network.name {needed}, not {self.network.name}")
        return self

    def _pictures_fit(self) -> None:
        """Raise `ValueError` where a key asks pictures for what only scans have."""
        if self.learns_from_pairs or self.data.deformed_ct:
            raise ValueError(
                "pairs are made from CT, not from data.pictures; set training.warm_start, data.deformed_ct and "
                "method.simulated_pair_weight to 0, or choose another method.name"
            )
        if self.training.validations:
            raise ValueError("validation is in HU, which data.pictures don't have; set training.validations to 0")

    @model_validator(mode="after")
    def _all_does_something(self) -> Self:
        if unused := list(unused_keys(self)):
            raise PydanticCustomError("unused", "{told}", {"told": tell_unused(unused), "unused": unused})
        return self

    @property
    def geometry(self) -> PatchGeometry:
        """The voxels, slices and patches that the network takes."""
        data = self.data
        return PatchGeometry(self.network.spatial_dims, data.plane, data.slices, data.patch_size, data.spacing)

    @property
    def learns_from_pairs(self) -> bool:
        """Whether pairs are made from CT, in all steps or in some."""
        return self.method.needs_pairs or self.training.warm_start > 0
