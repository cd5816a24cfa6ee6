"""Adversarial losses.

A discriminator's judgement is a tensor of logits a scale, of any shapes; scales count alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["AdversarialKind", "Logits", "discriminator_loss", "generator_loss", "gradient_penalty"]

AdversarialKind = Literal["least-squares", "vanilla", "hinge", "wgan-gp"]
Logits = Sequence[Tensor]


def generator_loss(fake: Logits, kind: AdversarialKind = "least-squares") -> Tensor:
    """How far a generator is from being taken for real.

    Least squares (Mao et al. 2017, eq. 9 with b = c = 1), the cross-entropy that does not saturate (Goodfellow et al.
    2014, section 3), or minus the mean judgement of hinge (Lim and Ye 2017, eq. 19) and Wasserstein (Gulrajani et al.
    2017, eq. 2).

    Args:
        fake: the discriminator's judgement of generated images.
        kind: of the loss.

    Returns:
        A scalar; of least squares 0 when every patch is judged 1.
    """
    return _mean_of_scales(_of_generated(logits.float(), kind) for logits in fake)


def discriminator_loss(real: Logits, fake: Logits, kind: AdversarialKind = "least-squares") -> Tensor:
    """How badly a discriminator separates real from generated, halved as in CycleGAN but for Wasserstein.

    Args:
        real: its judgement of real images.
        fake: its judgement of generated images.
        kind: of the loss, as of `generator_loss`; "wgan-gp" wants `gradient_penalty` beside it.

    Returns:
        A scalar; of least squares 0 when real patches are judged 1 and generated ones 0, 0.25 when all are judged 0.5.
    """
    pairs = zip(real, fake, strict=True)
    return _mean_of_scales(_of_both(right.float(), wrong.float(), kind) for right, wrong in pairs)


def gradient_penalty(judge: Callable[[Tensor], Logits], real: Tensor, fake: Tensor) -> Tensor:
    """How far the slope of a judgement is from 1 at random places between real and generated images.

    The mean over images of (‖∇‖₂ − 1)² (Gulrajani et al. 2017, "Improved training of Wasserstein GANs", eq. 3), in
    float32. An image's judgement is the mean of its patches, of the sum over the scales.

    Args:
        judge: the discriminator.
        real: shape (batch, channels, *sizes).
        fake: the same shape, detached.

    Returns:
        A scalar, without the weight, which is 10 in the paper.
    """
    with torch.autocast(real.device.type, enabled=False):
        share = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device)
        between = (share * real.float() + (1 - share) * fake.float()).requires_grad_()
        judged = torch.stack([logits.flatten(1).mean(1) for logits in judge(between)]).sum()
        (slope,) = torch.autograd.grad(judged, between, create_graph=True)
        # not at 0, where a norm has no slope
        return ((slope.flatten(1).square().sum(1) + 1e-12).sqrt() - 1).square().mean()


def _of_generated(fake: Tensor, kind: AdversarialKind) -> Tensor:
    if kind == "least-squares":
        return (fake - 1).square().mean()
    if kind == "vanilla":
        return functional.softplus(-fake).mean()
    return -fake.mean()


def _of_both(real: Tensor, fake: Tensor, kind: AdversarialKind) -> Tensor:
    if kind == "least-squares":
        return 0.5 * ((real - 1).square().mean() + fake.square().mean())
    if kind == "vanilla":
        return 0.5 * (functional.softplus(-real).mean() + functional.softplus(fake).mean())
    if kind == "hinge":
        return 0.5 * (functional.relu(1 - real).mean() + functional.relu(1 + fake).mean())
    return fake.mean() - real.mean()


def _mean_of_scales(losses: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(losses)).mean()
