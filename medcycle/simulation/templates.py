"""Generated brains, as structure to hide in soft tissue."""

from __future__ import annotations

from functools import cache, cached_property

import torch
from torch import Tensor
from torch.nn import functional

from medcycle.phantom import HeadPhantom, Tissue, head_grid
from medcycle.simulation.fields import affine_grid, is_thin

__all__ = ["BrainTemplates"]


class BrainTemplates:
    """Grey matter and fluid of generated heads, turned by up to 23° and 0.74 to 1.35 times as large.

    Args:
        heads: how many heads.
        spacing: mm, of what is kept of them.
    """

    def __init__(self, heads: int = 3, spacing: float = 3.0) -> None:
        self.heads = heads
        self.spacing = spacing

    @cached_property
    def volumes(self) -> Tensor:
        """Shape (heads, 2, x, y, z): where grey matter is, and where fluid is, 0 or 1; made when first asked for."""
        return _brains(self.heads, self.spacing)

    def draw(self, like: Tensor, generator: torch.Generator) -> Tensor:
        """Random slices, or volumes for 3D images of some depth, turned, shifted and sized at random.

        Args:
            like: gives batch, sizes and device.
            generator: of the device.

        Returns:
            Shape (batch, 2, *sizes); of size 1 along the axis of sub-slices.
        """
        count, device = len(like), like.device
        volumes = self.volumes = self.volumes.to(device)  # a copy for the first batch, none for the next ones
        which = torch.randint(len(volumes), (count,), generator=generator, device=device)
        angle, size = ((torch.rand(count, generator=generator, device=device) - 0.5) * k for k in (0.8, 0.6))
        cosine, sine = torch.cos(angle) * torch.exp(size), torch.sin(angle) * torch.exp(size)
        rows = torch.zeros(count, 2, 3, device=device)
        rows[:, 0, 0], rows[:, 0, 1], rows[:, 1, 0], rows[:, 1, 1] = cosine, -sine, sine, cosine
        rows[:, :, 2] = 0.4 * (torch.rand(count, 2, generator=generator, device=device) - 0.5)
        if like.ndim == 5 and not is_thin(like):
            matrix = torch.zeros(count, 3, 4, device=device)
            matrix[:, 0, 0] = 1
            matrix[:, 1:, 1:3], matrix[:, 1:, 3] = rows[:, :, :2], rows[:, :, 2]
            grid = functional.affine_grid(matrix, [count, 2, *like.shape[2:]], align_corners=False)
            return functional.grid_sample(volumes[which], grid, align_corners=False)
        depth = torch.randint(volumes.shape[-1], (count,), generator=generator, device=device)
        slices = volumes[which, :, :, :, depth]
        grid = affine_grid(rows, like.shape[2:4]).movedim(1, -1)
        drawn = functional.grid_sample(slices, grid, align_corners=False)
        return drawn.reshape(*drawn.shape, *[1] * (like.ndim - 4))


@cache
def _brains(heads: int, spacing: float) -> Tensor:
    grid = head_grid(shape=(60, 72, 48), spacing=(spacing,) * 3)
    made = []
    for seed in range(heads):
        labels = torch.from_numpy(HeadPhantom.random(seed).labels(grid).array.astype("uint8"))
        made.append(torch.stack([labels == Tissue.GREY_MATTER, labels == Tissue.CSF]))
    return torch.stack(made).float()
