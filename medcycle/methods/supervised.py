"""Supervised translation: on pairs made of targets alone, or on registered ones as pix2pix does (Isola et al. 2017)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from medcycle.batch import Batch, Pair
from medcycle.losses.weighted import weighted_l1
from medcycle.methods.adversary import Adversary
from medcycle.methods.base import Fakes, Losses, Method, Outputs

__all__ = ["Supervised"]


class Supervised(Method):
    """Translation from source to target, learned from images that show the same.

    With `registered` and a discriminator of both images it is pix2pix (Isola et al. 2017, "Image-to-image translation
    with conditional adversarial networks", eq. 1 to 4). Its noise, which the paper draws by dropout, is left out.

    Args:
        to_target: generator from source to target.
        judge_target: discriminator; None for no adversarial loss. With `registered` it sees the source's channels and
            the target's, else the target's alone.
        l1_weight: weight of the L1 loss, which counts voxels by the pair's weights.
        adversary: the adversarial loss, where there is a discriminator.
        registered: learn from the batch's registered pair, and from that made of targets in a warm start alone.
        registered_weight: weight of the L1 loss on a registered pair beside one that is made of targets.
    """

    def __init__(
        self,
        to_target: nn.Module,
        judge_target: nn.Module | None = None,
        *,
        l1_weight: float = 10.0,
        adversary: Adversary = Adversary(),  # noqa: B008 - frozen
        registered: bool = False,
        registered_weight: float = 0.0,
    ) -> None:
        super().__init__()
        self.generators = nn.ModuleDict({"target": to_target})
        self.discriminators = nn.ModuleDict({"target": judge_target} if judge_target else {})
        self.l1_weight = l1_weight
        self.adversary = adversary
        self.registered = registered
        self.registered_weight = registered_weight

    def translate(self, source: Tensor, *, reverse: bool = False) -> Tensor:
        """Source images to target images. Raises `ValueError` with `reverse`."""
        if reverse:
            raise ValueError("the method has no generator to the source")
        return cast(Tensor, self.generators["target"](source))

    def forward(self, batch: Batch) -> Outputs:
        """What is made of the pair's source, and what is judged of it. Raises `ValueError` without a pair."""
        source = self._pair(batch).source
        made = self.translate(source)
        outputs = {"synthetic_target": made, "judged_target": self._seen(source, made)}
        if self.registered_weight and batch.registered:
            outputs["registered_target"] = self.translate(batch.registered.source)
        return outputs

    def generator_losses(self, batch: Batch, outputs: Outputs) -> Losses:
        """L1, and what is weighted of slopes and the discriminator's judgement."""
        losses = self._supervised(self._pair(batch), outputs["synthetic_target"])
        if self.discriminators:
            judge = self.discriminators["target"]
            losses["adversarial_target"] = self.adversary.of_generator(judge, outputs["judged_target"])
        if batch.registered and "registered_target" in outputs:
            _, target, weight = batch.registered
            error = weighted_l1(outputs["registered_target"].float(), target, weight)
            losses["registered_target"] = self.registered_weight * error
        return losses

    def warm_start_losses(self, batch: Batch, *, reverse: bool = False) -> Losses:  # noqa: ARG002 - one direction
        """L1 and slopes on the pair that is made of targets."""
        pair = batch.simulated_pair()
        return self._supervised(pair, self.translate(pair.source))

    def fakes(self, outputs: Outputs) -> dict[str, Tensor]:
        """What is judged, if there is a discriminator."""
        return {domain: outputs[f"judged_{domain}"] for domain in self.discriminators}

    def discriminator_losses(self, batch: Batch, fakes: Fakes) -> Losses:
        """How badly the discriminator, if there is one, separates real from synthetic."""
        pair = self._pair(batch)
        real = self._seen(pair.source, pair.target)
        return {
            f"discriminator_{domain}": self.adversary.of_discriminator(judge, real, fakes[domain])
            for domain, judge in self.discriminators.items()
        }

    def views(self, batch: Batch) -> dict[str, Tensor]:
        """The pairs, and what becomes of their sources; and of the batch's source, where that is another."""
        views: dict[str, Tensor] = {}
        if self.registered:
            source, target, _ = batch.registered_pair()
            return {"source": source, "synthetic_target": self.translate(source), "target": target}
        if not (batch.pair and batch.pair.source is batch.source):
            views |= {"source": batch.source, "synthetic_target": self.translate(batch.source)}
        if batch.pair:
            views |= {
                "simulated_mr": batch.pair.source,
                "recovered_target": self.translate(batch.pair.source),
                "target": batch.pair.target,
            }
        return views

    def _pair(self, batch: Batch) -> Pair:
        return batch.registered_pair() if self.registered else batch.simulated_pair()

    def _seen(self, source: Tensor, target: Tensor) -> Tensor:
        """What the discriminator sees."""
        return torch.cat([source, target], dim=1) if self.registered else target

    def _supervised(self, pair: Pair, made: Tensor) -> Losses:
        return {"l1_target": self.l1_weight * weighted_l1(made.float(), pair.target, pair.weight)}
