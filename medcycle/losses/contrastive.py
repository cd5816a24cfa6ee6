"""Contrastive losses."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["patch_nce_loss"]


def patch_nce_loss(queries: Tensor, keys: Tensor, temperature: float = 0.07) -> Tensor:
    """How badly each patch of an output tells its own patch of the input from the others of that image.

    The cross-entropy of Park et al. 2020, "Contrastive learning for unpaired image-to-image translation", eq. 3 to 5:
    of the similarities to all patches, the one of the same place is to be the largest.

    Args:
        queries: of the output, unit vectors, shape (batch, places, width).
        keys: of the input at the same places, the same shape; no gradient goes through them.
        temperature: τ, by which similarities are divided.

    Returns:
        A scalar, ln(places) for random queries, near 0 where each patch is like its own alone.
    """
    similarities = queries.float() @ keys.detach().float().transpose(1, 2) / temperature
    own = torch.arange(keys.shape[1], device=keys.device).expand(len(keys), -1)
    return functional.cross_entropy(similarities.flatten(0, 1), own.flatten())
