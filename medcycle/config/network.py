"""The networks, a section an architecture: pure data."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from medcycle.config.fields import Channels, Layers, Section

__all__ = [
    "NETWORKS",
    "AnyNetwork",
    "AttentionUnetConfig",
    "DynUnetConfig",
    "NetworkConfig",
    "ResnetConfig",
    "SwinUnetrConfig",
    "UnetConfig",
]

WIDEST_TRANSFORMER = 192
"""of which a 3D network has a thousand million weights."""


class NetworkConfig(Section):
    """What all generators have, and the discriminators."""

    name: str
    spatial_dims: Literal[2, 3] = Field(2, description="2 for slices, 3 for patches of volumes")
    members: int = Field(
        1,
        ge=1,
        le=16,
        description="networks that a generator is the mean of; each learns from its own part of every batch; "
        "not with cut, unit and munit",
    )
    filters: Channels = Field(64, description="channels of the generator's first layer")
    norm: Literal["instance", "group", "layer", "none"] = Field("instance", description="how layers are normalised")
    discriminator_filters: Channels = Field(64, description="channels of the discriminator's first layer")
    discriminator_layers: int = Field(
        3, ge=0, le=6, description="strided layers of the PatchGAN; 3 see 70 pixels each, 0 sees one"
    )
    discriminator_scales: int = Field(
        1, ge=1, le=4, description="how many discriminators, each on images half as large as the one before"
    )
    spectral_norm: bool = Field(False, description="hold the largest singular value of discriminator layers at 1")


class _WithLevels(Section):
    levels: int = Field(5, ge=2, le=8, description="number of resolutions")


class _WithPadding(Section):
    padding: Literal["reflect", "replicate", "zeros"] = Field("reflect", description="what lies beyond the borders")


class _WithCheckpointing(Section):
    checkpointing: bool = Field(False, description="less memory for a third more time; for 3D; not with unit and munit")


class ResnetConfig(_WithCheckpointing, _WithPadding, NetworkConfig):
    """CycleGAN's residual generator; unit and munit are made of its layers."""

    name: Literal["resnet"] = Field("resnet", description="CycleGAN's residual generator")
    blocks: Layers = Field(
        9, description="residual blocks, 6 or 9; in unit and munit those of each encoder and decoder, 4 there"
    )
    upsampling: Literal["transposed", "resize"] = Field(
        "resize", description="transposed convolution, or interpolation and convolution (no checkerboards)"
    )


class UnetConfig(_WithCheckpointing, _WithPadding, _WithLevels, NetworkConfig):
    """A U-Net, which learns faster."""

    name: Literal["unet"] = Field(description="a U-Net, which learns faster")
    shuffle: Literal[1, 2, 4] = Field(
        2, description="side of the blocks of pixels that become channels; 2 is three times faster than 1"
    )


class AttentionUnetConfig(_WithLevels, NetworkConfig):
    """MONAI's U-Net with attention gates."""

    name: Literal["attention-unet"] = Field(description="MONAI's U-Net with attention gates")


class DynUnetConfig(_WithLevels, NetworkConfig):
    """MONAI's form of nnU-Net's U-Net."""

    name: Literal["dynunet"] = Field(description="MONAI's form of nnU-Net's U-Net")


class SwinUnetrConfig(_WithCheckpointing, NetworkConfig):
    """MONAI's U-Net with a transformer as encoder."""

    name: Literal["swin-unetr"] = Field(description="MONAI's U-Net with a transformer as encoder")

    @model_validator(mode="after")
    def _widths_fit(self) -> Self:
        if self.filters % 12:
            raise ValueError(f"network.filters {self.filters} of swin-unetr has to be a multiple of 12, as 24")
        if self.filters > WIDEST_TRANSFORMER:
            raise ValueError(
                f"network.filters {self.filters} of swin-unetr has to be {WIDEST_TRANSFORMER} or less; wider ones fit "
                "into no memory"
            )
        return self


AnyNetwork = Annotated[
    ResnetConfig | UnetConfig | AttentionUnetConfig | DynUnetConfig | SwinUnetrConfig, Field(discriminator="name")
]

NETWORKS: dict[str, type[NetworkConfig]] = {
    get_args(kind.model_fields["name"].annotation)[0]: kind for kind in get_args(get_args(AnyNetwork)[0])
}
"""The section of each architecture, by its name."""
