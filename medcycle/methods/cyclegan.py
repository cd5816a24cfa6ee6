"""CycleGAN: two generators that undo each other, two discriminators (Zhu et al. 2017)."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from medcycle.batch import Batch, Pair
from medcycle.losses.cycle import cycle_loss, identity_loss
from medcycle.methods.adversary import Adversary
from medcycle.methods.base import Losses, Outputs
from medcycle.methods.unpaired import Unpaired, supervised

__all__ = ["CycleGan", "Weights"]


class Weights(NamedTuple):
    """What the losses of a `CycleGan` are multiplied by; an identity or simulated-pair weight of 0 is not computed.

    Args:
        cycle: of the cycles.
        identity: of the identities.
        simulated_pair: of the L1 loss on the batch's pair, where it has one.
        registered: of the L1 losses of both generators on the batch's registered pair, where it has one.
        warm_start: of the losses of a warm start.
        mind: of what holds a synthetic image to the structure of what it is made from.
    """

    cycle: float = 10.0
    identity: float = 5.0
    simulated_pair: float = 0.0
    registered: float = 0.0
    warm_start: float = 10.0
    mind: float = 0.0


class CycleGan(Unpaired[Weights]):
    """Unpaired translation in both directions.

    Without a judge of targets only half of it is there, for a generator to the target that pairs supervise: it has no
    adversary and restores no sources, and learns from simulated pairs and from the other cycle, in which it has to find
    the target again in what the generator to the source makes of it.

    With registered pairs in some of the batches, and a weight for them, it learns from paired and unpaired images
    together (Jin et al. 2019, "Deep CT to MR synthesis using paired and unpaired data": cycles, and a voxel-wise loss
    where the truth is known). Its discriminators judge single images, not pairs.

    Args:
        to_target: generator from source to target.
        to_source: generator from target to source.
        judge_target: discriminator of target images, or None.
        judge_source: discriminator of source images.
        weights: of the losses.
        adversary: the adversarial loss.
    """

    def __init__(
        self,
        to_target: nn.Module,
        to_source: nn.Module,
        judge_target: nn.Module | None,
        judge_source: nn.Module,
        weights: Weights = Weights(),  # noqa: B008 - frozen
        adversary: Adversary = Adversary(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__()
        self.generators = nn.ModuleDict({"target": to_target, "source": to_source})
        judges = {"target": judge_target, "source": judge_source}
        self.discriminators = nn.ModuleDict({domain: judge for domain, judge in judges.items() if judge})
        self.weights = weights
        self.adversary = adversary

    def translate(self, source: Tensor, *, reverse: bool = False) -> Tensor:
        """Source images to target images, or target to source with `reverse`."""
        return cast(Tensor, self.generators["source" if reverse else "target"](source))

    def forward(self, batch: Batch) -> Outputs:
        """The translations, the cycles and what is weighted of both identities and the simulated-pair loss."""
        to_target, to_source = {}, {"synthetic_source": batch.target}
        if self.weights.identity:
            to_target["same_target"], to_source["same_source"] = batch.target, batch.source
        if self.weights.simulated_pair and batch.pair:
            to_target["synthetic_of_pair"] = batch.pair.source
        if self.weights.registered and batch.registered:
            to_target["registered_target"] = batch.registered.source
            to_source["registered_source"] = batch.registered.target
        if "target" in self.discriminators:
            to_target["synthetic_target"] = batch.source
        outputs = self._one_pass("source", to_source)
        outputs |= self._one_pass("target", to_target | {"restored_target": outputs["synthetic_source"]})
        if "target" in self.discriminators:
            outputs["restored_source"] = self.generators["source"](outputs["synthetic_target"])
        return outputs

    def _one_pass(self, to: str, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """All inputs of a generator at once: instance normalisation keeps images apart."""
        made = self.generators[to](torch.cat(list(inputs.values()))).split([len(item) for item in inputs.values()])
        return dict(zip(inputs, made, strict=True))

    def generator_losses(self, batch: Batch, outputs: Outputs) -> Losses:
        """The adversarial, cycle, identity and structure losses of what was made, and those on pairs."""
        losses = self._of_one("target", batch.target, batch, outputs)
        losses |= self._of_one("source", batch.source, batch, outputs)
        losses |= self._simulated_pair_loss(batch, outputs)
        if batch.registered and "registered_target" in outputs:
            source, target, weight = batch.registered
            back = Pair(target, source, weight)
            for domain, pair in (("target", batch.registered), ("source", back)):
                error = supervised(pair, outputs[f"registered_{domain}"])
                losses[f"registered_{domain}"] = self.weights.registered * error
        return losses

    def _of_one(self, domain: str, real: Tensor, batch: Batch, outputs: Outputs) -> Losses:
        """The losses of a domain, whose real images are given."""
        losses, weights = {}, self.weights
        made, restored, same = (outputs.get(f"{name}_{domain}") for name in ("synthetic", "restored", "same"))
        if made is not None and domain in self.discriminators:
            losses[f"adversarial_{domain}"] = self.adversary.of_generator(self.discriminators[domain], made)
        if restored is not None:
            losses[f"cycle_{domain}"] = cycle_loss(real, restored, weights.cycle)
        if same is not None:
            losses[f"identity_{domain}"] = identity_loss(real, same, weights.identity)
        if made is not None:
            losses |= self._structure(domain, batch, made)
        return losses

    def views(self, batch: Batch) -> dict[str, Tensor]:
        """Both images, what becomes of them, and both cycles."""
        synthetic = {"target": self.translate(batch.source), "source": self.translate(batch.target, reverse=True)}
        return {
            "source": batch.source,
            "synthetic_target": synthetic["target"],
            "restored_source": self.translate(synthetic["target"], reverse=True),
            "target": batch.target,
            "synthetic_source": synthetic["source"],
            "restored_target": self.translate(synthetic["source"]),
        }
