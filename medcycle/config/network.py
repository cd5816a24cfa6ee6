"""The networks, a section an architecture: pure data."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from medcycle.config.bounds import Channels, LayerCount, Section

__all__ = [
    "NETWORKS",
    "AnyNetwork",
    "MonaiConfig",
    "NetworkConfig",
    "ResnetConfig",
    "UnetConfig",
]

Number = Annotated[int, Field(ge=-1, le=4096)] | Annotated[float, Field(ge=-4096, le=4096)]
Argument = bool | Number | Annotated[str, Field(max_length=40)] | Annotated[tuple[Number, ...], Field(max_length=16)]
"""What a network of MONAI may be made with: plain values, none of them large."""


class NetworkConfig(Section):
    """What all generators have, and the discriminators."""

    name: str
    spatial_dims: Literal[2, 3] = Field(2, description="2 for slices, 3 for patches of volumes")
    discriminator_filters: Channels = Field(64, description="channels of the discriminator's first layer")
    discriminator_layers: int = Field(
        3,
        ge=0,
        le=6,
        description="strided layers of the PatchGAN; with 3 it judges patches of 70 pixels, with 0 single pixels",
    )


class _OwnConfig(NetworkConfig):
    filters: Channels = Field(64, description="channels of the generator's first layer")

    checkpointing: bool = Field(
        False, description="gradient checkpointing: saves memory, takes a third longer; for 3D; not with unit or munit"
    )


class ResnetConfig(_OwnConfig):
    """CycleGAN's residual generator; unit and munit are made of its layers."""

    name: Literal["resnet"] = Field("resnet", description="CycleGAN's residual generator")
    blocks: LayerCount = Field(
        9, description="residual blocks, usually 6 or 9; for unit and munit, per encoder and decoder, usually 4"
    )
    upsampling: Literal["transposed", "resize"] = Field(
        "resize", description="transposed convolution, or resizing followed by convolution (no checkerboard artefacts)"
    )


class UnetConfig(_OwnConfig):
    """A U-Net, which learns faster."""

    name: Literal["unet"] = Field(description="a U-Net, which learns faster than resnet")
    levels: int = Field(5, ge=2, le=8, description="number of resolutions")
    shuffle: Literal[1, 2, 4] = Field(
        2, description="pixel-unshuffle factor at the input; 2 is three times faster than 1"
    )


class MonaiConfig(NetworkConfig):
    """A network of MONAI, made with the arguments given."""

    name: Literal["monai"] = Field(description="a network from MONAI, for experiments")
    type: Literal["BasicUNet", "DynUNet", "SegResNet", "SwinUNETR", "UNet", "UNETR"] = Field(
        "SegResNet", description="class in monai.networks.nets"
    )
    arguments: dict[str, Argument] = Field(
        {}, max_length=32, description="arguments of the class, other than dimensions and input and output channels"
    )
    multiple: int = Field(32, ge=1, le=256, description="pad images to a multiple of this, as the network requires")


AnyNetwork = Annotated[ResnetConfig | UnetConfig | MonaiConfig, Field(discriminator="name")]

NETWORKS: dict[str, type[NetworkConfig]] = {
    get_args(kind.model_fields["name"].annotation)[0]: kind for kind in get_args(get_args(AnyNetwork)[0])
}
"""The section of each architecture, by its name."""
