"""CycleGAN on pairs that lie on each other only roughly, with a network that registers them (Kong et al. 2021)."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from medcycle.batch import Batch
from medcycle.losses.smoothness import smoothness_loss
from medcycle.methods.adversary import Adversary
from medcycle.methods.base import Losses, Outputs
from medcycle.methods.cyclegan import CycleGan, Weights
from medcycle.methods.unpaired import supervised
from medcycle.networks.deformation import DeformationNet

__all__ = ["RegCycleGan"]


class RegCycleGan(CycleGan):
    """A CycleGAN whose synthetic targets are compared with the true ones after a network has brought them there.

    What pairs are off by is then no noise that blurs the target: RegGAN of Kong et al. 2021, "Breaking the dilemma of
    medical image-to-image translation", eq. 4 to 7, in its form with cycles. The displacement is bounded, which in the
    paper it is not.

    Args:
        to_target: generator from source to target.
        to_source: generator from target to source.
        registration: brings synthetic targets onto true ones.
        judges: discriminators of target and of source images; the first may be None, as in a `CycleGan`.
        weights: of the CycleGAN's losses; its registered pairs' is that of the comparison, 20 in the paper.
        smoothness: weight of the squared slopes of the displacement, 10 in the paper.
        adversary: the adversarial loss.
    """

    def __init__(
        self,
        to_target: nn.Module,
        to_source: nn.Module,
        registration: DeformationNet,
        judges: tuple[nn.Module | None, nn.Module],
        weights: Weights = Weights(),  # noqa: B008 - frozen
        smoothness: float = 10.0,
        adversary: Adversary = Adversary(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__(to_target, to_source, *judges, weights, adversary)
        self.generators["registration"] = registration
        self.smoothness = smoothness

    def forward(self, batch: Batch) -> Outputs:
        """As of a CycleGAN, and what is made of the pair's source, and by how much it is off."""
        outputs = dict(super().forward(batch._replace(registered=None)))
        if batch.registered:
            made = self.translate(batch.registered.source)
            outputs["registered_target"] = made
            outputs["displacement"] = self._registration.displacement(made, batch.registered.target)
        return outputs

    def generator_losses(self, batch: Batch, outputs: Outputs) -> Losses:
        """As of a CycleGAN; the difference that is left after registration, and how rough it is."""
        losses = super().generator_losses(batch._replace(registered=None), outputs)
        if batch.registered and "displacement" in outputs:
            displacement = outputs["displacement"]
            moved = self._registration(outputs["registered_target"], displacement)
            losses["registered_target"] = self.weights.registered * supervised(batch.registered, moved)
            losses["smoothness"] = self.smoothness * smoothness_loss(displacement)
        return losses

    def views(self, batch: Batch) -> dict[str, Tensor]:
        """As of a CycleGAN; and the pair, what is made of it, and that brought onto the true one."""
        source, target, _ = batch.registered_pair()
        made = self.translate(source)
        moved = self._registration(made, self._registration.displacement(made, target))
        pair = {"registered_source": source, "registered_synthetic": made, "moved": moved, "registered_target": target}
        return super().views(batch) | pair

    @property
    def _registration(self) -> DeformationNet:
        return cast(DeformationNet, self.generators["registration"])
