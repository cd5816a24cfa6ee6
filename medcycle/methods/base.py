"""The contract between a method and whatever trains or applies it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn

from medcycle.batch import Batch

__all__ = ["Fakes", "Losses", "Method", "Outputs"]

Outputs = Mapping[str, Tensor]
Losses = dict[str, Tensor]
Fakes = Mapping[str, Tensor]


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
