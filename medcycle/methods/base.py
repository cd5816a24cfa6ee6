"""The contract between a method and whatever trains or applies it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor, nn

__all__ = ["Batch", "Fakes", "Losses", "Method", "Outputs", "Pair"]

Outputs = Mapping[str, Tensor]
Losses = dict[str, Tensor]
Fakes = Mapping[str, Tensor]


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

    def known(self) -> Pair:
        """The pair made of a target. Raises `ValueError` if there is none."""
        if self.pair is None:
            raise ValueError("the method learns from a pair; the batch has none")
        return self.pair

    def together(self) -> Pair:
        """The registered pair. Raises `ValueError` if there is none."""
        if self.registered is None:
            raise ValueError("the method learns from a registered pair; the batch has none")
        return self.registered


class Method(nn.Module, ABC):
    """Networks and losses without an optimiser; nothing is kept from one step to the next.

    Attributes:
        generators: networks trained by `generator_losses`.
        discriminators: networks trained by `discriminator_losses`, each named as the output it judges.
    """

    generators: nn.ModuleDict
    discriminators: nn.ModuleDict

    @property
    def two_way(self) -> bool:
        """Whether targets can be translated to sources."""
        return "source" in self.generators

    @abstractmethod
    def translate(self, source: Tensor, *, reverse: bool = False) -> Tensor:
        """Source images to target images, or target to source with `reverse`; shape and range as in `Batch`.

        Raises:
            ValueError: with `reverse`, if the method is not `two_way`.
        """

    @abstractmethod
    def forward(self, batch: Batch) -> Outputs:
        """All that the generators make of a batch, by name."""

    @abstractmethod
    def generator_losses(self, batch: Batch, outputs: Outputs) -> Losses:
        """Weighted scalar losses, by name; their sum trains the generators."""

    @abstractmethod
    def warm_start_losses(self, batch: Batch, *, reverse: bool = False) -> Losses:
        """Weighted scalar losses of the batch's pair alone, by name; with `reverse` of both directions, if there are.

        Raises:
            ValueError: if the batch has no pair.
        """

    @abstractmethod
    def views(self, batch: Batch) -> dict[str, Tensor]:
        """What is to be looked at of a batch, by name: images of it and what the generators make of them."""

    @abstractmethod
    def fakes(self, outputs: Outputs) -> dict[str, Tensor]:
        """The outputs that discriminators judge, by the discriminator's name."""

    @abstractmethod
    def discriminator_losses(self, batch: Batch, fakes: Fakes) -> Losses:
        """Scalar losses, by name; their sum trains the discriminators. `fakes` are detached, perhaps from a pool."""
