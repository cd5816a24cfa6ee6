"""What a training run draws from its store."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import Sampler

from medcycle.config import Config
from medcycle.data.patches import Thickness, UnpairedPatches, preview_patches
from medcycle.data.registered import RegisteredPatches, WithRegistered
from medcycle.data.store import Store

__all__ = ["Turns", "patches_for", "preview_for"]

AUGMENTATION = ("flip", "max_rotation", "max_scaling", "max_bending", "mr_gamma", "mr_bias")
"""Settings that are 0 for patches as they are."""


class Turns(Sampler[int]):
    """The indices that one of several processes draws: those of every so many batches.

    Args:
        batches: the numbers of the batches, those of all processes counted in turn.
        batch_size: indices of a batch.
        rank: which of the processes this is.
        processes: how many there are.
    """

    def __init__(self, batches: range, batch_size: int, rank: int = 0, processes: int = 1) -> None:
        self.mine = batches[rank::processes]
        self.batch_size = batch_size

    def __len__(self) -> int:
        return len(self.mine) * self.batch_size

    def __iter__(self) -> Iterator[int]:
        """In their order."""
        for number in self.mine:
            yield from range(number * self.batch_size, (number + 1) * self.batch_size)


def patches_for(
    config: Config, store: Store, thick: Thickness | None, processes: int = 1
) -> UnpairedPatches | WithRegistered:
    """The patches of a whole run: in a step `training.batch_size` times `accumulate` indices of each process.

    Args:
        config: all settings.
        store: the cases to train on.
        thick: how thick CT slices are to be; None for the slices as they are.
        processes: how many train together. Batches that they compute at a time have registered pairs, or have none.

    Raises:
        DataError: if a modality has no slice with enough of the body, or registered pairs are needed and there is none.
    """
    settings = config.training
    together, seed = settings.batch_size * processes, settings.seed
    length = settings.max_steps * settings.accumulate * together
    patches = UnpairedPatches(store, config.data, length=length, seed=seed, thick=thick)
    if not config.method.needs_registered:
        return patches
    registered = RegisteredPatches(store, config.data, length=length, seed=seed)
    share = 1.0 if config.method.name == "pix2pix" else config.method.registered_share
    return WithRegistered(patches, registered, batch_size=together, share=share, seed=seed)


def preview_for(config: Config, store: Store, thick: Thickness | None, count: int = 3) -> dict[str, Tensor]:
    """Up to `count` patches of each kind to look at, always the same, stacked; arguments and errors as above."""
    images = preview_patches(store, config.data, thick, count)
    if not config.method.needs_registered:
        return images
    plain = config.data.model_copy(update=dict.fromkeys(AUGMENTATION, 0))
    patches = RegisteredPatches(store, plain, length=len(images["target"]), seed=0)
    items = [patches[index] for index in range(len(patches))]
    return images | {f"registered_{name}": torch.stack([item[name] for item in items]) for name in items[0]}
