"""Body masks: against phantoms whose body is known."""

from collections.abc import Sequence

import numpy as np
import pytest

from medcycle.blank_slices import bridged, gaps_in
from medcycle.body import Body, body_mask, find_body
from medcycle.phantom import HeadPhantom, Tissue, head_grid
from medcycle.volume import Grid, Volume


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def found(array: np.ndarray, modality: str, spacing: Sequence[float] = (2, 2, 2)) -> np.ndarray:
    return body_mask(Volume(array.astype(np.float32), Grid(array.shape, np.diag([*spacing, 1.0]))), modality).array


def ball(shape: tuple[int, int, int], radius: float, spacing: Sequence[float] = (2, 2, 2)) -> np.ndarray:
    """A ball about the centre; the radius in mm."""
    centre = (np.array(shape) - 1) / 2
    distance = np.linalg.norm((np.indices(shape).T - centre) * spacing, axis=-1).T
    return distance < radius


def noisy(signal: np.ndarray, deviation: float) -> np.ndarray:
    """The magnitude of a signal with noise in both channels."""
    real, imaginary = np.random.default_rng(0).normal(0, deviation, (2, *signal.shape))
    return np.hypot(signal + real, imaginary)


@pytest.mark.parametrize(("modality", "orientation"), [("mr", "RAS"), ("ct", "RAS"), ("mr", "PIR"), ("ct", "LIP")])
def test_phantom_bodies_are_found(modality: str, orientation: str) -> None:
    grid = head_grid(spacing=(3, 3, 3), orientation=orientation)
    head = HeadPhantom.random(3)
    truth = head.labels(grid).array != Tissue.AIR
    volume = head.mr(grid) if modality == "mr" else head.ct(grid, couch=True)
    mask = body_mask(volume, modality)
    assert mask.array.dtype == bool
    assert mask.grid is grid
    assert dice(mask.array, truth) > 0.97


@pytest.mark.slow
@pytest.mark.parametrize("modality", ["mr", "ct"])
def test_thick_slices(modality: str) -> None:
    grid = head_grid(spacing=(2, 2, 6))
    head = HeadPhantom.random(5)
    volume = head.mr(grid) if modality == "mr" else head.ct(grid, couch=True)
    truth = head.labels(grid).array != Tissue.AIR
    assert dice(body_mask(volume, modality).array, truth) > 0.97


@pytest.mark.parametrize("modality", ["mr", "ct"])
@pytest.mark.parametrize("slices", [1, 2])
def test_one_or_two_slices(slices: int, modality: str) -> None:
    body = np.repeat(ball((60, 60, 1), 40), slices, axis=2)
    array = np.where(body, 40, -1000) if modality == "ct" else noisy(np.where(body, 500, 0), 10)
    assert dice(found(array, modality, (2, 2, 5)), body) > 0.98


def test_air_inside_counts_and_a_couch_does_not() -> None:
    body = ball((60, 60, 40), 36)
    array = np.where(body, 40.0, -1000.0)
    array[ball(body.shape, 12)] = -990
    array[:, 49:51] = 200  # two pixels of couch, a gap below the ball
    mask = found(array, "ct")
    assert mask[30, 30, 20]
    assert not mask[:, 49:].any()
    assert dice(mask, body) > 0.98


def test_lungs_that_the_last_slice_cuts_are_filled() -> None:
    body = np.repeat(ball((70, 70, 1), 60), 30, axis=2)
    array = np.where(body, 40.0, -1000.0)
    array[ball((70, 70, 60), 40)[..., :30]] = -850  # widest at the last slice
    mask = found(array, "ct")
    assert mask[34:36, 34:36].all()
    assert dice(mask, body) > 0.98


def test_a_nostril_that_the_last_slice_cuts_is_filled() -> None:
    body = np.repeat(ball((70, 70, 1), 60), 30, axis=2)
    array = np.where(body, 40.0, -1000.0)
    array[30:40, 15:50, :3] = -1000
    array[33:37, :15, :3] = -1000  # 8 mm wide, from the cavity to the air around
    assert dice(found(array, "ct")[..., :3], body[..., :3]) > 0.98


def test_a_body_over_the_whole_field_of_view() -> None:
    assert found(np.full((40, 40, 12), 40.0), "ct").all()
    rng = np.random.default_rng(0)
    signal = rng.normal(900, 60, (60, 60, 12))
    x, y = np.indices(signal.shape[:2]) - 29.5
    muscle = (np.maximum(abs(x), abs(y)) > 18) & (abs(x) > 6)  # up to the border, and far from some of the coils
    signal[muscle] = (rng.normal(360, 40, signal.shape) * (1 + x[..., None] / 50))[muscle]
    assert found(signal, "mr").all()


@pytest.mark.parametrize("offset", [0, 1])
def test_an_ear_is_kept(offset: int) -> None:
    shape, spacing = (160, 150, 100), (1.0, 1.0, 1.0)
    body = ball(shape, 55, spacing)
    ear = np.zeros(shape, bool)
    ear[120:155, 75 + offset : 78 + offset, 25:75] = True  # 3 mm thick
    ear &= ~body
    mask = found(np.where(body | ear, 40.0, -1000.0), "ct", spacing)
    assert np.count_nonzero(mask & ear) > 0.65 * np.count_nonzero(ear)
    assert dice(mask, body | ear) > 0.98


def test_an_ear_at_the_headrest_is_kept_and_the_headrest_is_not() -> None:
    shape = (110, 110, 60)
    body = ball(shape, 60)
    headrest, ear = np.zeros((2, *shape), bool)
    headrest[15:95, 85:88] = True  # touches the skull, 61 mm behind the centre
    headrest[92:95, 40:85] = True
    ear[80:92, 60:62, 18:42] = True
    ear[85:92, 62:64, 18:42] = True
    mask = found(np.where(body | ear | headrest, 40.0, -1000.0), "ct")
    assert np.count_nonzero(mask & ear) > 0.7 * np.count_nonzero(ear)
    assert np.count_nonzero(mask & headrest & ~body) < 0.06 * np.count_nonzero(headrest & ~body)
    assert dice(mask, body | ear) > 0.97


def test_streaks_of_metal_do_not_count() -> None:
    body = ball((120, 90, 30), 70)
    array = np.where(body, 40.0, -1000.0)
    array[:, 43:45, 14:16] = np.maximum(array[:, 43:45, 14:16], -250)
    assert dice(found(array, "ct"), body) > 0.98
    assert not found(array, "ct")[:15].any()


@pytest.mark.parametrize("deviation", [20, 90])
def test_noise_of_mr_does_not_count(deviation: float) -> None:
    grid = head_grid(spacing=(3, 3, 3))
    head = HeadPhantom.random(3)
    volume = head.mr(grid)
    mask = body_mask(volume.with_array(noisy(volume.array, deviation).astype(np.float32)), "mr")
    assert dice(mask.array, head.labels(grid).array != Tissue.AIR) > 0.96


def test_ghosts_of_mr_do_not_count() -> None:
    body = ball((120, 60, 40), 38)
    signal = np.where(body, 100.0, 0.0)
    signal[ball(body.shape, 38) & ~ball(body.shape, 30)] = 900  # fat below the skin
    ghosts = sum(np.roll(signal, shift, 0) for shift in (-30, 30))
    mask = found(noisy(signal + 0.07 * ghosts, 3), "mr")
    assert dice(mask, body) > 0.98


@pytest.mark.parametrize("scalp", [35, 60, 200])
def test_a_scalp_without_the_signal_of_fat_is_kept(scalp: int) -> None:
    """And the skull within it, which has none at all."""
    shape = (90, 90, 60)
    brain, skull, head = (ball(shape, radius) for radius in (50, 60, 66))
    signal = np.select([brain, skull, head], [500, 0, scalp], 0)
    assert dice(found(noisy(signal, 5), "mr"), head) > 0.97


def test_a_ghost_on_one_side_is_no_scalp() -> None:
    brain = ball((90, 90, 60), 50)
    signal = np.where(brain, 500, 0) + np.roll(np.where(brain, 30, 0), 25, axis=1)
    assert dice(found(noisy(signal, 5), "mr"), brain) > 0.97


def test_nothing_there_is_an_empty_mask() -> None:
    shape = (8, 9, 10)
    assert not found(np.full(shape, -1000.0), "ct").any()
    assert not found(np.zeros(shape), "mr").any()
    assert not found(np.full(shape, -3.0), "mr").any()
    assert not found(np.full(shape, 7.0), "mr").any()


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("modality", ["mr", "ct"])
@pytest.mark.parametrize("millimetres", [(40, 40, 30), (90, 60, 45)])
def test_a_field_of_view_inside_the_body_is_all_body(modality: str, millimetres, seed: int) -> None:
    """As a crop of brain is."""
    shape = tuple(round(length / 2) for length in millimetres)
    grid = Grid(shape, np.diag([2.0, 2, 2, 1]) + np.eye(4, k=3) * 0)
    centred = Grid(shape, grid.affine - np.array([[0, 0, 0, n - 1.0] for n in shape] + [[0, 0, 0, 0]]))
    head = HeadPhantom.random(seed)
    volume = head.mr(centred) if modality == "mr" else head.ct(centred)
    assert body_mask(volume, modality).array.mean() > 0.97


@pytest.mark.parametrize(
    ("modality", "thickness", "lost"),
    [("mr", 3, [9]), ("mr", 5, [10, 11, 12]), ("ct", 3, [9, 10]), ("ct", 5, [4, 15]), ("mr", 5, [4, 15])],
)
def test_empty_slices_do_not_end_the_body(modality: str, thickness: float, lost: list[int]) -> None:
    grid = head_grid(spacing=(3, 3, thickness))
    head = HeadPhantom.random(3)
    whole = head.mr(grid) if modality == "mr" else head.ct(grid)
    array = whole.array.copy()
    array[:, :, lost] = 0 if modality == "mr" else -1024
    torn = whole.with_array(array)
    assert dice(body_mask(torn, modality).array, body_mask(whole, modality).array) > 0.99
    numbers = {gap.first + n for gap in gaps_in(array) for n in range(gap.count)}
    assert numbers == set(lost)
    filled = bridged(torn).array[:, :, lost[0]]
    assert np.abs(filled - whole.array[:, :, lost[0]]).mean() < 0.35 * np.abs(whole.array[:, :, lost[0]]).mean()


def test_a_sound_volume_has_no_gaps_and_is_not_copied() -> None:
    volume = HeadPhantom.random(3).ct(head_grid(spacing=(4, 4, 5)))
    assert gaps_in(volume.array) == []
    assert bridged(volume) is volume


def test_space_between_two_things_is_not_filled() -> None:
    array = np.zeros((40, 40, 20), np.float32)
    array[5:15, 5:15], array[26:36, 24:34] = 100, 100
    array += np.random.default_rng(0).random(array.shape).astype(np.float32)
    (gap,) = (gap for gap in gaps_in(array) if gap.axis == 0)
    assert (gap.first, gap.count, gap.is_bridged) == (15, 11, False)
    assert bridged(Volume(array, Grid(array.shape, np.eye(4)))).array is array


def test_both_legs_are_body() -> None:
    shape = (100, 50, 40)
    across, along = np.indices(shape)[:2] * 4.0
    legs = [np.hypot(across - centre, along - 100) < radius for centre, radius in ((110, 70), (290, 65))]
    assert dice(found(np.where(legs[0] | legs[1], 40.0, -1000.0), "ct", (4, 4, 4)), legs[0] | legs[1]) > 0.98


def test_what_is_left_out_is_told_if_it_is_of_body_size() -> None:
    shape = (90, 90, 60)
    body, other, small = ball(shape, 60), np.zeros(shape, bool), np.zeros(shape, bool)
    other[:24, :24, :30] = True
    small[-5:, -5:, -5:] = True

    def left_out(mask: np.ndarray) -> Body:
        hounsfield = np.where(mask, 40.0, -1000.0).astype(np.float32)
        return find_body(Volume(hounsfield, Grid(shape, np.diag([2.0, 2, 2, 1]))), "ct")

    told = left_out(body | other)
    assert told.left_out == pytest.approx(other.sum() / body.sum(), rel=0.15)
    assert "is taken for air" in told.remark
    assert not left_out(body | small).remark
