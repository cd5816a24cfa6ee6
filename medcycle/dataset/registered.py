"""MR and CT of the same patients on one grid, to learn from pair by pair."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from medcycle.config import DataConfig
from medcycle.dataset.augmentation import Augmentation, ContrastChange
from medcycle.dataset.cutting import Cutter
from medcycle.dataset.patches import UnpairedPatches
from medcycle.dataset.stacks import SliceStack, neighbours, stacks_of
from medcycle.dataset.store import Store, StoredCase
from medcycle.errors import DataError
from medcycle.patch_geometry import ACROSS

__all__ = ["RegisteredPatches", "WithRegistered", "registered_cases"]

TOLERANCE = 0.01
"""mm by which the affines of a pair may differ, in any entry."""


def registered_cases(store: Store) -> list[tuple[StoredCase, StoredCase]]:
    """The MR and CT of each patient that lie on one grid, as `medcycle register` brings them onto one.

    An MR for which there is a CT of its own name, as of a patient with several MR, has no other.

    Raises:
        DataError: if there is none.
    """
    pairs = [
        (mr, ct)
        for mr in store.mr
        for ct in store.ct
        if mr.record.patient == ct.record.patient and _on_one_grid(mr, ct)
    ]
    named = {mr.record.name for mr, ct in pairs if mr.record.name == ct.record.name}
    pairs = [(mr, ct) for mr, ct in pairs if mr.record.name not in named or mr.record.name == ct.record.name]
    if not pairs:
        patients = {case.record.patient for case in store.mr} & {case.record.patient for case in store.ct}
        why = "no patient has both MR and CT"
        if patients:
            why = f"{', '.join(sorted(patients)[:3])} have both MR and CT, but on other grids"
        raise DataError(f"{store.root}: no registered pairs ({why}); bring them together by `medcycle register`")
    return pairs


class RegisteredPatches(Dataset[dict[str, Tensor]]):
    """An MR and a CT patch of the same place, for every index.

    What index `n` gives depends on the seed and `n` alone, as in `UnpairedPatches`.

    Args:
        store: the prepared cases.
        config: patch size, augmentation, and which slices count.
        length: how many indices there are.
        seed: the seed.
        augmentation: how patches are changed; None for what the configuration says.

    Raises:
        DataError: if there are no pairs, or none has a slice with enough of the body.
    """

    def __init__(
        self, store: Store, config: DataConfig, *, length: int, seed: int, augmentation: Augmentation | None = None
    ) -> None:
        self.length = length
        self.seed = seed
        self.slices = config.slices
        together = registered_cases(store)
        found = stacks_of([*{ct.folder: ct for _, ct in together}.values()], config.plane, config.min_body_fraction)
        self.pairs = [
            (replace(stack, case=mr), stack) for mr, ct in together for stack in found if stack.case.folder == ct.folder
        ]
        change = augmentation or Augmentation.of(config)
        self.cutter = Cutter(config.patch_size, change, config.body_share)
        self.contrast = ContrastChange(change)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """A `source` (MR) and a `target` (CT) patch, float32 in [−1, 1], and the `body` in both, booleans.

        All have the shape (slices, *patch_size).
        """
        if not 0 <= index < self.length:
            raise IndexError(index)
        random = self._random(index)
        mr, ct = self._pair(random)
        position = ct.positions[int(random.integers(len(ct.positions)))]
        beside = neighbours(position, self.slices, ct.image.shape[ACROSS])
        arrays = [mr.image, mr.body, ct.image, ct.body]
        source, seen, target, body = self.cutter(arrays, ct.body, beside, random, sided=ct.sided)
        return {
            "source": self.contrast(source, seen > 0, random),
            "target": target,
            "body": (seen > 0) & (body > 0),
        }

    def cases(self, index: int) -> dict[str, str]:
        """The names of the MR and the CT that an index draws from."""
        mr, ct = self._pair(self._random(index))
        return {"mr": mr.case.record.name, "ct": ct.case.record.name}

    def _random(self, index: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, index, 2])

    def _pair(self, random: np.random.Generator) -> tuple[SliceStack, SliceStack]:
        return self.pairs[int(random.integers(len(self.pairs)))]


class WithRegistered(Dataset[dict[str, Tensor]]):
    """Patches with those of registered pairs beside them, in each batch or in a part of the batches.

    Args:
        patches: what each index gives anyway.
        registered: the patches of pairs; their names get `registered_` in front.
        batch_size: how many indices follow each other that have a pair, or have none.
        share: the part of the batches that has pairs.
        seed: decides which.
    """

    def __init__(
        self, patches: UnpairedPatches, registered: RegisteredPatches, *, batch_size: int, share: float, seed: int
    ) -> None:
        self.patches = patches
        self.registered = registered
        self.batch_size = batch_size
        self.share = share
        self.seed = seed

    def __len__(self) -> int:
        return len(self.patches)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """The patches of an index."""
        item = self.patches[index]
        if not self._has_pair(index):
            return item
        return item | {f"registered_{name}": patch for name, patch in self.registered[index].items()}

    def cases(self, index: int) -> dict[str, str]:
        """The names of the cases that an index draws from, as `mr`, `ct`, and `registered_mr` and `registered_ct`."""
        names = self.patches.cases(index)
        if not self._has_pair(index):
            return names
        return names | {f"registered_{kind}": name for kind, name in self.registered.cases(index).items()}

    def _has_pair(self, index: int) -> bool:
        return np.random.default_rng([self.seed, index // self.batch_size, 3]).random() < self.share


def _on_one_grid(mr: StoredCase, ct: StoredCase) -> bool:
    one, other = mr.record, ct.record
    return one.shape == other.shape and np.allclose(one.affine, other.affine, rtol=0, atol=TOLERANCE)
