"""MR-like images from CT."""

import numpy as np
import pytest
import torch

from medcycle.config import RandomizeConfig
from medcycle.data.randomize import (
    ContrastRandomizer,
    bias_field,
    blurred,
    interpolate,
    rician,
    sequence_signal,
    smooth_noise,
    tissue_signals,
)
from medcycle.data.store import Store
from medcycle.intensity import HounsfieldCurve, HounsfieldWindow, IntensityMap
from medcycle.phantom import PROPERTIES, Tissue

CURVE = HounsfieldCurve(-1024, 2000, -200, 200, 0.5)
QUIET = RandomizeConfig(texture=0, bias=0, blur=0, noise=0, gain=(1, 1), gamma=0)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def head(store: Store, sizes: int) -> tuple[torch.Tensor, torch.Tensor]:
    case = store.ct[0]
    parts = [torch.from_numpy(np.array(array, dtype=np.float32)) for array in (case.image, case.body)]
    image, body = parts if sizes == 3 else (part[:, :, part.shape[2] // 2] for part in parts)
    return image[None, None], body[None, None] > 0


@pytest.mark.parametrize("sizes", [2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_values_are_those_of_prepared_mr(store: Store, sizes: int, seed: int) -> None:
    target, body = head(store, sizes)
    likeness = ContrastRandomizer(store.ct[0].intensity, RandomizeConfig())(target, body, seeded(seed))
    assert likeness.shape == target.shape
    assert likeness.dtype == target.dtype
    assert (likeness[~body] == -1).all()
    assert likeness[body].min() >= -0.8
    assert likeness[body].max() <= 1
    assert likeness[body].std() > 0.05


def test_the_seed_decides_and_images_of_a_batch_differ(store: Store) -> None:
    randomizer = ContrastRandomizer(store.ct[0].intensity, RandomizeConfig())
    target, body = (part.expand(2, -1, -1, -1) for part in head(store, 2))
    first, second = randomizer(target, body, seeded())
    assert torch.equal(randomizer(target, body, seeded())[1], second)
    assert not torch.allclose(randomizer(target, body, seeded(1))[0], first, atol=0.1)
    assert not torch.allclose(first, second, atol=0.1)


def test_borders_stay_where_the_ct_has_them() -> None:
    # muscle in a ring of bone, both wider than the effects reach
    radius = torch.hypot(*torch.meshgrid(torch.arange(-40.0, 40), torch.arange(-40.0, 40), indexing="ij"))
    hounsfield = torch.full_like(radius, 70).where(radius < 36, -1000.0)
    ring = (radius > 24) & (radius < 32)
    hounsfield[ring] = 1500
    target = torch.from_numpy(CURVE.forward(hounsfield.numpy()))[None, None]
    body = (radius < 36)[None, None]
    for seed in range(20):
        signal = ContrastRandomizer(CURVE, QUIET)(target, body, seeded(seed))[0, 0]
        bone, inner = signal[(radius > 26) & (radius < 30)], signal[radius < 22]
        assert bone.std() < 1e-5  # one tissue, one signal
        assert inner.std() < 1e-5
        assert (bone.mean() - inner.mean()).abs() > 1e-3
    dark = [ContrastRandomizer(CURVE, QUIET)(target, body, seeded(n))[0, 0, 40, 12] for n in range(50)]
    assert np.mean([float(value) < -0.2 for value in dark]) > 0.8  # cortical bone gives little signal


def test_soft_tissue_has_shapes_that_the_ct_does_not_show() -> None:
    brain = torch.from_numpy(CURVE.forward(np.full((1, 1, 64, 64), 30.0)))
    spread = [ContrastRandomizer(CURVE, QUIET)(brain, brain > -1, seeded(n)).std().item() for n in range(20)]
    assert np.median(spread) > 0.05


def test_an_image_without_body_is_empty() -> None:
    nothing = torch.full((1, 1, 32, 32), -1.0)
    assert (ContrastRandomizer(CURVE, RandomizeConfig())(nothing, nothing > -1, seeded()) == -1).all()


@pytest.mark.parametrize("ct", [CURVE, HounsfieldWindow(-1000, 3000)])
def test_ct_numbers_undo_the_map(ct: IntensityMap) -> None:
    values = torch.linspace(-1, 1, 200).reshape(2, 1, 10, 10)
    found = ContrastRandomizer(ct, RandomizeConfig()).ct_numbers(values)
    np.testing.assert_allclose(found.numpy(), ct.inverse(values.numpy()), atol=0.01)


def test_interpolate_is_numpys() -> None:
    random = np.random.default_rng(0)
    nodes, heights = np.sort(random.normal(size=(3, 6))), random.normal(size=(3, 6))
    values = random.normal(size=(3, 1, 8, 8)) * 2
    found = interpolate(*(torch.from_numpy(array) for array in (values, nodes, heights)))
    for number in range(3):
        np.testing.assert_allclose(found[number], np.interp(values[number], nodes[number], heights[number]))


def signal_of(tissue: Tissue, **timing: float) -> float:
    density, t1, t2, *_ = PROPERTIES[tissue]
    given = {"tr": 0.0, "te": 0.0, "ti": 0.0, "flip": 90.0, "t1": t1, "t2": t2} | timing
    return density * sequence_signal(**{name: torch.tensor(value) for name, value in given.items()}).item()


def test_sequences_give_their_known_contrast() -> None:
    def order(**timing: float) -> list[Tissue]:
        tissues = (Tissue.FAT, Tissue.WHITE_MATTER, Tissue.GREY_MATTER, Tissue.CSF)
        return sorted(tissues, key=lambda tissue: -signal_of(tissue, **timing))

    t1 = [Tissue.FAT, Tissue.WHITE_MATTER, Tissue.GREY_MATTER, Tissue.CSF]
    assert order(tr=500.0, te=12.0) == t1
    assert order(tr=15.0, te=4.0, flip=25.0) == t1
    assert order(tr=4000.0, te=100.0)[0] is Tissue.CSF
    assert order(tr=9000.0, te=120.0, ti=2200.0)[-1] is Tissue.CSF  # FLAIR nulls fluid
    assert order(tr=5000.0, te=50.0, ti=160.0)[-1] is not Tissue.CSF
    assert signal_of(Tissue.FAT, tr=5000.0, te=50.0, ti=230.0) < 0.1  # STIR nulls fat, ln 2 of its T1


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_tissue_signals_are_in_range_and_bone_is_dark(share: float) -> None:
    signals = tissue_signals(500, share, seeded(), torch.device("cpu"))
    for tissue, values in signals.items():
        assert values.shape == (500,)
        assert values.min() >= 0
        assert values.max() <= 1
        assert values.std() > 0 or tissue is Tissue.AIR
    assert signals[Tissue.CORTICAL_BONE].quantile(0.9) < 0.25
    assert signals[Tissue.AIR].max() <= 0.05


@pytest.mark.parametrize("sizes", [(40, 48), (20, 24, 28)])
def test_effects_of_no_strength_change_nothing(sizes: tuple[int, ...]) -> None:
    images = torch.rand(3, 1, *sizes, generator=seeded())
    torch.testing.assert_close(blurred(images, 0.0, seeded()), images)
    torch.testing.assert_close(rician(images, 0.0, seeded()), images)
    torch.testing.assert_close(images * bias_field(images, 0.0, (0.3, 0.8), seeded()), images)


def test_blur_smooths_and_keeps_the_sum() -> None:
    points = torch.zeros(4, 1, 41, 41)
    points[:, 0, 20, 20] = 1
    found = blurred(points, 2.0, seeded())
    torch.testing.assert_close(found.sum((1, 2, 3)), torch.ones(4))
    assert (found.amax((1, 2, 3)) < 0.9).all()
    assert len(found.amax((1, 2, 3)).unique()) == 4


def test_noise_is_rician() -> None:
    nothing = torch.zeros(1, 1, 200, 200)
    noise = rician(nothing, 1.0, seeded())
    assert noise.mean() / noise.std() == pytest.approx((np.pi / (4 - np.pi)) ** 0.5, rel=0.02)  # Rayleigh's


def test_grain_is_as_large_as_asked() -> None:
    like = torch.zeros(1, 1, 128, 128)

    def correlation(grain: float) -> float:
        noise = smooth_noise(like, (grain, grain * 1.01), seeded())
        assert noise.mean() == pytest.approx(0, abs=1e-4)
        assert noise.std() == pytest.approx(1, rel=1e-3)
        return (noise[..., 3:, :] * noise[..., :-3, :]).mean().item()

    assert correlation(2) < 0.3
    assert correlation(12) > 0.7


def test_scaling_by_mean_and_spread(store: Store) -> None:
    target, body = head(store, 2)
    plain = QUIET.model_copy(update={"gain": (1, 1)})
    likeness = ContrastRandomizer(store.ct[0].intensity, plain, by_spread=True)(target, body, seeded())
    assert likeness[body].mean() == pytest.approx(0.1, abs=0.1)
    assert (likeness[~body] == -1).all()


def test_a_body_that_goes_on_beyond_the_patch_does_not_turn_dark_there() -> None:
    for sizes in ((24, 24), (24, 24, 3)):
        even = torch.ones(2, 1, *sizes)
        torch.testing.assert_close(blurred(even, 2.0, seeded()), even)
