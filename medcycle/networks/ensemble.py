"""Several networks as one generator."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

__all__ = ["Ensemble"]


class Ensemble(nn.Module):
    """The mean of networks that start from other weights and learn from other images.

    What they err in by chance differs, and the mean of two has half of its variance; what few patients can't tell stays
    (Lakshminarayanan et al. 2017, "Simple and scalable predictive uncertainty estimation using deep ensembles"). In
    training every image goes through one of them only.

    Args:
        members: take and give images of the same shapes.
    """

    def __init__(self, members: Iterable[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, x: Tensor) -> Tensor:
        """Translate images: in training, where gradients are wanted, each by one of them in turn; else all by all.

        Args:
            x: shape (batch, in_channels, *sizes), values in [−1, 1]; in training as many as there are members, or more.
                With a multiple of them of every kind of image, each member sees every kind.

        Returns:
            Shape (batch, out_channels, *sizes), values in [−1, 1].
        """
        if self.training and torch.is_grad_enabled():
            count = len(self.members)
            made = torch.cat([member(x[number::count]) for number, member in enumerate(self.members)])
            turns = torch.cat([torch.arange(number, len(x), count, device=x.device) for number in range(count)])
            return made[turns.argsort()]
        return torch.stack([member(x) for member in self.members]).mean(dim=0)
