"""MUNIT: contents that two domains share, and styles of their own (Huang et al. 2018)."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from medcycle.batch import Batch
from medcycle.losses.cycle import cycle_loss
from medcycle.methods.adversary import Adversary
from medcycle.methods.base import Losses, Outputs
from medcycle.methods.unpaired import OTHER, Unpaired
from medcycle.networks.style import StyledAutoencoder

__all__ = ["Munit", "MunitWeights"]

RECONSTRUCTION = 10.0
"""Weight of images that are decoded of their own content and style, λx; contents and styles found again have 1."""


class MunitWeights(NamedTuple):
    """What the other losses of a `Munit` are multiplied by; a cycle of 0 is not computed.

    Args:
        cycle: of images that come back with their own style.
        simulated_pair: of the L1 loss on the batch's pair, where it has one.
        warm_start: of the losses of a warm start.
        mind: of what holds a synthetic image to the structure of what it is made from.
    """

    cycle: float = 10.0
    simulated_pair: float = 0.0
    warm_start: float = 10.0
    mind: float = 0.0


class Munit(Unpaired[MunitWeights]):
    """Unpaired translation in both directions, with several outputs for one input.

    An image is a content, which both domains share, and a style of its domain, whose prior is a unit Gaussian. A
    translation is the content with a style of the other domain (Huang et al. 2018, "Multimodal unsupervised
    image-to-image translation", eq. 1 to 5, and the cycle of section 5.1).

    Args:
        of_target: autoencoder of target images.
        of_source: the same of source images.
        judge_target: discriminator of target images.
        judge_source: the same of source images.
        styles: numbers in a style.
        weights: of the losses.
        adversary: the adversarial loss.
    """

    def __init__(
        self,
        of_target: StyledAutoencoder,
        of_source: StyledAutoencoder,
        judge_target: nn.Module,
        judge_source: nn.Module,
        styles: int = 8,
        weights: MunitWeights = MunitWeights(),  # noqa: B008 - frozen
        adversary: Adversary = Adversary(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__()
        self.generators = nn.ModuleDict({"target": of_target, "source": of_source})
        self.discriminators = nn.ModuleDict({"target": judge_target, "source": judge_source})
        self.styles = styles
        self.weights = weights
        self.adversary = adversary

    def translate(self, source: Tensor, *, reverse: bool = False, style: Tensor | None = None) -> Tensor:
        """Source images to target images, or target to source with `reverse`.

        Args:
            source: shape (batch, channels, *sizes), values in [−1, 1].
            reverse: translate the other way.
            style: of the output, shape (batch, styles); None for the middle of all styles.
        """
        given, wanted = ("target", "source") if reverse else ("source", "target")
        style = source.new_zeros(len(source), self.styles) if style is None else style
        return self._of(wanted).decode(self._of(given).encode(source)[0], style)

    def style_of(self, image: Tensor, *, reverse: bool = False) -> Tensor:
        """The styles of target images, or with `reverse` of source images: what `translate` takes to that domain.

        Args:
            image: shape (batch, channels, *sizes), values in [−1, 1].
            reverse: whether they are source images.

        Returns:
            Shape (batch, styles).
        """
        return self._of("source" if reverse else "target").encode(image)[1]

    def forward(self, batch: Batch) -> Outputs:
        """Contents and styles, translations in random styles, and what is found again of both."""
        outputs: dict[str, Tensor] = {}
        for domain, real in (("target", batch.target), ("source", batch.source)):
            content, style = self._of(domain).encode(real)
            outputs[f"content_{domain}"], outputs[f"style_{domain}"] = content, style
            outputs[f"same_{domain}"] = self._of(domain).decode(content, style)
        for domain, other in OTHER.items():
            style = torch.randn_like(outputs[f"style_{domain}"])
            made = self._of(domain).decode(outputs[f"content_{other}"], style)
            outputs[f"drawn_style_{domain}"], outputs[f"synthetic_{domain}"] = style, made
            outputs[f"found_content_{other}"], outputs[f"found_style_{domain}"] = self._of(domain).encode(made)
        if self.weights.cycle:
            for domain in OTHER:
                content, style = outputs[f"found_content_{domain}"], outputs[f"style_{domain}"]
                outputs[f"restored_{domain}"] = self._of(domain).decode(content, style)
        if self.weights.simulated_pair and batch.pair:
            outputs["synthetic_of_pair"] = self.translate(batch.pair.source)
        return outputs

    def generator_losses(self, batch: Batch, outputs: Outputs) -> Losses:
        """Of each domain the adversarial loss, images, contents and styles found again; simulated pairs."""
        losses = self._of_one("target", batch.target, batch, outputs)
        losses |= self._of_one("source", batch.source, batch, outputs)
        return losses | self._simulated_pair_loss(batch, outputs)

    def _of_one(self, domain: str, real: Tensor, batch: Batch, outputs: Outputs) -> Losses:
        made, same, weights = outputs[f"synthetic_{domain}"], outputs[f"same_{domain}"], self.weights
        # no gradient goes to what is to be found again
        content = l1_loss(outputs[f"found_content_{domain}"].float(), outputs[f"content_{domain}"].detach().float())
        style = l1_loss(outputs[f"found_style_{domain}"].float(), outputs[f"drawn_style_{domain}"].float())
        losses = {
            f"adversarial_{domain}": self.adversary.of_generator(self.discriminators[domain], made),
            f"reconstruction_{domain}": cycle_loss(real, same, RECONSTRUCTION),
            f"content_{domain}": content,
            f"style_{domain}": style,
        }
        if weights.cycle:
            losses[f"cycle_{domain}"] = cycle_loss(real, outputs[f"restored_{domain}"], weights.cycle)
        return losses | self._structure(domain, batch, made)

    def views(self, batch: Batch) -> dict[str, Tensor]:
        """Both images, what becomes of them in the middle of all styles, and in the style of the other one."""
        of_target, of_source = self.style_of(batch.target), self.style_of(batch.source, reverse=True)
        return {
            "source": batch.source,
            "synthetic_target": self.translate(batch.source),
            "styled_target": self.translate(batch.source, style=of_target),
            "target": batch.target,
            "synthetic_source": self.translate(batch.target, reverse=True),
            "styled_source": self.translate(batch.target, reverse=True, style=of_source),
        }

    def _of(self, domain: str) -> StyledAutoencoder:
        return cast(StyledAutoencoder, self.generators[domain])
