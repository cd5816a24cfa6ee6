"""Muon, which steps weights along orthogonal matrices; in float32, on any processor."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

__all__ = ["Muon", "orthogonal"]

COEFFICIENTS = 3.4445, -4.7750, 2.0315
"""Of the polynomial of each iteration, chosen to raise small singular values fast (Jordan et al. 2024)."""

MOMENTUM = 0.95

ADAMS_STEP = 0.2
"""Root mean square of a step, in learning rates: about that of Adam (Liu et al. 2025, eq. 4)."""

EPSILON = 1e-7
"""What the norm of a matrix is at least."""


class Muon(Optimizer):
    """Steps along the momentum of gradients, with all singular values of it brought near to one.

    Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks", with Nesterov's momentum; a step is
    as large as one of Adam (Liu et al. 2025, "Muon is scalable for LLM training"). PyTorch's own rounds to bf16, which
    processors that don't compute in it emulate so slowly that a training step takes nine times as long.

    Args:
        weights: of two dimensions or more, or groups of them. A convolution is a matrix with a row for each of the
            first dimension.
        learning_rate: size of a step, as Adam's.
        iterations: of Newton and Schulz, see `orthogonal`.
    """

    def __init__(self, weights: ParamsT, learning_rate: float, *, iterations: int) -> None:
        super().__init__(weights, {"lr": learning_rate, "ns_steps": iterations})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """A step of all weights that have gradients; there is no closure."""
        assert closure is None
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                gradient = weight.grad.flatten(1)
                state = self.state[weight]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(gradient)
                momentum = state["momentum_buffer"].lerp_(gradient, 1 - MOMENTUM)
                step = orthogonal(gradient.lerp(momentum, MOMENTUM), group["ns_steps"])
                rate = group["lr"] * ADAMS_STEP * math.sqrt(max(step.shape))
                weight.add_(step.reshape(weight.shape), alpha=-rate)


def orthogonal(matrix: Tensor, iterations: int) -> Tensor:
    """A matrix with the same singular vectors, and with singular values of about one where iterations are enough.

    Each iteration of Newton and Schulz multiplies X by Q = aI + bA + cA², where A is X Xᵀ. The next A is Q A Q, so that
    only the small square matrices are iterated, and X itself is multiplied once.

    Args:
        matrix: of any two sizes, in float32.
        iterations: five bring singular values between 0.7 and 1.2 that were a hundredth of the root of the sum of their
            squares, or more.
    """
    a, b, c = COEFFICIENTS
    is_tall = len(matrix) > matrix.shape[1]
    wide = matrix.T if is_tall else matrix
    wide = wide / wide.norm().clamp(min=EPSILON)
    identity = torch.eye(len(wide), dtype=wide.dtype, device=wide.device)
    product, squares = identity, wide @ wide.T
    for _ in range(iterations):
        factor = torch.addmm(squares, squares, squares, beta=b, alpha=c).add_(identity, alpha=a)
        product = factor @ product
        squares = factor @ squares @ factor
    made: Tensor = product @ wide
    return made.T if is_tall else made
