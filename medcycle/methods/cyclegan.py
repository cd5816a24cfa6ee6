"""CycleGAN: two generators that undo each other, two discriminators (Zhu et al. 2017)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from medcycle.losses.adversarial import discriminator_loss, generator_loss
from medcycle.losses.cycle import cycle_loss, identity_loss
from medcycle.methods.base import Batch, Fakes, Losses, Method, Outputs

__all__ = ["CycleGan"]


class CycleGan(Method):
    """Unpaired translation in both directions.

    Args:
        to_target: generator from source to target.
        to_source: generator from target to source.
        judge_target: discriminator of target images.
        judge_source: discriminator of source images.
        cycle_weight: weight of the cycle losses.
        identity_weight: weight of the identity losses; 0 leaves them out.
    """

    def __init__(
        self,
        to_target: nn.Module,
        to_source: nn.Module,
        judge_target: nn.Module,
        judge_source: nn.Module,
        *,
        cycle_weight: float = 10.0,
        identity_weight: float = 5.0,
    ) -> None:
        super().__init__()
        self.generators = nn.ModuleDict({"target": to_target, "source": to_source})
        self.discriminators = nn.ModuleDict({"target": judge_target, "source": judge_source})
        self.cycle_weight = cycle_weight
        self.identity_weight = identity_weight

    def translate(self, source: Tensor, *, reverse: bool = False) -> Tensor:
        """Source images to target images, or target to source with `reverse`."""
        return cast(Tensor, self.generators["source" if reverse else "target"](source))

    def forward(self, batch: Batch) -> Outputs:
        """Both translations, both cycles and, if they are weighted, both identities."""
        to_target, to_source = self.generators["target"], self.generators["source"]
        # Instance normalisation keeps images apart, so that those of both domains can share one pass.
        synthetic_target, *same_target = to_target(self._stacked(batch.source, batch.target)).split(len(batch.source))
        synthetic_source, *same_source = to_source(self._stacked(batch.target, batch.source)).split(len(batch.target))
        outputs = {
            "synthetic_target": synthetic_target,
            "synthetic_source": synthetic_source,
            "restored_source": to_source(synthetic_target),
            "restored_target": to_target(synthetic_source),
        }
        if self.identity_weight:
            outputs |= {"same_target": same_target[0], "same_source": same_source[0]}
        return outputs

    def _stacked(self, translated: Tensor, unchanged: Tensor) -> Tensor:
        return torch.cat([translated, unchanged]) if self.identity_weight else translated

    def generator_losses(self, batch: Batch, outputs: Outputs) -> Losses:
        """Adversarial, cycle and identity losses of both directions."""
        losses = {}
        for domain, real in (("target", batch.target), ("source", batch.source)):
            judge = self.discriminators[domain]
            losses[f"adversarial_{domain}"] = generator_loss(judge(outputs[f"synthetic_{domain}"]))
            losses[f"cycle_{domain}"] = cycle_loss(real, outputs[f"restored_{domain}"], self.cycle_weight)
            if self.identity_weight:
                losses[f"identity_{domain}"] = identity_loss(real, outputs[f"same_{domain}"], self.identity_weight)
        return losses

    def fakes(self, outputs: Outputs) -> dict[str, Tensor]:
        """The synthetic images of both domains."""
        return {domain: outputs[f"synthetic_{domain}"] for domain in self.discriminators}

    def discriminator_losses(self, batch: Batch, fakes: Fakes) -> Losses:
        """How badly each discriminator separates real from synthetic."""
        losses = {}
        for domain, real in (("target", batch.target), ("source", batch.source)):
            judged = self.discriminators[domain](torch.cat([real, fakes[domain]]))
            losses[f"discriminator_{domain}"] = discriminator_loss(*judged.split(len(real)))
        return losses
