"""Supervised translation on pairs that are made of targets alone."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from medcycle.losses.supervised import gradient_loss, weighted_l1
from medcycle.methods.adversary import Adversary
from medcycle.methods.base import Batch, Fakes, Losses, Method, Outputs

__all__ = ["Randomized"]


class Randomized(Method):
    """Translation from source to target, learned from targets and the images of random contrast made of them.

    Args:
        to_target: generator from source to target.
        judge_target: discriminator of target images; None for no adversarial loss.
        l1_weight: weight of the L1 loss, which counts voxels by the pair's weights.
        gradient_weight: weight of the loss on slopes; 0 leaves it out.
        adversary: the adversarial loss, where there is a discriminator.
    """

    def __init__(
        self,
        to_target: nn.Module,
        judge_target: nn.Module | None = None,
        *,
        l1_weight: float = 10.0,
        gradient_weight: float = 0.0,
        adversary: Adversary = Adversary(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__()
        self.generators = nn.ModuleDict({"target": to_target})
        self.discriminators = nn.ModuleDict({"target": judge_target} if judge_target else {})
        self.l1_weight = l1_weight
        self.gradient_weight = gradient_weight
        self.adversary = adversary

    def translate(self, source: Tensor, *, reverse: bool = False) -> Tensor:
        """Source images to target images. Raises `ValueError` with `reverse`."""
        if reverse:
            raise ValueError("the method has no generator to the source")
        return cast(Tensor, self.generators["target"](source))

    def forward(self, batch: Batch) -> Outputs:
        """What is made of the pair's source. Raises `ValueError` without a pair."""
        return {"synthetic_target": self.translate(batch.known().source)}

    def generator_losses(self, batch: Batch, outputs: Outputs) -> Losses:
        """L1, and what is weighted of slopes and the discriminator's judgement."""
        made = outputs["synthetic_target"]
        losses = self._supervised(batch, made)
        if self.discriminators:
            losses["adversarial_target"] = self.adversary.of_generator(self.discriminators["target"], made)
        return losses

    def _supervised(self, batch: Batch, made: Tensor) -> Losses:
        pair = batch.known()
        losses = {"l1_target": self.l1_weight * weighted_l1(made.float(), pair.target, pair.weight)}
        if self.gradient_weight:
            losses["gradient_target"] = self.gradient_weight * gradient_loss(made.float(), pair.target)
        return losses

    def warm_start_losses(self, batch: Batch, *, reverse: bool = False) -> Losses:  # noqa: ARG002 - one direction
        """As `generator_losses`, without the discriminator's judgement."""
        return self._supervised(batch, self(batch)["synthetic_target"])

    def fakes(self, outputs: Outputs) -> dict[str, Tensor]:
        """The synthetic images, if they are judged."""
        return {domain: outputs[f"synthetic_{domain}"] for domain in self.discriminators}

    def discriminator_losses(self, batch: Batch, fakes: Fakes) -> Losses:
        """How badly the discriminator, if there is one, separates real from synthetic."""
        return {
            f"discriminator_{domain}": self.adversary.of_discriminator(judge, batch.known().target, fakes[domain])
            for domain, judge in self.discriminators.items()
        }

    def views(self, batch: Batch) -> dict[str, Tensor]:
        """The pair, and what becomes of its source; and of the batch's source, where that is another."""
        views: dict[str, Tensor] = {}
        if not (batch.pair and batch.pair.source is batch.source):
            views |= {"source": batch.source, "synthetic_target": self.translate(batch.source)}
        if batch.pair:
            views |= {
                "likeness": batch.pair.source,
                "recovered_target": self.translate(batch.pair.source),
                "target": batch.pair.target,
            }
        return views
