"""What a training run draws from its store."""

from __future__ import annotations

import torch
from torch import Tensor

from medcycle.config import Config
from medcycle.data.patches import Thickness, UnpairedPatches, preview_patches
from medcycle.data.registered import RegisteredPatches, WithRegistered
from medcycle.data.store import Store

__all__ = ["patches_for", "preview_for"]

AUGMENTATION = ("flip", "max_rotation", "max_scaling", "max_bending", "mr_gamma", "mr_bias")
"""Settings that are 0 for patches as they are."""


def patches_for(config: Config, store: Store, thick: Thickness | None) -> UnpairedPatches | WithRegistered:
    """The patches of a whole run, `training.batch_size` times `accumulate` indices a step.

    Args:
        config: all settings.
        store: the cases to train on.
        thick: how thick CT slices are to be; None for the slices as they are.

    Raises:
        DataError: if a modality has no slice with enough of the body, or registered pairs are needed and there is none.
    """
    settings = config.training
    length, seed = settings.max_steps * settings.batch_size * settings.accumulate, settings.seed
    patches = UnpairedPatches(store, config.data, length=length, seed=seed, thick=thick)
    if not config.method.needs_registered:
        return patches
    registered = RegisteredPatches(store, config.data, length=length, seed=seed)
    share = 1.0 if config.method.name == "pix2pix" else config.method.registered_share
    return WithRegistered(patches, registered, batch_size=settings.batch_size, share=share, seed=seed)


def preview_for(config: Config, store: Store, thick: Thickness | None, count: int = 3) -> dict[str, Tensor]:
    """Up to `count` patches of each kind to look at, always the same, stacked; arguments and errors as above."""
    images = preview_patches(store, config.data, thick, count)
    if not config.method.needs_registered:
        return images
    plain = config.data.model_copy(update=dict.fromkeys(AUGMENTATION, 0))
    patches = RegisteredPatches(store, plain, length=len(images["target"]), seed=0)
    items = [patches[index] for index in range(len(patches))]
    return images | {f"registered_{name}": torch.stack([item[name] for item in items]) for name in items[0]}
