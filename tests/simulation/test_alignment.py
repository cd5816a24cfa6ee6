"""A simulated MR lies on its CT: what it is shifted by, a model learns."""

import numpy as np
import pytest
import torch

from medcycle.config import RandomizeConfig, load_config
from medcycle.dataset.preparation import hounsfield_map, prepare_volume
from medcycle.intensity import MrPercentile
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.simulation import ContrastRandomizer, Effects
from tests.bone_shift import shift_between

DRAWS = 6


def edges(image: np.ndarray) -> np.ndarray:
    return np.sqrt(sum(part**2 for part in np.gradient(image)))


def drawn(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Edges of CT and of simulated MR, with all effects."""
    config = load_config("head_ct_only", ["data.spacing=[4, 4, 4]"]).data
    randomizer = ContrastRandomizer(hounsfield_map(config), Effects.of(RandomizeConfig()), MrPercentile(0.0, 1000.0))
    generator, found = torch.Generator().manual_seed(1), []
    for seed in (300, 301):
        prepared = prepare_volume(HeadPhantom.random(seed).ct(head_grid(spacing=(4.0, 4.0, 4.0))), "ct", config)
        image, body = (torch.from_numpy(part.array)[None, None] for part in (prepared.image, prepared.body))
        for _ in range(count):
            made = randomizer(image, body, generator)
            found.append((edges(made.target[0, 0].numpy()), edges(made.source[0, 0].numpy())))
    return found


def test_a_simulated_mr_is_not_shifted_against_its_ct() -> None:
    pairs = drawn(DRAWS)
    for axis in range(3):
        assert np.mean([shift_between(ct, mr, axis) for ct, mr in pairs]) == pytest.approx(0, abs=0.2)


def test_a_shift_would_be_seen() -> None:
    ct, mr = drawn(1)[0]
    for axis in range(3):
        moved = 0.5 * (mr + np.roll(mr, 1, axis))  # by half a voxel
        assert shift_between(ct, moved, axis) - shift_between(ct, mr, axis) == pytest.approx(0.5, abs=0.2)
