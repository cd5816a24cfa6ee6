"""The pairs of a training run: made from its CT, in contrasts that its MR have a say in."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from medcycle.batch import Batch, Pair
from medcycle.config import Config
from medcycle.dataset.patches import Thickness
from medcycle.intensity import IntensityMap
from medcycle.methods.base import Method
from medcycle.simulation import ContrastRandomizer, Effects
from medcycle.training.seeds import seed_of

__all__ = ["PairMaker"]

MEASURE_EVERY, MEASURE_FROM = 8, 500
"""Every so many steps contrasts of the MR are measured, after so many in which new networks learn where bone is."""


class PairMaker:
    """Makes batches of what is drawn from a store, with a pair where the method learns from one.

    Args:
        config: all settings.
        intensity: the maps that made the values of CT and MR.
        device: what is trained on.
        trained: whether the networks know where bone is from the start.
        has_mr: whether there are MR whose contrasts can be measured.

    Attributes:
        thick: how far apart the pairs' slices are to be drawn; None for slices as they are.
    """

    def __init__(
        self,
        config: Config,
        intensity: Mapping[str, IntensityMap],
        device: torch.device,
        *,
        trained: bool,
        has_mr: bool = True,
    ) -> None:
        self.wanted = config.learns_from_pairs
        self.measures = self.wanted and has_mr and config.randomize.measured_share > 0
        self.seed = config.training.seed
        effects = Effects.of(config.randomize)
        self.randomizer = ContrastRandomizer(intensity["ct"], effects, intensity["mr"], config.data.mr_percentile)
        self.random = torch.Generator(device)
        self.thick = _thickness(config)
        self.trained = trained

    def batch(self, item: Mapping[str, Tensor], number: int, *, pairs: bool = True) -> Batch:
        """The images of a batch: those of `UnpairedPatches` and perhaps `WithRegistered`, on the device.

        The pair depends on the seed, the batch's number in the run and what was measured alone, so that a resumed run
        sees the same. Without `pairs` there is none, whatever the method.
        """
        target, pair = item["target"], None
        if self.wanted and pairs:
            self._seed(number, 0)
            pair = self.randomizer.slices(target, item["body"], self.random, thick=self.thick is not None)
        if self.thick:
            target = target[:, 1::2]
        source = item.get("source", pair.source if pair else target)
        return Batch(source, target, pair, self._registered(item))

    def _registered(self, item: Mapping[str, Tensor]) -> Pair | None:
        if "registered_source" not in item:
            return None
        source, target, body = (item[f"registered_{name}"] for name in ("source", "target", "body"))
        return Pair(source, target, self.randomizer.weight(target, body))

    def measure(self, source: Tensor, method: Method, step: int) -> None:
        """Take up the contrasts of a step's MR, every so often, if the pairs are to follow them."""
        measured = self.randomizer.measured
        knows_bone = self.trained or step >= MEASURE_FROM or len(measured)
        if not self.measures or step % MEASURE_EVERY or not knows_bone:
            return
        with torch.no_grad():
            seen = method.translate(source).float()
        self._seed(step, 1)
        self.randomizer.measure(source, seen, self.random)

    def state_dict(self) -> dict[str, Tensor]:
        """What was measured."""
        return {"measured": self.randomizer.measured.signals}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on with what was measured."""
        self.randomizer.measured.signals = state["measured"].to(self.random.device)

    def _seed(self, number: int, purpose: int) -> None:
        self.random.manual_seed(seed_of(self.seed, number, purpose))


def _thickness(config: Config) -> Thickness | None:
    """How far apart the pairs' slices are, and how thick.

    None for volumes, where nothing is learned from pairs, and where neighbours are compared with those of other scans:
    an adversary would know them by their distance.
    """
    slices = config.data.slices
    apart = slices == 1 or config.method.name == "randomized"
    if config.network.spatial_dims == 3 or not (apart and config.learns_from_pairs and config.randomize.thick_share):
        return None
    return Thickness(*config.randomize.thickness, slices)
