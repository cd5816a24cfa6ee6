"""The keys of a configuration, with their ranges and defaults: pure data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self, get_args

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from medcycle.config.bounds import Range, Section, Share, Weight
from medcycle.config.choice import CHOICES
from medcycle.config.data import DataConfig
from medcycle.config.method import METHODS, AnyMethod, CycleGanConfig
from medcycle.config.network import NETWORKS, AnyNetwork, ResnetConfig
from medcycle.config.training import TrainingConfig
from medcycle.config.unused import tell_unused, unused_keys
from medcycle.patch_geometry import PatchGeometry

__all__ = [
    "KINDS",
    "Config",
    "DataConfig",
    "RandomizeConfig",
]

Family = Literal["t1", "t1 gradient echo", "t1 contrast", "t2", "pd", "flair", "stir", "dixon", "ute"]


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
                f"{self.network.spatial_dims}; give one size per dimension, or "
                "choose --dims instead"
            )
        if any(size % 4 or size < 32 for size in self.data.patch_size):
            raise ValueError(f"data.patch_size {list(self.data.patch_size)} needs multiples of 4, each at least 32")
        if self.network.spatial_dims == 3 and (self.data.plane, self.data.slices) != ("axial", 1):
            raise ValueError(
                "data.plane and data.slices only apply to network.spatial_dims: 2; leave them at axial and 1"
            )
        if self.data.pictures:
            self._pictures_fit()
        if self.data.source == "cbct":
            self._cbct_fits()
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

    def _cbct_fits(self) -> None:
        """Raise `ValueError` where a key asks for simulated MR."""
        if self.learns_from_pairs:
            raise ValueError(
                "simulated MR is not for data.source: cbct; set training.warm_start and method.simulated_pair_weight "
                "to 0, or method.name to pix2pix"
            )

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
    def needs_source(self) -> bool:
        """Whether there is nothing to learn without MR, or CBCT."""
        return self.method.needs_mr and not self.data.simulated_cbct

    @property
    def learns_from_pairs(self) -> bool:
        """Whether pairs are made from CT, in all steps or in some."""
        return self.method.needs_pairs or self.training.warm_start > 0
