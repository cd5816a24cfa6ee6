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
        (1.0, 1.0, None), description="voxel size (mm) right-left, front-back, foot-head; null keeps the volume's own"
    )
    plane: Plane = Field(
        "axial",
        description="the slices that 2D networks work on; all: slices of all three planes, whose translations are "
        "averaged, from one spacing along all axes",
    )
    slices: int = Field(
        1,
        ge=1,
        le=31,
        description="neighbouring slices that a 2D network translates at once, odd (2.5D); each slice is the mean of "
        "what is made of it",
    )
    patch_size: tuple[Pixels, ...] = Field((256, 256), description="pixels (2D) or voxels (3D) of a training patch")
    hu_window: tuple[Hounsfield, Hounsfield] = Field(
        (-1024.0, 2000.0), description="Hounsfield units that map to -1 and +1"
    )
    soft_tissue: tuple[Hounsfield, Hounsfield] | None = Field(
        (-200.0, 200.0),
        description="Hounsfield units that get half of [-1, 1]; null: a linear window",
    )
    mr_normalisation: Literal["percentile", "z-score", "nyul"] = Field(
        "percentile",
        description="what an MR's signal in the body is scaled by: its range, its mean and spread, or the deciles of "
        "all MR",
    )
    bias_correction: bool = Field(
        False, description="remove the receive field of MR by N4 first; some seconds a volume"
    )
    mr_percentile: float = Field(99.5, gt=50, le=100, description="percentile of the MR in the body that maps to +1")
    min_body_fraction: float = Field(
        0.05, ge=0, lt=1, description="slices with less of their area in the body than this are not trained on"
    )
    bone_air_sampling: float = Field(
        0.0,
        ge=0,
        le=1,
        description="how far CT slices are drawn by how much air and bone they show, 0 for all alike (2D; of plane all "
        "in axial ones)",
    )
    match_height: bool = Field(
        False,
        description="draw MR slices as high in the body as the CT slices beside them; for fields of view alike (2D)",
    )
    validation_fraction: float = Field(
        0.0, ge=0, lt=1, description="part of the patients that are not trained on; one at least unless it is 0"
    )
    folds: int | None = Field(None, ge=2, le=1000, description="hold out every folds-th patient instead; null for none")
    fold: int = Field(0, ge=0, lt=1000, description="which of the folds is held out, from 0")
    split_file: str | None = Field(
        None, description="YAML or JSON of patient or case to train or validation, instead of both; null for none"
    )
    deformed_ct: Count = Field(
        0,
        description="CT to train on besides, each of them one of those trained on in the shape of another, which some "
        "seconds of registration give; n CT have n (n - 1) at most",
    )
    flip: bool = Field(True, description="mirror left and right at random; not for sagittal slices")
    augmentation: Literal["none", "light", "strong"] = Field(
        "light",
        description="random changes of patches: light turns them by up to 5 degrees and sizes them by up to 5 %; "
        "strong also bends them, and changes gamma and receive field of MR, for few pairs",
    )
    body_share: Share = Field(
        0.0, description="part of the patches with a voxel of the body in the middle; the others lie anywhere"
    )

    @model_validator(mode="after")
    def _keys_fit(self) -> Self:
        if self.plane == "all" and (None in self.spacing or len(set(self.spacing)) > 1):
            raise ValueError(
                f"data.plane all needs one data.spacing along all axes, as [1, 1, 1], not {list(self.spacing)}"
            )
        if self.slices % 2 == 0:
            raise ValueError(f"data.slices {self.slices} has no middle; give an odd number")
        ends = (self.hu_window[0], *(self.soft_tissue or ()), self.hu_window[1])
        if list(ends) != sorted(set(ends)):
            raise ValueError(f"data.hu_window and data.soft_tissue need rising ends, soft tissue inside, not {ends}")
        if self.folds and self.fold >= self.folds:
            raise ValueError(f"data.fold is {self.fold}; of {self.folds} folds the last is {self.folds - 1}")
        return self


class RandomizeConfig(Section):
    """The simulated MR that are made from CT by random tissue contrast."""

    effects: Literal["head", "body", "plain"] = Field(
        "head",
        description="what simulated MR show beside their contrast: what MR of heads do, or of abdomen and pelvis; "
        "plain: noise and a receive field alone, for generated heads",
    )
    families: tuple[Family, ...] = Field(
        get_args(Family), min_length=1, description="the kinds of sequences that contrasts are drawn from"
    )
    measured_share: Share = Field(
        0.0, description="part of the contrasts that are measured on the MR, after some steps; the others are drawn"
    )
    vary_bone: bool = Field(
        False, description="make bone thicker or thinner, denser or lighter at random, or few CT are learned by heart"
    )
    thickness: Range = Field(
        (1.0, 6.0),
        description="range of the distance of slices, mm, from middle to middle; thick ones reach halfway to the next "
        "(2D; 2.5D by the method randomized alone)",
    )
    thick_share: Share = Field(
        0.5, description="part of the images of thick slices; the others are thin; 0 for slices as they are"
    )
    air_weight: Weight = Field(1.0, description="how much an error in air within the body counts")
    bone_weight: Weight = Field(1.0, description="how much an error in bone counts")


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
            "when": choice | {"description": "the method, dims or device that it is for"},
            "instead": {"type": "string", "description": "the recipe to use instead, in place of sections"},
            **{section: {"type": "object", "description": f"keys of {section}"} for section in Config.model_fields},
        },
        "required": ["when"],
        "additionalProperties": False,
    }
    schema["properties"] |= {
        "base": {"type": "string", "description": "a configuration that this one changes"},
        "description": {"type": "string", "description": "one or two sentences"},
        "variants": {"type": "array", "items": variant, "description": "what another choice changes, in order"},
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
                f"{self.network.spatial_dims}; give one size a dimension"
            )
        if any(size % 4 or size < 32 for size in self.data.patch_size):
            raise ValueError(f"data.patch_size {list(self.data.patch_size)} needs multiples of 4, 32 or more")
        if self.network.spatial_dims == 3 and (self.data.plane, self.data.slices) != ("axial", 1):
            raise ValueError("data.plane and data.slices are for network.spatial_dims: 2; leave them axial and 1")
        own = ("resnet", "unet")
        fitting = {"cut": own, "regcyclegan": own, "unit": own[:1], "munit": own[:1]}.get(
            self.method.name, (self.network.name,)
        )
        if self.network.name not in fitting:
            needed = " or ".join(fitting)
            raise ValueError(f"method.name {self.method.name} needs network.name {needed}, not {self.network.name}")
        return self

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
