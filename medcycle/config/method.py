"""The methods and their losses, a section each: pure data."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from medcycle.config.bounds import AboveZero, Channels, Section, Weight

__all__ = [
    "METHODS",
    "AnyMethod",
    "CutConfig",
    "CycleGanBaseConfig",
    "CycleGanConfig",
    "HybridConfig",
    "MethodConfig",
    "MunitConfig",
    "PartlyRegisteredConfig",
    "Pix2PixConfig",
    "RandomizedConfig",
    "RegCycleGanConfig",
    "SupervisedConfig",
    "UnitConfig",
    "UnpairedConfig",
]


class MethodConfig(Section):
    """What all methods have, and what can be asked of any."""

    name: str
    adversarial_weight: Weight | None = Field(
        None, description="weight of the adversarial losses; null: 0 for randomized, 1 for other methods"
    )

    @property
    def needs_mr(self) -> bool:
        """Whether there is nothing to learn without MR."""
        return True

    @property
    def needs_pairs(self) -> bool:
        """Whether pairs made from CT are learned from in every step."""
        return False

    @property
    def registered_part(self) -> float:
        """The part of the steps, 0 to 1, that learn from registered MR and CT of one patient."""
        return 0.0

    @property
    def needs_registered(self) -> bool:
        """Whether there is nothing to learn without registered MR and CT of the same patients."""
        return False

    @property
    def adversarial(self) -> float:
        """The weight of the adversarial losses."""
        return 1.0 if self.adversarial_weight is None else self.adversarial_weight

    @property
    def has_discriminators(self) -> bool:
        """Whether anything judges synthetic images."""
        return True


class SupervisedConfig(MethodConfig):
    """MR to CT, from images that show the same."""

    l1_weight: Weight = Field(
        10.0,
        description="weight of the L1 loss, on simulated pairs in randomized and in a warm start, and on registered "
        "pairs in pix2pix, where 100 is usual",
    )


class RandomizedConfig(SupervisedConfig):
    """MR to CT, from CT alone."""

    name: Literal["randomized"] = Field(description="MR to CT, from CT alone")
    registered_weight: Weight = Field(
        0.0,
        description="weight of the L1 loss on registered pairs, which half of the steps then learn from as well; 0: "
        "learn from CT alone",
    )

    @property
    def needs_mr(self) -> bool:
        """CT is enough, but for registered pairs."""
        return self.registered_weight > 0

    @property
    def needs_pairs(self) -> bool:
        """All steps learn from them."""
        return True

    @property
    def registered_part(self) -> float:
        """Half of the steps, if any."""
        return 0.5 if self.needs_registered else 0.0

    @property
    def needs_registered(self) -> bool:
        """Only if they have a weight."""
        return self.registered_weight > 0

    @property
    def adversarial(self) -> float:
        """The weight of the adversarial loss, usually none."""
        return self.adversarial_weight or 0.0

    @property
    def has_discriminators(self) -> bool:
        """Whether there is an adversarial loss."""
        return self.adversarial > 0


class Pix2PixConfig(SupervisedConfig):
    """MR to CT, from registered pairs (Isola et al. 2017)."""

    name: Literal["pix2pix"] = Field(description="MR to CT, from registered pairs")

    @property
    def registered_part(self) -> float:
        """All steps."""
        return 1.0

    @property
    def needs_registered(self) -> bool:
        """Nothing else is learned from but in a warm start."""
        return True

    @property
    def has_discriminators(self) -> bool:
        """Not without a weight of the adversarial loss."""
        return self.adversarial > 0


class UnpairedConfig(MethodConfig):
    """Methods that learn from unpaired scans, and, with simulated pairs, from CT as well."""

    simulated_pair_weight: Weight = Field(
        0.0,
        description="weight of the simulated-pair loss: L1 on simulated MR made from the CT, in addition to the losses "
        "on unpaired scans; 0 for none",
    )
    l1_weight: Weight = Field(10.0, description="weight of the L1 loss on simulated pairs in a warm start")
    mind_weight: Weight = Field(
        0.0,
        description="weight of the MIND loss, which compares the structure of a synthetic image and its input; only "
        "for CT to MR where synthetic CT has no discriminator",
    )

    @property
    def needs_pairs(self) -> bool:
        """Whether they are learned from in every step."""
        return self.simulated_pair_weight > 0


class CyclicConfig(UnpairedConfig):
    """Methods of both directions, whose images come back."""

    cycle_weight: Weight = Field(10.0, description="weight of the cycle loss")


class CycleGanBaseConfig(CyclicConfig):
    """CycleGAN and its relatives."""

    identity_weight: Weight = Field(5.0, description="weight of the identity loss")
    adversaries: Literal["auto", "both", "mr"] = Field(
        "auto",
        description="which synthetic images have a discriminator; mr: only synthetic MR, while CT is learned from "
        "simulated pairs and the cycle; auto: mr if simulated_pair_weight is above 0, else both",
    )

    @model_validator(mode="after")
    def _all_is_learned(self) -> Self:
        if self.adversaries == "mr" and not self.simulated_pair_weight:
            raise ValueError(
                "method.adversaries: mr leaves synthetic CT nothing to learn from; set method.simulated_pair_weight "
                "above 0, or method.adversaries to both"
            )
        return self

    @property
    def judges_ct(self) -> bool:
        """Whether synthetic CT have an adversary."""
        return self.adversaries == "both" or (self.adversaries == "auto" and not self.simulated_pair_weight)


class CycleGanConfig(CycleGanBaseConfig):
    """Both directions, from MR and CT (Zhu et al. 2017)."""

    name: Literal["cyclegan"] = Field("cyclegan", description="both directions, from MR and CT")


class PartlyRegisteredConfig(CycleGanBaseConfig):
    """Relatives of CycleGAN that learn from registered pairs as well."""

    registered_weight: Weight = Field(
        10.0,
        description="weight of the L1 loss on registered pairs, in both directions for hybrid; 20 is usual for "
        "regcyclegan",
    )

    @property
    def registered_part(self) -> float:
        """Half of the steps."""
        return 0.5

    @property
    def needs_registered(self) -> bool:
        """Some have to be there."""
        return True


class HybridConfig(PartlyRegisteredConfig):
    """Both directions, from paired and unpaired scans (Jin et al. 2019)."""

    name: Literal["hybrid"] = Field(description="both directions, from MR and CT that include some registered pairs")


class RegCycleGanConfig(PartlyRegisteredConfig):
    """A CycleGAN for pairs that lie on each other roughly (Kong et al. 2021)."""

    name: Literal["regcyclegan"] = Field(
        description="both directions, from MR and CT that include some roughly registered pairs"
    )
    largest_displacement: AboveZero = Field(8.0, description="largest misalignment of pairs to correct, in voxels")


class CutConfig(UnpairedConfig):
    """MR to CT, held by contrasting patches (Park et al. 2020)."""

    name: Literal["cut"] = Field(
        description="MR to CT only, from unpaired MR and CT, with a patchwise contrastive loss"
    )
    nce_weight: Weight = Field(1.0, description="weight of the contrastive loss; 10 in FastCUT")
    nce_identity_weight: Weight = Field(
        1.0, description="weight of the contrastive identity loss, on CT given as input; 0 in FastCUT"
    )


class UnitConfig(CyclicConfig):
    """Both directions, by a code that both share (Liu et al. 2017)."""

    name: Literal["unit"] = Field(description="both directions, through a shared latent code")


class MunitConfig(CyclicConfig):
    """Both directions, by contents that both share and styles of their own (Huang et al. 2018)."""

    name: Literal["munit"] = Field(description="both directions, through shared content and a style per modality")
    styles: Channels = Field(8, description="length of the style vector")


AnyMethod = Annotated[
    CycleGanConfig
    | RandomizedConfig
    | Pix2PixConfig
    | HybridConfig
    | CutConfig
    | UnitConfig
    | MunitConfig
    | RegCycleGanConfig,
    Field(discriminator="name"),
]

METHODS: dict[str, type[MethodConfig]] = {
    get_args(kind.model_fields["name"].annotation)[0]: kind for kind in get_args(get_args(AnyMethod)[0])
}
"""The section of each method, by its name."""
