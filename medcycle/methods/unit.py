"""UNIT: two domains that share a latent space (Liu et al. 2017)."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from medcycle.batch import Batch
from medcycle.losses.cycle import cycle_loss
from medcycle.losses.latent import unit_gaussian_loss
from medcycle.methods.adversary import Adversary
from medcycle.methods.base import Losses, Outputs
from medcycle.methods.unpaired import OTHER, Unpaired
from medcycle.networks.autoencoder import Autoencoder

__all__ = ["Unit", "UnitWeights"]

RECONSTRUCTION, LATENT = 10.0, 0.01
"""Weights of images that are decoded in their own domain (λ2), and of the codes' distance from a unit Gaussian (λ1 and
λ3): a tenth of the paper's section 5, as in its authors' code."""


class UnitWeights(NamedTuple):
    """What the other losses of a `Unit` are multiplied by.

    Args:
        cycle: of images that come back from the other domain: λ4.
        simulated_pair: of the L1 loss on the batch's pair, where it has one.
        warm_start: of the losses of a warm start.
        mind: of what holds a synthetic image to the structure of what it is made from.
    """

    cycle: float = 10.0
    simulated_pair: float = 0.0
    warm_start: float = 10.0
    mind: float = 0.0


class Unit(Unpaired[UnitWeights]):
    """Unpaired translation in both directions by way of a code that both domains share.

    An encoder gives the mean of a code, to which unit Gaussian noise is added in training, and either decoder makes an
    image of it (Liu et al. 2017, "Unsupervised image-to-image translation networks", eq. 2 to 11).

    Args:
        of_target: autoencoder of target images.
        of_source: the same of source images, sharing the blocks about the code.
        judge_target: discriminator of target images.
        judge_source: the same of source images.
        weights: of the losses.
        adversary: the adversarial loss.
    """

    def __init__(
        self,
        of_target: Autoencoder,
        of_source: Autoencoder,
        judge_target: nn.Module,
        judge_source: nn.Module,
        weights: UnitWeights = UnitWeights(),  # noqa: B008 - frozen
        adversary: Adversary = Adversary(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__()
        self.generators = nn.ModuleDict({"target": of_target, "source": of_source})
        self.discriminators = nn.ModuleDict({"target": judge_target, "source": judge_source})
        self.weights = weights
        self.adversary = adversary

    def translate(self, source: Tensor, *, reverse: bool = False) -> Tensor:
        """Source images to target images, or target to source with `reverse`, without noise."""
        given, wanted = ("target", "source") if reverse else ("source", "target")
        return self._of(wanted).decode(self._of(given).encode(source))

    def forward(self, batch: Batch) -> Outputs:
        """Codes, and what is decoded of them in both domains; the same of the synthetic images."""
        outputs: dict[str, Tensor] = {}
        for domain, real in (("target", batch.target), ("source", batch.source)):
            outputs[f"code_{domain}"] = code = self._of(domain).encode(real)
            noisy = _with_noise(code)
            outputs[f"same_{domain}"] = self._of(domain).decode(noisy)
            outputs[f"synthetic_{OTHER[domain]}"] = self._of(OTHER[domain]).decode(noisy)
        for domain, other in OTHER.items():
            outputs[f"cycle_code_{domain}"] = code = self._of(other).encode(outputs[f"synthetic_{other}"])
            outputs[f"restored_{domain}"] = self._of(domain).decode(_with_noise(code))
        if self.weights.simulated_pair and batch.pair:
            outputs["synthetic_of_pair"] = self.translate(batch.pair.source)
        return outputs

    def generator_losses(self, batch: Batch, outputs: Outputs) -> Losses:
        """Of each domain the adversarial loss, reconstruction, cycle, and the codes of both; simulated pairs."""
        losses = {}
        for domain, real in (("target", batch.target), ("source", batch.source)):
            made, same, restored = (outputs[f"{name}_{domain}"] for name in ("synthetic", "same", "restored"))
            losses[f"adversarial_{domain}"] = self.adversary.of_generator(self.discriminators[domain], made)
            losses[f"reconstruction_{domain}"] = cycle_loss(real, same, RECONSTRUCTION)
            losses[f"cycle_{domain}"] = cycle_loss(real, restored, self.weights.cycle)
            codes = (outputs[f"code_{domain}"], outputs[f"cycle_code_{domain}"])
            losses[f"latent_{domain}"] = LATENT * torch.stack([unit_gaussian_loss(code) for code in codes]).sum()
            losses |= self._structure(domain, batch, made)
        return losses | self._simulated_pair_loss(batch, outputs)

    def views(self, batch: Batch) -> dict[str, Tensor]:
        """Both images, what becomes of them, and both reconstructions."""
        return {
            "source": batch.source,
            "synthetic_target": self.translate(batch.source),
            "same_source": self._of("source").decode(self._of("source").encode(batch.source)),
            "target": batch.target,
            "synthetic_source": self.translate(batch.target, reverse=True),
            "same_target": self._of("target").decode(self._of("target").encode(batch.target)),
        }

    def _of(self, domain: str) -> Autoencoder:
        return cast(Autoencoder, self.generators[domain])


def _with_noise(code: Tensor) -> Tensor:
    return code + torch.randn_like(code)
