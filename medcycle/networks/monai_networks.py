"""Generators of MONAI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from monai.networks import nets
from torch import Tensor, nn

from medcycle.errors import ConfigError
from medcycle.networks.layers import cut_to, to_multiple

__all__ = ["MonaiGenerator"]

UNFIT = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What MONAI's networks raise when their arguments, or the sizes of images, are not to their liking."""


class MonaiGenerator(nn.Module):
    """A network of MONAI that keeps sizes, its output brought to [−1, 1].

    Args:
        name: of a class in `monai.networks.nets`.
        spatial_dims: 2 or 3.
        in_channels: channels of the input.
        out_channels: channels of the output.
        arguments: what else it is made with.
        multiple: images are padded to multiples of this.

    Raises:
        ConfigError: if the class doesn't take the arguments.
    """

    def __init__(
        self,
        name: str,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        arguments: Mapping[str, Any],
        multiple: int,
    ) -> None:
        super().__init__()
        self.multiple = multiple
        ends = {"spatial_dims": spatial_dims, "in_channels": in_channels, "out_channels": out_channels}
        try:
            self.net: nn.Module = getattr(nets, name)(**ends, **arguments)
        except UNFIT as error:
            reason = " ".join(str(error).split())[:200]
            raise ConfigError(f"network.arguments: {name} can't be made with {dict(arguments)} ({reason})") from error

    def forward(self, x: Tensor) -> Tensor:
        """Translate images.

        Args:
            x: shape (batch, in_channels, *sizes), values in [−1, 1].

        Returns:
            Shape (batch, out_channels, *sizes), values in [−1, 1].
        """
        made = cast(Tensor, self.net(to_multiple(x, self.multiple, least=2)))
        return torch.tanh(cut_to(made, x.shape[2:]))
