"""What methods that learn from unpaired images have in common."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from torch import Tensor

from medcycle.batch import Batch, Pair
from medcycle.losses.structure import mind_loss
from medcycle.losses.weighted import weighted_l1
from medcycle.methods.adversary import Adversary
from medcycle.methods.base import Fakes, Losses, Method, Outputs

__all__ = ["OTHER", "Unpaired", "supervised"]

OTHER = {"target": "source", "source": "target"}
"""Of each domain the one that its synthetic images are made from."""


class CommonWeights(Protocol):
    """Weights that all of these methods have: of the losses on pairs that are made of targets, and on structure."""

    @property
    def simulated_pair(self) -> float:
        """Beside the other losses."""

    @property
    def warm_start(self) -> float:
        """Before them."""

    @property
    def mind(self) -> float:
        """Of what holds a synthetic image to the structure of what it is made from."""


W = TypeVar("W", bound=CommonWeights)


class Unpaired(Method, Generic[W]):
    """A method whose discriminators judge synthetic images of one domain or both, and that simulated pairs can teach.

    Attributes:
        adversary: the adversarial loss.
        weights: of the losses.
    """

    adversary: Adversary
    weights: W

    def warm_start_losses(self, batch: Batch, *, reverse: bool = False) -> Losses:
        """The simulated-pair loss; with `reverse` also that of a generator to the source, to the mean of simulated MR.

        Raises:
            ValueError: if the batch has no pair.
        """
        pair, weight = batch.simulated_pair(), self.weights.warm_start
        losses = {"simulated_pair_target": weight * supervised(pair, self.translate(pair.source))}
        if reverse and self.two_way:
            # of all images of one anatomy, their mean has the least square error
            error = (self.translate(pair.target, reverse=True).float() - pair.source).square()
            losses["simulated_pair_source"] = weight * error.mean()
        return losses

    def fakes(self, outputs: Outputs) -> dict[str, Tensor]:
        """The synthetic images that are judged."""
        return {domain: outputs[f"synthetic_{domain}"] for domain in self.discriminators}

    def discriminator_losses(self, batch: Batch, fakes: Fakes) -> Losses:
        """How badly each discriminator separates real from synthetic."""
        reals = {"target": batch.target, "source": batch.source}
        return {
            f"discriminator_{domain}": self.adversary.of_discriminator(judge, reals[domain], fakes[domain])
            for domain, judge in self.discriminators.items()
        }

    def _structure(self, domain: str, batch: Batch, made: Tensor) -> Losses:
        """What holds a synthetic image of a domain to the one that it is made from, where that has a weight."""
        if not self.weights.mind:
            return {}
        given: Tensor = getattr(batch, OTHER[domain])
        return {f"structure_{domain}": self.weights.mind * mind_loss(given, made)}

    def _simulated_pair_loss(self, batch: Batch, outputs: Outputs) -> Losses:
        """The simulated-pair loss, where it was computed."""
        if not batch.pair or "synthetic_of_pair" not in outputs:
            return {}
        return {
            "simulated_pair_target": self.weights.simulated_pair * supervised(batch.pair, outputs["synthetic_of_pair"])
        }


def supervised(pair: Pair, made: Tensor) -> Tensor:
    """How far a pair's target is from what was made of its source: L1, voxels counted by the pair's weight."""
    return weighted_l1(made.float(), pair.target, pair.weight)
