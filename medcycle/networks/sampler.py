"""What patches of an image look like to a generator's encoder, for contrastive losses."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["PatchSampler"]

PATCHES = 256
"""Places of each level, or all of a smaller one."""


class PatchSampler(nn.Module):
    """Features at random places, each level through a perceptron of its own (Park et al. 2020, section 3 and C.1).

    Args:
        channels: of the levels of features.
        width: of the perceptrons, and of what they give.
    """

    def __init__(self, channels: Sequence[int], width: int = 256) -> None:
        super().__init__()
        self.perceptrons = nn.ModuleList(
            nn.Sequential(nn.Linear(count, width), nn.ReLU(), nn.Linear(width, width)) for count in channels
        )
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0.0, 0.02)
                nn.init.zeros_(module.bias)

    def places(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Random numbers of voxels, for every level, from torch's global generator."""
        counts = [(feature[0, 0].numel(), feature.device) for feature in features]
        return [torch.randperm(count, device=device)[:PATCHES] for count, device in counts]

    def forward(self, features: Sequence[Tensor], places: Sequence[Tensor]) -> list[Tensor]:
        """The features at these places.

        Args:
            features: a level each, shape (batch, channels, *sizes).
            places: as `places` gives them.

        Returns:
            For every level unit vectors, shape (batch, places, width).
        """
        levels = zip(features, places, self.perceptrons, strict=True)
        return [
            functional.normalize(perceptron(feature.flatten(2)[:, :, at].transpose(1, 2)).float(), dim=2, eps=1e-6)
            for feature, at, perceptron in levels
        ]
