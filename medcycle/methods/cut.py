"""CUT: one direction, held to its input by contrasting patches (Park et al. 2020)."""

from __future__ import annotations

from typing import NamedTuple, Protocol, cast

import torch
from torch import Tensor, nn

from medcycle.batch import Batch
from medcycle.losses.contrastive import patch_nce_loss
from medcycle.methods.adversary import Adversary
from medcycle.methods.base import Losses, Outputs
from medcycle.methods.unpaired import Unpaired
from medcycle.networks.sampler import PatchSampler

__all__ = ["Cut", "CutWeights", "Encoding"]


class Encoding(Protocol):
    """A generator whose encoder's features can be asked for."""

    def features(self, x: Tensor) -> list[Tensor]:
        """Levels of features of images, each of shape (batch, channels, *sizes)."""


class CutWeights(NamedTuple):
    """What the losses of a `Cut` are multiplied by; one of 0 is not computed.

    Args:
        nce: of the patches of synthetic targets: λX of the paper's eq. 8.
        identity: of the patches of targets that the generator is to leave alone: λY.
        simulated_pair: of the L1 loss on the batch's pair, where it has one.
        warm_start: of that loss in a warm start.
        mind: of what holds a synthetic image to the structure of what it is made from.
    """

    nce: float = 1.0
    identity: float = 1.0
    simulated_pair: float = 0.0
    warm_start: float = 10.0
    mind: float = 0.0


class Cut(Unpaired[CutWeights]):
    """Unpaired translation from source to target, without a way back.

    A patch of the output has to be more like the patch of the input at its place than like others of that image, to the
    generator's own encoder. The paper's FastCUT has λX = 10, λY = 0, and mirrors half of the inputs.

    Args:
        to_target: generator from source to target, an `Encoding`.
        judge_target: discriminator of target images.
        sampler: makes vectors of the encoder's features.
        weights: of the losses.
        adversary: the adversarial loss.
    """

    def __init__(
        self,
        to_target: nn.Module,
        judge_target: nn.Module,
        sampler: PatchSampler,
        weights: CutWeights = CutWeights(),  # noqa: B008 - frozen
        adversary: Adversary = Adversary(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__()
        self.generators = nn.ModuleDict({"target": to_target, "sampler": sampler})
        self.discriminators = nn.ModuleDict({"target": judge_target})
        self.weights = weights
        self.adversary = adversary

    def translate(self, source: Tensor, *, reverse: bool = False) -> Tensor:
        """Source images to target images. Raises `ValueError` with `reverse`."""
        if reverse:
            raise ValueError("the method has no generator to the source")
        return cast(Tensor, self.generators["target"](source))

    def forward(self, batch: Batch) -> Outputs:
        """The translation, and what is weighted of the unchanged target and the simulated-pair loss."""
        inputs = {"synthetic_target": batch.source}
        if self.weights.identity:
            inputs["same_target"] = batch.target
        if self.weights.simulated_pair and batch.pair:
            inputs["synthetic_of_pair"] = batch.pair.source
        made = self.translate(torch.cat(list(inputs.values())))
        return dict(zip(inputs, torch.split(made, [len(item) for item in inputs.values()]), strict=True))

    def generator_losses(self, batch: Batch, outputs: Outputs) -> Losses:
        """The adversarial, contrastive and structure losses, and the simulated-pair loss."""
        made, weights = outputs["synthetic_target"], self.weights
        losses = {"adversarial_target": self.adversary.of_generator(self.discriminators["target"], made)}
        if weights.nce:
            losses["nce_target"] = weights.nce * self._contrast(made, batch.source)
        if "same_target" in outputs:
            losses["identity_target"] = weights.identity * self._contrast(outputs["same_target"], batch.target)
        return losses | self._structure("target", batch, made) | self._simulated_pair_loss(batch, outputs)

    def views(self, batch: Batch) -> dict[str, Tensor]:
        """The source, what becomes of it, a target, and what the generator leaves of it."""
        views = {"source": batch.source, "synthetic_target": self.translate(batch.source), "target": batch.target}
        return views | {"same_target": self.translate(batch.target)}

    def _contrast(self, made: Tensor, given: Tensor) -> Tensor:
        """The loss of an output against its input, mean of the encoder's levels."""
        encoder, sampler = cast(Encoding, self.generators["target"]), cast(PatchSampler, self.generators["sampler"])
        both = [level.chunk(2) for level in encoder.features(torch.cat([made, given]))]
        places = sampler.places([level for level, _ in both])
        queries, keys = (sampler([level[part] for level in both], places) for part in (0, 1))
        return torch.stack([patch_nce_loss(*level) for level in zip(queries, keys, strict=True)]).mean()
