"""Windows: every voxel of a body is in one, whatever the sizes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from medcycle.inference.windows import borders_of, frame_of, importance, starts, windows_of


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
    frame = frame_of(body, window, 4, shift)
    assert all(size % 4 == 0 and size >= least for size, least in zip(frame.sizes, window, strict=True))
    framed = np.zeros(frame.sizes, bool)
    framed[frame.place] = body[frame.taken]
    assert framed.sum() == body.sum()
    weights = np.zeros(frame.sizes)
    for placed in windows_of(framed, window, overlap):
        assert framed[placed].any()
        assert framed[placed].shape == window
        weights[placed] += importance(window)
    assert (weights[framed] > 0).all()


@settings(deadline=None)
@given(st.integers(1, 200), st.integers(1, 60), overlaps)
def test_windows_of_an_axis(length, window, overlap) -> None:
    length = max(length, window)
    found = starts(length, window, overlap)
    assert found[0] == 0
    assert found[-1] + window == length
    steps = np.diff(found)
    assert (steps <= max(1, window * (1 - overlap)) + 1e-6).all()
    assert np.ptp(steps) <= 1 if len(steps) else length == window


def test_windows_without_a_body_are_left_out() -> None:
    body = np.zeros((32, 32, 128), bool)
    body[:, :, :8] = body[:, :, -8:] = True
    placed = list(windows_of(body, (32, 32, 32), 0.5))
    assert [one[2].start for one in placed] == [0, 96]


def test_a_frame_is_about_the_body() -> None:
    body = np.zeros((40, 50, 10), bool)
    body[30:39, 10:25, 3] = True
    frame = frame_of(body, (16, 16), 4)
    assert frame.sizes == (16, 16, 10)
    assert frame.taken == (slice(26, 40), slice(9, 25), slice(0, 10))
    assert frame.place == (slice(0, 14), slice(0, 16), slice(0, 10))


def test_borders_are_where_windows_begin_and_end() -> None:
    body = np.ones((40, 16, 16), bool)
    assert borders_of(frame_of(body, (16, 16, 16), 4), (16, 16, 16), 0.25) == [[12, 16, 24, 28], [], []]


def test_windows_fade() -> None:
    """Next to each other at half a window's distance, they sum up to one all over."""
    along = importance((16,))
    np.testing.assert_allclose(along[8:] + along[:8], 1, rtol=1e-5)
    assert importance((8, 4, 6)).shape == (8, 4, 6)
