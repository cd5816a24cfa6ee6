"""The method and its losses: pure data."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from medcycle.config.fields import AboveZero, Positive, Section, Share, Weight

__all__ = ["MethodConfig"]


class MethodConfig(Section):
    """The method and the weights of its losses."""

    name: Literal["cyclegan", "randomized", "pix2pix", "hybrid", "cut", "unit", "munit", "regcyclegan"] = Field(
        "cyclegan",
        description="cyclegan: both directions, from MR and CT; randomized: MR to CT, from CT alone; pix2pix: MR to "
        "CT, from registered pairs; hybrid: both directions, from MR and CT of which some are registered pairs; "
        "cut: MR to CT, from MR and CT, held by contrasting patches; unit: both directions, by a code that both share; "
        "munit: both directions, by contents that both share and styles of their own; regcyclegan: both directions, "
        "from MR and CT of which some are pairs that lie on each other roughly",
    )
    cycle_weight: Weight = Field(10.0, description="weight of the cycle loss; not in randomized, pix2pix, cut")
    cycle_ssim_share: Share = Field(
        0.0,
        description="cyclegan, hybrid, regcyclegan: part of that weight for one minus the structural similarity, "
        "instead of L1",
    )
    identity_weight: Weight = Field(5.0, description="cyclegan, hybrid, regcyclegan: weight of the identity loss")
    identity_until: Share = Field(
        0.0, description="part of the run in which that weight falls to nothing; 0 to keep it"
    )
    adversarial_weight: Weight | None = Field(
        None, description="weight of the adversarial losses; null for none in randomized and 1 elsewhere"
    )
    adversarial_loss: Literal["least-squares", "vanilla", "hinge", "wgan-gp"] = Field(
        "least-squares", description="how judgements become losses; vanilla is the cross-entropy"
    )
    gradient_penalty: Weight = Field(10.0, description="wgan-gp: weight of the penalty on the discriminators' slopes")
    adversaries: Literal["auto", "both", "mr"] = Field(
        "auto",
        description="cyclegan, hybrid, regcyclegan: which synthetic images are judged; mr: those alone, while "
        "synthetic CT is learned from pairs and from synthetic MR; auto: mr where pairs anchor "
        "synthetic CT (anchor_weight), else both",
    )
    anchor_weight: Weight = Field(
        0.0,
        description="weight of the L1 loss on MR-like images made from the CT by random contrast, beside unpaired "
        "scans; 0 for none",
    )
    l1_weight: Weight = Field(
        10.0,
        description="weight of the L1 loss on MR-like images in a warm start and in randomized, and of that on "
        "registered pairs in pix2pix, where 100 is usual",
    )
    reconstruction_weight: Weight = Field(
        10.0, description="unit, munit: weight of the L1 loss of images decoded as they were"
    )
    content_weight: Weight = Field(1.0, description="munit: weight of the L1 loss of contents found again")
    style_weight: Weight = Field(1.0, description="munit: weight of the L1 loss of styles found again")
    styles: Positive = Field(8, description="munit: numbers in a style")
    latent_weight: Weight = Field(0.01, description="unit: weight of the codes' distance from a unit Gaussian")
    nce_weight: Weight = Field(1.0, description="cut: weight of the contrastive loss; 10 in FastCUT")
    nce_identity_weight: Weight = Field(
        1.0, description="cut: weight of that loss on CT that MR to CT is to leave alone; 0 in FastCUT"
    )
    nce_patches: Positive = Field(256, description="cut: places in each level of features")
    nce_width: Positive = Field(256, description="cut: width of what describes a patch")
    nce_flip: bool = Field(False, description="cut: mirror the input in half of the steps, as FastCUT does")
    registered_weight: Weight = Field(
        10.0,
        description="hybrid, regcyclegan: weight of the L1 losses on registered pairs, in hybrid of both directions; "
        "20 is usual in regcyclegan",
    )
    registered_share: Share = Field(0.5, description="hybrid, regcyclegan: part of the steps with a pair as well")
    smoothness_weight: Weight = Field(10.0, description="regcyclegan: weight of the roughness of displacements")
    largest_displacement: AboveZero = Field(8.0, description="regcyclegan: voxels that pairs may be apart, at most")
    gradient_weight: Weight = Field(0.0, description="randomized, pix2pix: weight of the loss on slopes; 0 for none")
    mind_weight: Weight = Field(
        0.0,
        description="weight of the difference of MIND descriptors between a synthetic image and its input (methods "
        "that learn from unpaired scans); of CT to MR alone where synthetic CT has no adversary",
    )
    gradient_consistency_weight: Weight = Field(
        0.0, description="weight of one minus the correlation of their slopes, in the same way"
    )
    mutual_information_weight: Weight = Field(
        0.0, description="weight of minus their mutual information, in the same way"
    )
    shape_weight: Weight = Field(
        0.0, description="weight of one minus the Dice coefficient of their bodies' outlines, in the same way"
    )
    outside_weight: Weight = Field(
        1.0,
        description="how much what lies outside the body counts in cycle, identity and reconstruction losses of "
        "unpaired scans",
    )

    @model_validator(mode="after")
    def _all_is_learned(self) -> Self:
        if self.name in {"cyclegan", "hybrid", "regcyclegan"} and self.adversaries == "mr" and not self.anchor_weight:
            raise ValueError(
                "method.adversaries mr leaves synthetic CT nothing to learn from; set method.anchor_weight above 0, or "
                "take both"
            )
        return self

    @property
    def needs_mr(self) -> bool:
        """Whether there is nothing to learn without MR."""
        return self.name != "randomized"

    @property
    def needs_registered(self) -> bool:
        """Whether registered MR and CT of the same patients are learned from."""
        return self.name in ("pix2pix", "hybrid", "regcyclegan")

    @property
    def adversarial(self) -> float:
        """The weight of the adversarial losses."""
        usual = 0.0 if self.name == "randomized" else 1.0
        return usual if self.adversarial_weight is None else self.adversarial_weight

    @property
    def needs_pairs(self) -> bool:
        """Whether pairs made from CT are learned from in every step."""
        return self.name == "randomized" or self.anchor_weight > 0

    @property
    def judges_ct(self) -> bool:
        """Whether a CycleGAN's synthetic CT have an adversary."""
        return self.adversaries == "both" or (self.adversaries == "auto" and not self.anchor_weight)
