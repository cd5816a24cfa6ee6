"""CBCT-like images of CT: each effect alone, on a cylinder of water or a generated head."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from medcycle.errors import DataError
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.simulation.cbct import simulate_cbct
from medcycle.simulation.scan_effects import ScanEffects
from medcycle.volume import Array, Grid, Volume

PIXEL, THICKNESS, RADIUS = 3.0, 6.0, 84.0
SHAPE = (72, 64, 4)
FEW = ScanEffects(views=120)


def away_from_middle(shape: tuple[int, ...] = SHAPE) -> Array:
    """mm, in the plane."""
    rows, columns = (np.arange(size) - (size - 1) / 2 for size in shape[:2])
    return np.broadcast_to(np.hypot(rows[:, None], columns)[..., None] * PIXEL, shape)


@pytest.fixture(scope="module")
def water() -> Volume:
    grid = Grid(SHAPE, np.diag([PIXEL, PIXEL, THICKNESS, 1.0]))
    return Volume(np.where(away_from_middle() < RADIUS, 0.0, -1000.0).astype(np.float32), grid)


@pytest.fixture(scope="module")
def head() -> Volume:
    return HeadPhantom.random(5).ct(head_grid(spacing=(PIXEL, PIXEL, THICKNESS)))


def made_of(ct: Volume, seed: int = 1, **effects: object) -> Array:
    return simulate_cbct(ct, seed, replace(FEW, **effects)).cbct.array  # type: ignore[arg-type]


def cupping(values: Array) -> float:
    """HU by which the middle of a cylinder is below its rim."""
    away = away_from_middle()
    rim = (away > 0.7 * RADIUS) & (away < 0.9 * RADIUS)
    return float(values[rim].mean() - values[away < 0.3 * RADIUS].mean())


def noise(values: Array) -> float:
    return float(values[away_from_middle() < 0.5 * RADIUS].std())


def rings(values: Array) -> float:
    """HU by which rings differ from each other, standard deviation over those of a slice."""
    away = (away_from_middle() / PIXEL).round().astype(int)[..., 0]
    inner = int(0.8 * RADIUS / PIXEL)
    found = [ndimage.mean(values[..., number], away, range(3, inner)) for number in range(values.shape[2])]
    return float(np.std(found, axis=1).mean())


def test_without_any_effect_the_ct_comes_back(water: Volume, head: Volume) -> None:
    inside = away_from_middle() < RADIUS - 2 * PIXEL
    made = made_of(water)
    assert np.abs(made[inside]).mean() < 10
    around = made_of(water, field_of_view=1.1)[(away_from_middle() > RADIUS + PIXEL) & (away_from_middle() < 90)]
    assert around.mean() == pytest.approx(-1000, abs=40)
    pair = simulate_cbct(head, 1, FEW)
    brain = (head.array > 20) & (head.array < 60)
    assert np.median(pair.cbct.array[brain]) == pytest.approx(np.median(head.array[brain]), abs=5)
    assert np.abs(pair.cbct.array - head.array)[head.array > -500].mean() < 90  # edges between coarse pixels
    assert np.array_equal(pair.ct.array, np.clip(head.array, -1024, 3071))
    assert pair.cbct.grid is head.grid


def test_scatter_and_hardening_make_cups(water: Volume) -> None:
    plain = cupping(made_of(water))
    assert abs(plain) < 5
    scattered = cupping(made_of(water, scatter=0.5))
    corrected = cupping(made_of(water, scatter=0.5, corrected=0.9))
    assert scattered > 60
    assert corrected < scattered / 2
    assert cupping(made_of(water, hardening=0.03)) > 20


def test_noise_goes_with_the_root_of_the_photons(water: Volume) -> None:
    still = noise(made_of(water, photons=1e12))
    few, many = (np.sqrt(noise(made_of(water, photons=photons)) ** 2 - still**2) for photons in (1e4, 4e4))
    assert few / many == pytest.approx(2.0, rel=0.1)


def test_errors_of_the_detector_make_rings(water: Volume) -> None:
    plain = rings(made_of(water))
    assert rings(made_of(water, rings=0.01)) > 5 * plain
    assert rings(made_of(water, bands=0.02)) > 3 * plain


@pytest.mark.parametrize("shift", [(6.0, 0.0, 0.0), (0.0, 6.0, 0.0), (0.0, 0.0, 6.0), (6.0, -6.0, 6.0)])
def test_who_moves_before_the_scan_is_elsewhere(head: Volume, shift: tuple[float, float, float]) -> None:
    plain, moved = made_of(head), made_of(head, shift=shift, moves_at=-1.0)
    voxels = np.array(shift) / (PIXEL, PIXEL, THICKNESS)
    expected, opposite = (ndimage.shift(plain, sign * voxels, order=1, mode="nearest") for sign in (1, -1))
    inner = np.s_[12:-12, 12:-12]
    assert np.abs(moved - expected)[inner].mean() < 25
    assert np.abs(moved - opposite)[inner].mean() > 75


def test_who_moves_during_the_scan_is_blurred(head: Volume) -> None:
    plain, body = made_of(head), head.array > -500
    moved = made_of(head, shift=(3.0, 3.0, 0.0), moves_at=0.5)
    assert np.abs(moved - head.array)[body].mean() > np.abs(plain - head.array)[body].mean() + 30
    assert np.array_equal(made_of(head, shift=(3.0, 3.0, 0.0), moves_at=1.0), plain)  # after it, nobody sees it


def test_beyond_a_small_field_of_view_there_is_nothing(water: Volume) -> None:
    made = made_of(water, field_of_view=0.75, beyond=40.0)
    away = away_from_middle()
    seen = 0.75 * RADIUS
    assert (made[away > seen + 2 * PIXEL] == -1024).all()
    assert (made[away < seen - 2 * PIXEL] > -500).all()
    assert np.abs(made[away < 0.5 * seen]).mean() < 60
    missing = made_of(water, field_of_view=0.75, beyond=1.0)
    assert np.abs(missing[away < seen - 2 * PIXEL]).mean() > 2 * np.abs(made[away < seen - 2 * PIXEL]).mean()


def test_metal_is_in_both_and_has_streaks(head: Volume) -> None:
    pair, plain = simulate_cbct(head, 2, replace(FEW, metal=3, photons=1e5)), made_of(head, 2, photons=1e5)
    metal = (pair.ct.array >= 3071) & (head.array < 3000)
    assert metal.any()
    assert np.array_equal(pair.ct.array[~metal], np.clip(head.array, -1024, 3071)[~metal])
    assert pair.cbct.array[metal].mean() > head.array[metal].mean() + 500
    beside = metal.any(axis=(0, 1))
    soft = (head.array[..., beside] > 0) & (head.array[..., beside] < 80)
    assert pair.cbct.array[..., beside][soft].std() > 1.1 * plain[..., beside][soft].std()


def test_a_seed_gives_one_scan(water: Volume) -> None:
    first, again, other = (simulate_cbct(water, seed).cbct.array for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.dtype == np.float32
    assert -1024 <= first.min() < first.max() <= 3071


def test_what_is_drawn_spans_what_scanners_have() -> None:
    drawn = [ScanEffects.drawn(np.random.default_rng(seed)) for seed in range(2000)]
    shares = {
        "motion": np.mean([any(one.shift) for one in drawn]),
        "truncation": np.mean([one.field_of_view < 1 for one in drawn]),
        "metal": np.mean([one.metal > 0 for one in drawn]),
    }
    assert shares == pytest.approx({"motion": 0.4, "truncation": 0.3, "metal": 0.2}, abs=0.04)
    assert max(one.scatter for one in drawn) > 1.2
    assert min(one.scatter for one in drawn) < 0.3


def test_other_axes_and_oblong_pixels_are_refused(head: Volume) -> None:
    affine = np.diag([3.0, 3.0, 6.0, 1.0])[[2, 0, 1, 3]]
    with pytest.raises(DataError, match="axial slices with square pixels"):
        simulate_cbct(Volume(head.array, Grid(head.grid.shape, affine)))
    with pytest.raises(DataError, match="3 by 2 mm"):
        simulate_cbct(Volume(head.array, Grid(head.grid.shape, np.diag([3.0, 2.0, 6.0, 1.0]))))
    turned = Volume(head.array, Grid(head.grid.shape, np.diag([-3.0, -3.0, 6.0, 1.0])))
    assert simulate_cbct(turned, 1, FEW).cbct.grid.orientation == "LPS"
