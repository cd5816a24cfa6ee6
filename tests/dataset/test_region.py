"""Whether a scan shows the region that a model was trained on."""

from typing import Any

import numpy as np
import pytest

from medcycle.body import body_mask
from medcycle.dataset.region import Region, region_of
from medcycle.phantom import T1_GRADIENT_ECHO, HeadPhantom, head_grid
from medcycle.volume import Grid, Volume

HEADS = [{"body": (160.0, 200.0, 220.0), "field": (200.0, 240.0, 220.0)}] * 3
PROSTATES = [{"body": (200.0, 200.0, 90.0), "field": (200.0, 200.0, 90.0)}] * 3


def body(*widths: tuple[float, float], field: tuple[float, float] = (440, 300), spacing: float = 4.0) -> Volume:
    """Elliptic sections of these sizes in mm, in the middle of a field of view."""
    x, y = (spacing * (np.arange(round(size / spacing)) - (size / spacing - 1) / 2) for size in field)
    sections = [(x[:, None] / (a / 2)) ** 2 + (y / (b / 2)) ** 2 <= 1 for a, b in widths]
    return Volume(np.stack(sections, axis=-1), Grid((len(x), len(y), len(widths)), np.diag([spacing, spacing, 5, 1])))


@pytest.mark.parametrize("size", [(160, 200), (130, 160), (200, 250), (40, 50)])
def test_heads_are_heads(size: tuple[float, float]) -> None:
    assert region_of(body(*[size] * 10), "axial", HEADS) == Region()


def test_a_generated_head_is_one() -> None:
    mr = HeadPhantom.random(7).mr(head_grid(spacing=(4, 4, 5)), T1_GRADIENT_ECHO)
    mask = Volume(body_mask(mr, "mr").array, mr.grid)
    assert region_of(mask, "axial", HEADS) == Region()


def test_another_region_is_told() -> None:
    found = region_of(body(*[(380, 240)] * 10), "axial", HEADS)
    assert "measures 384 by 236 mm" in found.problem
    assert "another region" in found.problem


def test_shoulders_below_a_head_are_told() -> None:
    found = region_of(body(*[(400, 200)] * 4, *[(160, 200)] * 8), "axial", HEADS)
    assert not found.problem
    assert found.warnings == (
        "in 4 of 12 slices the body is wider than in any training scan, as at the shoulders; not reliable there",
    )
    assert region_of(body(*[(400, 200)] * 8, *[(160, 200)] * 4), "axial", HEADS).problem


def test_a_field_of_view_inside_the_body_is_told() -> None:
    inside = body(*[(380, 240)] * 10, field=(160, 160))
    assert "fills the field of view" in region_of(inside, "axial", HEADS).problem
    assert region_of(inside, "axial", PROSTATES) == Region()


def test_a_head_cut_off_at_one_side_is_one() -> None:
    whole = body(*[(160, 200)] * 10, field=(160, 200))
    cut = Volume(whole.array[12:], Grid((28, 50, 10), whole.grid.affine))
    assert region_of(cut, "axial", HEADS) == Region()


@pytest.mark.parametrize("profiles", [HEADS, []])
def test_without_anything_to_compare_nothing_is_told(profiles: list[dict[str, Any]]) -> None:
    volume = body(*[(380, 240)] * 10)
    shown = volume if not profiles else volume.with_array(np.zeros_like(volume.array))
    assert region_of(shown, "axial", profiles) == Region()


def test_other_planes_are_turned() -> None:
    volume = body(*[(380, 240)] * 10)
    # sagittal slices: front-back, foot-head, right-left
    turned = Volume(np.transpose(volume.array, (1, 2, 0)), Grid((75, 10, 110), np.diag([4, 5, 4, 1])))
    assert "measures 384 by 236 mm" in region_of(turned, "sagittal", HEADS).problem
