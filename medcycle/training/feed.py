"""What a training run draws from its store."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import cast

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from medcycle.batch import Batch
from medcycle.config import Config
from medcycle.dataset.augmentation import Augmentation
from medcycle.dataset.patches import Thickness, UnpairedPatches, preview_patches
from medcycle.dataset.registered import RegisteredPatches, WithRegistered
from medcycle.dataset.store import Store
from medcycle.intensity import IntensityMap, MrPercentile, MrZScore, typical_map
from medcycle.training.pair_maker import PairMaker
from medcycle.training.signals import outlast_first_signal

__all__ = ["Feed", "Turns", "typical_intensity"]

READY = (2, 8)
"""Batches that a process keeps ready: one that is read slowly should not be waited for."""

READY_BYTES, BYTES_A_VOXEL = 256 * 2**20, 10
"""That these may take; MR and CT as float32, and their masks."""


class Feed:
    """What each step of a run is trained on.

    Args:
        config: all settings.
        store: the cases to train on.
        pairs: makes the batches.
        fabric: says which of how many processes this is, and where the batches belong.

    Raises:
        DataError: if a modality has no slice with enough of the body, or registered pairs are needed and there is none.
    """

    def __init__(self, config: Config, store: Store, pairs: PairMaker, fabric: Fabric) -> None:
        self.config = config
        self.store = store
        self.pairs = pairs
        self.fabric = fabric
        self.patches = _patches_for(config, store, pairs.thick, fabric.world_size)

    def steps(self, first: int, progress: Callable[[], float]) -> Iterator[list[Batch]]:
        """The batches of each step that is left.

        Args:
            first: steps that are done.
            progress: says how much of the run is done, 0 to 1.
        """
        settings, processes = self.config.training, self.fabric.world_size
        a_step = settings.accumulate * processes
        turns = Turns(
            range(first * a_step, settings.max_steps * a_step),
            settings.batch_size,
            self.fabric.global_rank,
            processes,
        )
        loader = DataLoader(
            self.patches,
            batch_size=settings.batch_size,
            sampler=turns,
            num_workers=settings.workers,
            prefetch_factor=_kept_ready(self.config) if settings.workers else None,
            pin_memory=self.fabric.device.type == "cuda",
            worker_init_fn=outlast_first_signal,
        )
        items = cast(Iterable[dict[str, Tensor]], self.fabric.setup_dataloaders(loader, use_distributed_sampler=False))
        numbered = zip(turns.mine, items, strict=True)
        for together in iter(lambda: list(islice(numbered, settings.accumulate)), []):
            needed = self.config.method.needs_pairs or settings.is_warm(progress())
            yield [self.pairs.batch(item, number, pairs=needed) for number, item in together]

    def preview(self) -> Batch:
        """Images to look at, always the same."""
        items = _preview_for(self.config, self.store, self.pairs.thick)
        return self.pairs.batch({name: images.to(self.fabric.device) for name, images in items.items()}, number=0)

    def cases(self, step: int) -> dict[str, list[str]]:
        """The names of what a step, the first being 1, was trained on by all processes, by kind."""
        size = len(self.patches) // self.config.training.max_steps
        drawn = [self.patches.cases(index) for index in range((step - 1) * size, step * size)]
        kinds = dict.fromkeys(kind for names in drawn for kind in names)
        return {kind: [names[kind] for names in drawn if kind in names] for kind in kinds}


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


def typical_intensity(store: Store) -> dict[str, IntensityMap]:
    """The map of all CT, and of CBCT; for MR the median range of the training volumes, or one of the right kind."""
    if store.data.get("source") == "cbct":
        mr = store.ct[0].intensity
    elif store.mr:
        mr = typical_map([case.intensity for case in store.mr])
    else:
        mr = MrZScore(-1.0, 1.0) if store.data["mr_normalisation"] == "z-score" else MrPercentile(0.0, 1.0)
    return {"ct": store.ct[0].intensity, "mr": mr}


def _kept_ready(config: Config) -> int:
    """How many batches each process that loads them keeps ready."""
    batch = math.prod(config.data.patch_size) * config.data.slices * config.training.batch_size * BYTES_A_VOXEL
    return min(max(READY_BYTES // batch, READY[0]), READY[1])


def _patches_for(
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
    share = config.method.registered_part
    return WithRegistered(patches, registered, batch_size=together, share=share, seed=seed)


def _preview_for(config: Config, store: Store, thick: Thickness | None, count: int = 3) -> dict[str, Tensor]:
    """Up to `count` patches of each kind to look at, always the same, stacked; arguments and errors as above."""
    images = preview_patches(store, config.data, thick, count)
    if not config.method.needs_registered:
        return images
    count = len(images["target"])
    patches = RegisteredPatches(store, config.data, length=count, seed=0, augmentation=Augmentation())
    items = [patches[index] for index in range(len(patches))]
    return images | {f"registered_{name}": torch.stack([item[name] for item in items]) for name in items[0]}
