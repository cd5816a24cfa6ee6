"""How long it takes to score a pair of CT, against the same figures by whole-volume calls of SciPy and scikit-image."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage
from skimage.metrics import structural_similarity

from medcycle.body import body_mask
from medcycle.evaluation.assessment import assess, cropped
from medcycle.evaluation.metrics import MS_SSIM_WEIGHTS
from medcycle.evaluation.protocols import CT_WINDOW, Compared, scores_of
from medcycle.evaluation.tissues import BONE, TISSUES
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.volume import Array, Volume
from tests.timing import compare

SHAPE = (256, 256, 200)
SPAN = CT_WINDOW[1] - CT_WINDOW[0]


Heads = tuple[Volume, Volume, tuple[Array, Array]]


def pair_of_heads() -> Heads:
    """A generated CT of 1 mm, one with smooth errors of 60 HU, and the bodies in both."""
    real = HeadPhantom.random(3).ct(head_grid(SHAPE, (1.0, 1.0, 1.0)))
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=SHAPE).astype(np.float32), 3)
    error = 60 * noise / noise.std()
    made = np.where(real.array > -300, real.array + error, real.array).astype(np.float32)
    synthetic = real.with_array(made)
    return real, synthetic, (body_mask(real, "ct").array, body_mask(synthetic, "ct").array)


def ours(real: Volume, synthetic: Volume, bodies: tuple[Array, Array]) -> dict[str, Any]:
    """What `medcycle evaluate` computes of a pair, but for bodies, registration and radiotherapy measures."""
    case = Compared(real, synthetic, bodies[0], np.ones_like(bodies[0]))
    return {"scores": scores_of(case, "medcycle")} | assess(cropped(case, bodies), misregistration=False)


def theirs(real: Volume, synthetic: Volume, bodies: tuple[Array, Array]) -> dict[str, Any]:
    """The same figures in float64 over the whole volume, as their formulas are usually written."""
    body = bodies[0]
    first, second = (one.array.astype(np.float64).clip(*CT_WINDOW) for one in (real, synthetic))
    difference = second - first
    inside = difference[body]
    kinds = {name: body & (first >= low) & (first < high) for name, (low, high) in TISSUES.items()}
    bones = (first >= BONE) & body, (second >= BONE) & body
    spacing = real.grid.spacing
    levels = [difference[:, :, k][body[:, :, k]] for k in range(body.shape[2])]
    return {
        "mae": np.abs(inside).mean(),
        "me": inside.mean(),
        "rmse": np.sqrt(np.square(inside).mean()),
        "psnr": 10 * np.log10(SPAN**2 / np.square(inside).mean()),
        "ssim": _ssim(first, second, body),
        "ms_ssim": _ms_ssim(first, second, body),
        "ncc": np.corrcoef(first[body], second[body])[0, 1],
        "tissues": {name: np.abs(difference[mask]).mean() for name, mask in kinds.items() if mask.any()},
        "line": [np.polyfit(first[mask], second[mask], 1) for mask in (body, bones[0])],
        "histograms": [np.histogram(one[body], bins=81, range=(-1025, 3025)) for one in (first, second)],
        "levels": [(np.abs(one).mean(), one.mean()) for one in levels if one.size],
        "bone": _surfaces(*bones, spacing),
        "body": _surfaces(*bodies, spacing),
        "flicker": [
            np.abs(one[:, :, 1:-1] - (one[:, :, :-2] + one[:, :, 2:]) / 2)[body[:, :, 1:-1]].mean()
            for one in (first, second)
        ],
    }


def _ssim(first: Array, second: Array, body: Array) -> float:
    shifted = [np.where(body, one, CT_WINDOW[0]) - CT_WINDOW[0] for one in (first, second)]
    _, similarity = structural_similarity(*shifted, data_range=SPAN, full=True)
    return float(similarity[body].mean())


def _ms_ssim(first: Array, second: Array, body: Array) -> float:
    images, product = [np.where(body, one, CT_WINDOW[0]) - CT_WINDOW[0] for one in (first, second)], 1.0
    c1, c2 = (0.01 * SPAN) ** 2, (0.03 * SPAN) ** 2
    for weight in MS_SSIM_WEIGHTS:
        x, y = images
        mx, my = (ndimage.uniform_filter(one, 7) for one in images)
        vx = ndimage.uniform_filter(x * x, 7) - mx * mx
        vy = ndimage.uniform_filter(y * y, 7) - my * my
        cov = ndimage.uniform_filter(x * y, 7) - mx * my
        similarity = (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
        product *= float((similarity.clip(0) ** weight)[body].mean())
        images = [ndimage.uniform_filter(one, 2)[::2, ::2, ::2] for one in images]
        body = body[::2, ::2, ::2]
    return product


def _surfaces(first: Array, second: Array, spacing: tuple[float, float, float]) -> tuple[float, float, float]:
    edges = [mask ^ ndimage.binary_erosion(mask) for mask in (first, second)]
    far = [ndimage.distance_transform_edt(~edge, sampling=spacing) for edge in edges]
    ways = far[1][edges[0]], far[0][edges[1]]
    overlap = 2 * (first & second).sum() / (first.sum() + second.sum())
    return float(overlap), max(float(np.percentile(way, 95)) for way in ways), float(np.mean([w.mean() for w in ways]))


def require_equal(own: dict[str, Any], other: dict[str, Any]) -> None:
    """Both compute the same."""
    for name in ("mae", "me", "rmse", "psnr", "ncc"):
        np.testing.assert_allclose(own["scores"][name], other[name], rtol=1e-5)
    for name in ("ssim", "ms_ssim"):
        np.testing.assert_allclose(own["scores"][name], other[name], atol=2e-3)  # their borders count
    for name in ("bone", "body"):
        np.testing.assert_allclose(list(own["structures"][name].values()), other[name], rtol=1e-4)
    for name, value in other["tissues"].items():
        np.testing.assert_allclose(own["tissues"][name]["mae"], value, rtol=1e-4)


def evaluation() -> None:
    """Both ways, on the same pair."""
    pair = pair_of_heads()
    require_equal(ours(*pair), theirs(*pair))
    compare(
        f"scores of a pair of CT of {'×'.join(map(str, SHAPE))}",
        {"SciPy and scikit-image": lambda: theirs(*pair), "medcycle": lambda: ours(*pair)},
        rounds=3,
    )


if __name__ == "__main__":
    evaluation()
