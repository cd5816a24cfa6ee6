"""Windows: every voxel of a body is in one, whatever the sizes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medcycle.inference.windows import Windows, borders_of, box_of, importance, through_windows, windows_in


@st.composite
def bodies(draw) -> np.ndarray:
    """Some voxels of a volume, at least one: a body need not be in one piece."""
    shape = draw(st.tuples(*[st.integers(1, 60)] * 3))
    body = np.zeros(shape, bool)
    for _ in range(draw(st.integers(1, 3))):
        ends = [sorted(draw(st.tuples(*[st.integers(0, size - 1)] * 2))) for size in shape]
        body[tuple(slice(low, high + 1) for low, high in ends)] = True
    return body


windows = st.tuples(*[st.integers(8, 40).map(lambda size: size // 4 * 4)] * 3)
overlaps = st.floats(0, 0.9)


@settings(deadline=None, max_examples=150)
@given(bodies(), windows, overlaps, st.integers(0, 3))
def test_every_voxel_of_the_body_counts_in_some_window(body, window, overlap, shift) -> None:
    frame = box_of(body, window, 4, shift)
    assert all(size % 4 == 0 and size >= least for size, least in zip(frame.sizes, window, strict=True))
    framed = np.zeros(frame.sizes, bool)
    framed[frame.place] = body[frame.taken]
    assert framed.sum() == body.sum()
    weights = np.zeros(frame.sizes)
    for placed in windows_in(frame.sizes, window, overlap):
        assert framed[placed].shape == window
        weights[placed] += importance(window)
    assert (weights[framed] > 0).all()


@settings(deadline=None)
@given(st.integers(1, 200), st.integers(2, 60), overlaps)
def test_windows_of_an_axis(length, window, overlap) -> None:
    length = max(length, window)
    found = [placed[0].start for placed in windows_in((length,), (window,), overlap)]
    assert found[0] == 0
    assert found[-1] + window == length
    steps = np.diff(found)
    assert (steps <= max(1, window * (1 - overlap)) + 1e-6).all()
    assert len(set(steps[:-1])) <= 1
    assert len(found) == 1 + -(-(length - window) // max(1, int(window * (1 - overlap))))


def test_windows_are_those_that_are_taken_and_empty_ones_are_left_out() -> None:
    """Each voxel of a ramp tells where a window begins."""
    shape, window = (32, 32, 128), (32, 32, 32)
    image = np.broadcast_to(np.linspace(-0.9, 1, 128, dtype=np.float32), shape).copy()
    image[:, :, 40:80] = -1
    seen: list[float] = []

    def identity(images: torch.Tensor) -> torch.Tensor:
        seen.extend(images[:, 0, 0, 0, 0].tolist())
        return images

    made = through_windows(image, window, Windows(3, 0.75), identity, torch.device("cpu"))
    placed = windows_in(shape, window, 0.75)
    assert seen == pytest.approx([float(image[one][0, 0, 0]) for one in placed if (image[one] > -1).any()])
    assert len(seen) < len(placed)
    np.testing.assert_allclose(made, image, atol=1e-6)


def test_a_frame_is_about_the_body() -> None:
    body = np.zeros((40, 50, 10), bool)
    body[30:39, 10:25, 3] = True
    frame = box_of(body, (16, 16), 4)
    assert frame.sizes == (16, 16, 10)
    assert frame.taken == (slice(26, 40), slice(9, 25), slice(0, 10))
    assert frame.place == (slice(0, 14), slice(0, 16), slice(0, 10))


def test_borders_are_where_windows_begin_and_end() -> None:
    body = np.ones((40, 16, 16), bool)
    assert borders_of(box_of(body, (16, 16, 16), 4), (16, 16, 16), 0.25) == [[12, 16, 24, 28], [], []]


def test_windows_fade() -> None:
    """Next to each other at half a window's distance, they sum up to one all over."""
    along = importance((16,))
    np.testing.assert_allclose(along[8:] + along[:8], 1, rtol=1e-5)
    assert importance((8, 4, 6)).shape == (8, 4, 6)
