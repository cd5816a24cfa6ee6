"""Pairs of a simulated MR and a CT, from CT."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from medcycle.config import RandomizeConfig
from medcycle.dataset.store import Store
from medcycle.intensity import HounsfieldCurve, HounsfieldWindow, IntensityMap, MrLandmarks, MrPercentile, MrZScore
from medcycle.simulation import ContrastRandomizer, Effects

CURVE = HounsfieldCurve(-1024, 2000, -200, 200, 0.5)
STILL = {"reversed_share": 0, "rotation": 0, "scaling": 0, "bending": 0, "filled_share": 0, "cut_share": 0}
STILL |= {"bone_growth": 0, "bone_density": 0}
CLEAN = {"texture": 0, "bias": 0, "blur": 0, "noise": 0, "gain": (1, 1), "gamma": 0, "vessels": 0, "shift_share": 0}
CLEAN |= {"void_share": 0, "ringing_share": 0, "ghost_share": 0, "bone_signal": 0, "smoothing": 0}
USUAL = Effects.of(RandomizeConfig())
QUIET = replace(USUAL, **STILL, **CLEAN)
"""Contrast alone, of an anatomy that stays as it is."""


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def head(store: Store, sizes: int) -> tuple[torch.Tensor, torch.Tensor]:
    case = store.ct[0]
    parts = [torch.from_numpy(np.array(array, dtype=np.float32)) for array in (case.image, case.body)]
    image, body = parts if sizes == 3 else (part[:, :, part.shape[2] // 2] for part in parts)
    return image[None, None], body[None, None] > 0


@pytest.mark.parametrize("sizes", [2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_values_are_those_of_prepared_mr_and_ct(store: Store, sizes: int, seed: int) -> None:
    target, body = head(store, sizes)
    pair = ContrastRandomizer(store.ct[0].intensity, USUAL)(target, body, seeded(seed))
    assert {part.shape for part in pair} == {target.shape}
    assert {part.dtype for part in pair} == {target.dtype}
    inside = pair.source > -1
    assert 0.5 < inside.sum() / body.sum() < 1.5
    assert pair.source[inside].min() >= -0.8
    assert pair.source[inside].max() <= 1
    assert pair.source[inside].std() > 0.05
    assert (pair.target[~inside] == -1).all()
    assert pair.target.abs().max() <= 1


@pytest.mark.parametrize("sizes", [2, 3])
def test_the_half_precision_of_networks_is_not_for_pairs(store: Store, sizes: int) -> None:
    target, body = head(store, sizes)
    randomizer = ContrastRandomizer(store.ct[0].intensity, USUAL)
    expected = randomizer(target, body, seeded())
    with torch.autocast("cpu", torch.bfloat16):
        found = randomizer(target, body, seeded())
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_without_changes_of_anatomy_the_target_is_the_ct(store: Store) -> None:
    target, body = head(store, 2)
    pair = ContrastRandomizer(store.ct[0].intensity, QUIET)(target, body, seeded())
    torch.testing.assert_close(pair.target, torch.where(body, target, -1.0), atol=2e-3, rtol=0)
    assert torch.equal(pair.source > -1, body)


def test_the_seed_decides_and_images_of_a_batch_differ(store: Store) -> None:
    randomizer = ContrastRandomizer(store.ct[0].intensity, USUAL)
    target, body = (part.expand(2, -1, -1, -1) for part in head(store, 2))
    first, second = randomizer(target, body, seeded()).source
    assert torch.equal(randomizer(target, body, seeded()).source[1], second)
    assert not torch.allclose(randomizer(target, body, seeded(1)).source[0], first, atol=0.1)
    assert not torch.allclose(first, second, atol=0.1)


def ring() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Muscle in a ring of bone, both wider than the effects reach: radius, CT, body."""
    radius = torch.hypot(*torch.meshgrid(torch.arange(-40.0, 40), torch.arange(-40.0, 40), indexing="ij"))
    hounsfield = torch.full_like(radius, 55).where(radius < 36, -1000.0)
    hounsfield[(radius > 24) & (radius < 32)] = 1500
    return radius, torch.from_numpy(CURVE.forward(hounsfield.numpy()))[None, None], (radius < 36)[None, None]


def test_borders_stay_where_the_ct_has_them() -> None:
    radius, target, body = ring()
    config = replace(QUIET, **{"families": ("t1", "t2", "pd", "flair", "stir"), "structure_scale": (60, 61)})
    bones = []
    for seed in range(30):
        signal = ContrastRandomizer(CURVE, config)(target, body, seeded(seed)).source[0, 0]
        bone, inner = signal[(radius > 26) & (radius < 30)], signal[radius < 22]
        assert bone.std() < 1e-5  # one tissue, one signal
        assert (bone.mean() - inner.mean()).abs() > 1e-3
        bones.append(bone.mean().item())
    assert np.mean(np.array(bones) < -0.2) > 0.8  # cortical bone gives little signal


def test_soft_tissue_has_shapes_that_the_ct_does_not_show() -> None:
    brain = torch.from_numpy(CURVE.forward(np.full((1, 1, 64, 64), 30.0)))
    spread = [ContrastRandomizer(CURVE, QUIET)(brain, brain > -1, seeded(n)).source.std().item() for n in range(20)]
    assert np.median(spread) > 0.05


def test_an_image_without_body_is_empty() -> None:
    nothing = torch.full((1, 1, 32, 32), -1.0)
    pair = ContrastRandomizer(CURVE, USUAL)(nothing, nothing > -1, seeded())
    assert (pair.source == -1).all()
    assert (pair.target == -1).all()


@pytest.mark.parametrize("ct", [CURVE, HounsfieldWindow(-1000, 3000)])
def test_ct_numbers_undo_the_map(ct: IntensityMap) -> None:
    values = torch.linspace(-1, 1, 200).reshape(2, 1, 10, 10)
    randomizer = ContrastRandomizer(ct, USUAL)
    found = randomizer.ct_numbers(values)
    np.testing.assert_allclose(found.numpy(), ct.inverse(values.numpy()), atol=0.01)
    torch.testing.assert_close(randomizer.mapped(found), values, atol=1e-5, rtol=0)


def test_air_and_bone_weigh_what_is_asked() -> None:
    radius, target, body = ring()
    target[0, 0, (radius < 10)] = float(CURVE.forward(np.array(-900.0)))
    config = replace(QUIET, **{"air_weight": 4.0, "bone_weight": 2.0, "outside_weight": 0.5})
    weight = ContrastRandomizer(CURVE, config)(target, body, seeded()).weight[0, 0]
    assert (weight[radius < 10] == 4).all()
    assert (weight[(radius > 10) & (radius < 24)] == 1).all()
    assert (weight[(radius > 24) & (radius < 32)] == 2).all()
    assert (weight[radius > 36] == 0.5).all()


def about_the_middle(store: Store, slices: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Neighbouring slices of a CT and their bodies, shape (1, slices, height, width)."""
    case = store.ct[0]
    first = (case.image.shape[2] - slices) // 2
    parts = (torch.from_numpy(np.array(array[:, :, first : first + slices])) for array in (case.image, case.body))
    image, body = (part.movedim(-1, 0)[None] for part in parts)
    return image.float(), body


@pytest.mark.parametrize("thin", [False, True])
@pytest.mark.parametrize("count", [1, 3])
def test_a_thick_slice_is_a_mean_of_its_sub_slices(store: Store, count: int, thin: bool) -> None:
    slices, body = about_the_middle(store, 2 * count + 1)
    config = replace(QUIET, **{"thick_share": 0.0 if thin else 1.0})
    randomizer = ContrastRandomizer(store.ct[0].intensity, config)
    pair = randomizer.slices(slices, body, seeded(), thick=True)
    assert pair.source.shape == (1, count, *slices.shape[2:])
    found, given = randomizer.ct_numbers(pair.target), randomizer.ct_numbers(slices)
    inside = body.float().unfold(1, 3, 2).amin(-1) > 0
    middle, beside = given[:, 1::2], (given[:, :-1:2] + given[:, 2::2]) / 2
    away = ((found - middle) / (beside - middle))[inside & ((beside - middle).abs() > 50)]
    assert away.std() < 0.01
    assert (away.mean() == pytest.approx(0, abs=1e-3)) if thin else (0.05 < away.mean() < 0.67)
    apart = randomizer.slices(slices, body, seeded(), thick=False)
    assert apart.source.shape == slices.shape
    assert not torch.equal(apart.source[:, 0], apart.source[:, 1])


def test_a_share_of_the_images_has_thick_slices(store: Store) -> None:
    slices, body = (part.expand(80, -1, -1, -1) for part in about_the_middle(store, 3))
    randomizer = ContrastRandomizer(store.ct[0].intensity, replace(QUIET, **{"thick_share": 0.25}))
    made = randomizer.slices(slices, body, seeded(), thick=True).target
    change = (made - slices[:, 1:2]).abs().amax((1, 2, 3))
    assert (change > 1e-5).float().mean() == pytest.approx(0.25, abs=0.12)


def test_how_dense_bone_is_shows_in_the_ct_and_not_in_the_signal() -> None:
    _, target, body = ring()
    bone = target[0, 0] > 0

    def spreads(**changes: float) -> tuple[float, float]:
        """How much bone's CT number and its signal differ from one simulated MR to the next, seeds being the same."""
        config = replace(QUIET, **changes)
        made = [ContrastRandomizer(CURVE, config)(target, body, seeded(seed)) for seed in range(20)]
        plain = [ContrastRandomizer(CURVE, QUIET)(target, body, seeded(seed)) for seed in range(20)]
        number = np.std([pair.target[0, 0][bone].mean() for pair in made])
        return number, np.mean([(a.source - b.source)[0, 0][bone].std() for a, b in zip(made, plain, strict=True)])

    assert spreads() == (pytest.approx(0, abs=1e-6), pytest.approx(0, abs=1e-6))
    number, _ = spreads(bone_density=0.3)
    assert number > 0.05
    number, signal = spreads(bone_signal=0.3)
    assert number == pytest.approx(0, abs=1e-6)
    assert signal > 0.01


def test_smoothing_evens_noise_out_and_leaves_its_level() -> None:
    """Where there is no signal, as in dense bone: a magnitude is never less than none."""
    radius, target, body = ring()
    bone = (radius > 26) & (radius < 30)

    def in_bone(**changes: object) -> tuple[float, float, float]:
        config = replace(QUIET, **{"families": ("t2",), **changes})
        made = [ContrastRandomizer(CURVE, config)(target, body, seeded(seed)).source[0, 0][bone] for seed in range(20)]
        return torch.stack(made).mean().item(), torch.stack(made).std(1).mean().item(), torch.stack(made).min().item()

    level, spread, least = in_bone()
    noisy_level, noisy_spread, _ = in_bone(noise=0.12)
    smooth_level, smooth_spread, smooth_least = in_bone(noise=0.12, smoothing=0.8)
    assert noisy_level > level + 0.05
    assert smooth_level - level == pytest.approx(noisy_level - level, rel=0.35)
    assert spread < smooth_spread < 0.8 * noisy_spread
    assert smooth_least > least


def test_scaling_by_mean_and_spread(store: Store) -> None:
    target, body = head(store, 2)
    source = ContrastRandomizer(store.ct[0].intensity, QUIET, MrZScore(-1, 1))(target, body, seeded()).source
    assert source[body].mean() == pytest.approx(0.1, abs=0.1)
    assert (source[~body] == -1).all()


@pytest.mark.parametrize("percentile", [90.0, 99.5])
def test_scaling_to_the_percentile_of_preparation(store: Store, percentile: float) -> None:
    target, body = head(store, 2)
    made = ContrastRandomizer(store.ct[0].intensity, QUIET, MrPercentile(0, 1), percentile)(target, body, seeded())
    for source, inside in zip(made.source, body, strict=True):
        assert (source[inside] > 0.999).float().mean() == pytest.approx(1 - percentile / 100, abs=0.02)


def test_scaling_by_landmarks_gives_the_cohorts_deciles(store: Store) -> None:
    target, body = head(store, 3)
    mapped = tuple(-0.8 + 1.8 * part**2 for part in np.linspace(0, 1, 11))
    cohort = MrLandmarks(tuple(range(11)), mapped)
    source = ContrastRandomizer(store.ct[0].intensity, QUIET, cohort)(target, body, seeded(3)).source
    found = np.percentile(source[body].numpy(), MrLandmarks.DECILES)
    np.testing.assert_allclose(found[1:], mapped[2:-1], atol=0.1)
