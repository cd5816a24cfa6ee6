"""Other anatomies than the ones at hand."""

import pytest
import torch

from medcycle.simulation.variation import (
    cut_off,
    deformed,
    inner_field,
    reversed_across,
    with_bone_grown,
    with_bone_scaled,
    with_filled_cavities,
)

STILL = {"rotation": 0.0, "scaling": 0.0, "bending": 0.0}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def disc(*sizes: int, radius: float = 14) -> tuple[torch.Tensor, torch.Tensor]:
    """A value of 0.5 in a disc (a cylinder in 3D), which is the body; −1 about it."""
    axes = [torch.arange(float(size)) - (size - 1) / 2 for size in sizes[:2]]
    distance = torch.hypot(*torch.meshgrid(*axes, indexing="ij"))
    body = (distance < radius).reshape(1, 1, *sizes[:2], *[1] * (len(sizes) - 2)).expand(1, 1, *sizes).contiguous()
    return torch.where(body, 0.5, -1.0), body


@pytest.mark.parametrize("sizes", [(40, 48), (40, 48, 3), (40, 48, 20)])
def test_without_strength_nothing_moves(sizes: tuple[int, ...]) -> None:
    image, body = disc(*sizes)
    moved, inside = deformed(image, body, seeded(), **STILL)
    torch.testing.assert_close(moved, image, atol=1e-4, rtol=0)
    assert torch.equal(inside, body)


@pytest.mark.parametrize("sizes", [(40, 48), (40, 48, 3)])
def test_image_and_body_move_together(sizes: tuple[int, ...]) -> None:
    image, body = (part.expand(8, *part.shape[1:]) for part in disc(*sizes))
    moved, inside = deformed(image, body, seeded(), rotation=20.0, scaling=0.2, bending=0.03)
    assert (moved[~inside] == -1).all()
    assert moved[inside].median() == pytest.approx(0.5, abs=1e-3)
    areas = inside.flatten(1).sum(1) / body[0].sum()
    assert areas.std() > 0.05
    assert (areas - 1).abs().max() < 0.6


@pytest.mark.parametrize("depth", [3, 20])
def test_slices_come_in_either_order(depth: int) -> None:
    image = torch.rand(64, 1, 6, 5, depth)
    body = image > 0.3
    given = image.clone(), body.clone()
    turned, inside = reversed_across(image, body, seeded(), 0.5)
    same = (turned == image).flatten(1).all(1)
    assert 16 < int(same.sum()) < 48
    for one, other in ((turned, image), (inside, body)):
        assert torch.equal(one[same], other[same])
        assert torch.equal(one[~same], other[~same].flip(-1))
    assert torch.equal(image, given[0])
    assert torch.equal(body, given[1])


def test_a_single_slice_has_no_order() -> None:
    image, body = disc(40, 48)
    assert all(
        one is other for one, other in zip(reversed_across(image, body, seeded(), 1.0), (image, body), strict=True)
    )


def test_a_rotation_turns_without_stretching() -> None:
    image = torch.full((6, 1, 60, 40), -1.0)
    image[:, :, 15:45, 15:25] = 0.5  # not square: pixels must not be stretched with the axes
    body = image > -1
    _, turned = deformed(image, body, seeded(), rotation=90.0, scaling=0.0, bending=0.0)
    areas = turned.flatten(1).sum(1) / body[0].sum()
    assert (areas - 1).abs().max() < 0.1


def test_the_same_deformation_runs_through_all_sub_slices() -> None:
    image, body = disc(40, 48, 3)
    moved, _ = deformed(image, body, seeded(), rotation=20.0, scaling=0.2, bending=0.03)
    assert torch.equal(moved[..., 0], moved[..., 2])


def skull(*sizes: int) -> torch.Tensor:
    """Twenty-four times soft tissue in a shell of bone of 1,000 HU, air about it."""
    axes = [torch.arange(float(size)) - (size - 1) / 2 for size in sizes[:2]]
    distance = torch.hypot(*torch.meshgrid(*axes, indexing="ij"))
    hounsfield = torch.where(distance < 18, torch.where(distance > 12, 1000.0, 40.0), -1000.0)
    return hounsfield.reshape(1, 1, *sizes[:2], *[1] * (len(sizes) - 2)).repeat(24, 1, 1, 1, *sizes[2:])


@pytest.mark.parametrize("sizes", [(48, 48), (48, 48, 3), (48, 48, 20)])
def test_bone_grows_and_shrinks_by_a_voxel_at_most_and_never_into_air(sizes: tuple[int, ...]) -> None:
    hounsfield = skull(*sizes)
    assert torch.equal(with_bone_grown(hounsfield, seeded(), 0.0), hounsfield)
    made = with_bone_grown(hounsfield, seeded(), 0.5)
    assert torch.equal(made[hounsfield == -1000], hounsfield[hounsfield == -1000])
    assert made.min() == -1000
    assert made.max() <= 1000
    change = (made - hounsfield).flatten(1).mean(1)
    assert change.min() < -5
    assert change.max() > 5
    deep = with_bone_grown(hounsfield, seeded(), 0.5) != hounsfield
    assert not deep[:, :, 24, 24].any()  # far from bone


def test_bone_gets_denser_or_lighter_and_nothing_else_does() -> None:
    hounsfield = skull(48, 48)
    hounsfield[:, :, 20:24, 20:24] = 2800  # metal
    hounsfield[:, :, 26:28, 26:28] = 2400
    made = with_bone_scaled(hounsfield, seeded(), 0.3, 0.0, (8.0, 40.0))
    other = (hounsfield < 150) | (hounsfield > 2500)
    assert torch.equal(made[other], hounsfield[other])
    factors = (made[hounsfield == 1000].reshape(24, -1) - 150) / 850
    assert factors.std(1).max() < 1e-5
    assert (factors.log().abs() <= 0.3 + 1e-5).all()
    assert factors.mean(1).log().std() == pytest.approx(0.3 / 3**0.5, rel=0.25)
    assert made[hounsfield == 2400].max() == 2500  # not metal
    within = with_bone_scaled(hounsfield, seeded(), 0.0, 0.2, (8.0, 40.0))[hounsfield == 1000]
    assert ((within - 150) / 850).log().std() == pytest.approx(0.2, rel=0.25)
    assert torch.equal(with_bone_scaled(hounsfield, seeded(), 0.0, 0.0, (8.0, 40.0)), hounsfield)


def test_cavities_are_filled_and_nothing_else_is() -> None:
    hounsfield = torch.full((20, 1, 64, 64), 40.0)
    hounsfield[:, :, 20:40, 20:40] = -950
    hounsfield[:, :, 50:, 50:] = -100  # fat far from air
    hounsfield[:, :, :4] = -1000
    body = torch.ones_like(hounsfield, dtype=torch.bool)
    body[:, :, :4] = False
    filled = with_filled_cavities(hounsfield, body, seeded(), share=1.0)
    changed = filled != hounsfield
    assert changed[:, :, 20:40, 20:40].float().mean() > 0.2
    changed[:, :, 20:40, 20:40] = False
    assert not changed.any()
    assert filled[filled != hounsfield].min() >= 5
    assert filled[filled != hounsfield].max() <= 50
    assert with_filled_cavities(hounsfield, body, seeded(), share=0.0) is hounsfield


@pytest.mark.parametrize("sizes", [(40, 48), (40, 48, 20)])
def test_a_field_of_view_is_a_box(sizes: tuple[int, ...]) -> None:
    body = torch.ones(60, 1, *sizes, dtype=torch.bool)
    kept = cut_off(body, seeded(), 1.0, 0.3)
    sides = []
    for image in kept[:, 0]:
        shown = image.reshape(*sizes[:2], -1).any(2)
        rows, columns = shown.any(1), shown.any(0)
        assert torch.equal(shown, rows[:, None] & columns)
        for line in (rows, columns):
            assert line.float().mean() >= 0.4
            sides += [not line[0], not line[-1]]
    assert 0.3 < torch.tensor(sides).float().mean() < 0.7  # one of four surely, often more
    assert torch.equal(cut_off(body, seeded(), 0.0, 0.3), body)
    assert body.all()


@pytest.mark.parametrize("sizes", [(40, 60), (40, 60, 20)])
def test_an_inner_field_lies_within_the_body(sizes: tuple[int, ...]) -> None:
    body = torch.zeros(60, 1, *sizes, dtype=torch.bool)
    body[:, :, 4:36, 10:55] = True
    kept = inner_field(body, seeded(), 1.0, (0.4, 0.6))
    starts = []
    for image in kept[:, 0]:
        shown = image.reshape(*sizes[:2], -1).any(2)
        rows, columns = shown.any(1), shown.any(0)
        assert torch.equal(shown, rows[:, None] & columns)
        for line, length in ((rows, 40), (columns, 60)):
            assert 0.4 * length - 1 <= line.sum() <= 0.6 * length + 1
        starts.append(columns.int().argmax().item())
    assert 10 <= min(starts) < 15  # anywhere in the body
    assert 25 < max(starts) <= 31
    assert not (kept & ~body).any()
    some = inner_field(body, seeded(), 0.5, (0.4, 0.6)).flatten(1).sum(1) < body[0].sum()
    assert 15 < some.sum() < 45
    assert torch.equal(inner_field(body, seeded(), 0.0, (0.4, 0.6)), body)


def test_an_inner_field_larger_than_the_body_or_the_image_hides_nothing() -> None:
    body = torch.zeros(4, 1, 40, 40, dtype=torch.bool)
    body[:3, :, 10:30, 10:30] = True  # the last one has none
    for size in ((0.5, 0.7), (1.0, 2.0)):
        assert torch.equal(inner_field(body, seeded(), 1.0, size), body)
