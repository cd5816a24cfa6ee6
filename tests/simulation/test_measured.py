"""Contrasts measured on MR."""

import numpy as np
import pytest
import torch

from medcycle.config import RandomizeConfig
from medcycle.dataset.store import Store
from medcycle.simulation import ContrastRandomizer, Effects
from medcycle.simulation.measured import MeasuredContrasts

CLASSES = {
    "air": (-1000.0, 0.01),
    "fat": (-100.0, 0.9),
    "soft": (30.0, 0.5),
    "marrow": (400.0, 0.7),
    "bone": (1200.0, 0.1),
}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def stripes() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Signal, body and CT numbers of an image with a stripe of every class, some voxels of which are wrong."""
    numbers, signal = (torch.tensor([pair[part] for pair in CLASSES.values()]) for part in (0, 1))
    hounsfield = numbers.repeat_interleave(8).expand(1, 40, 40).clone()
    image = signal.repeat_interleave(8).expand(1, 40, 40).clone()
    hounsfield[:, ::4] = hounsfield[:, ::4].roll(8, -1)
    return image[None], torch.ones(1, 1, 40, 40, dtype=torch.bool), hounsfield[None]


def test_the_median_of_each_class_is_measured() -> None:
    measured = MeasuredContrasts()
    measured.measure(*stripes(), seeded())
    drawn = measured.draw(400, seeded())
    for name, (_, signal) in CLASSES.items():
        assert drawn[name].log().mean() == pytest.approx(np.log(signal), abs=0.03)
        assert drawn[name].log().std() == pytest.approx(0.15, rel=0.15)
    assert drawn["lung"].isnan().all()
    assert measured.draw(1, seeded())["septum"] == pytest.approx(0.9, rel=0.6)


def test_what_lies_in_soft_tissue_is_drawn_from_it() -> None:
    signal, body, hounsfield = stripes()
    signal[hounsfield == 30] = torch.rand(int((hounsfield == 30).sum()), generator=seeded())
    measured = MeasuredContrasts(kept=300)
    for seed in range(300):
        measured.measure(signal, body, hounsfield, seeded(seed))
    drawn = measured.draw(2000, seeded())
    assert drawn["grey matter"].std() == pytest.approx(np.sqrt(1 / 12), rel=0.2)
    assert abs(np.corrcoef(drawn["grey matter"], drawn["fluid"])[0, 1]) < 0.15


def test_few_voxels_and_other_places_tell_nothing() -> None:
    signal, body, hounsfield = stripes()
    body[..., 12:, :] = False
    body[..., 32:] = False  # the bone
    hounsfield[..., 8:16] = 30.0  # nearly all of the fat
    measured = MeasuredContrasts()
    measured.measure(signal, body, hounsfield, seeded())
    drawn = measured.draw(1, seeded())
    assert drawn["bone"].isnan()
    assert drawn["fat"].isnan()
    assert not drawn["soft"].isnan()


def test_the_last_ones_are_kept() -> None:
    measured = MeasuredContrasts(kept=5)
    for seed in range(7):
        measured.measure(*stripes(), seeded(seed))
    assert len(measured) == 5
    with pytest.raises(ValueError, match="no contrast"):
        MeasuredContrasts().draw(1, seeded())


def test_images_follow_what_was_measured(store: Store) -> None:
    """Air and fat alike, soft tissue dark: no sequence gives that."""
    case = store.ct[0]
    target, body = (
        torch.from_numpy(np.array(array[:, :, array.shape[2] // 2], dtype=np.float32))[None, None]
        for array in (case.image, case.body)
    )
    randomizer = ContrastRandomizer(case.intensity, Effects.of(RandomizeConfig(measured_share=1), cut_share=0))
    seen = randomizer.mapped(stripes()[2])
    source = torch.where(seen > randomizer.mapped(torch.tensor([[[[500.0]]]])), 1.0, -0.8)
    before = randomizer(target, body > 0, seeded())
    randomizer.measure(source, seen, seeded())
    pair = randomizer(target, body > 0, seeded())
    assert not torch.equal(before.source, pair.source)
    hounsfield = randomizer.ct_numbers(pair.target)
    bone = pair.source[hounsfield > 900].median()
    soft = pair.source[(hounsfield > 0) & (hounsfield < 80)].median()
    assert bone - soft > 1
