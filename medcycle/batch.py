"""What a training step learns from."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

__all__ = ["Batch", "Pair"]


class Pair(NamedTuple):
    """Images of which the one is known to show what the other shows, voxel by voxel.

    Args:
        source: shape (batch, channels, *sizes), values in [−1, 1].
        target: the same of the other domain.
        weight: how much an error in a voxel counts, not negative, of the same shape.
    """

    source: Tensor
    target: Tensor
    weight: Tensor


class Batch(NamedTuple):
    """Images of both domains, not necessarily of the same patients.

    Args:
        source: shape (batch, channels, *sizes), values in [−1, 1].
        target: the same of the other domain.
        pair: a target and what is made of it; None if the method does not use them.
        registered: images of the same patient that lie on each other; None if the method does not use them.
    """

    source: Tensor
    target: Tensor
    pair: Pair | None = None
    registered: Pair | None = None

    def simulated_pair(self) -> Pair:
        """The pair made of a target. Raises `ValueError` if there is none."""
        if self.pair is None:
            raise ValueError("the method learns from a pair; the batch has none")
        return self.pair

    def registered_pair(self) -> Pair:
        """The registered pair. Raises `ValueError` if there is none."""
        if self.registered is None:
            raise ValueError("the method learns from a registered pair; the batch has none")
        return self.registered
