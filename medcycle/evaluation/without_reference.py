"""What can be said of a synthetic CT where there is no true one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from scipy import ndimage

from medcycle.body import body_mask
from medcycle.evaluation.continuity import flicker
from medcycle.evaluation.grades import GRADES, Measure, Verdict
from medcycle.evaluation.head import head_regions
from medcycle.evaluation.reference_free import bright_voids
from medcycle.evaluation.surfaces import agreement, depths
from medcycle.evaluation.tissues import BONE, TISSUES
from medcycle.modality import modality_of_values
from medcycle.resample import coarsen
from medcycle.volume import Array, Volume

__all__ = ["assess_without_reference", "tissue_shares"]

AIR = -400.0
"""HU below which a voxel inside the body counts as air."""

INSIDE = 6.0
"""mm from the skin, within which air and edges are not looked at: there MR and CT never agree."""

OUTLINE = 4.0
"""mm to both sides of the body's outline, over which the expected error there is averaged."""

WORKING_SPACING = 2.0
"""mm, at which edges are compared."""

FEWEST = 100
"""Voxels that something can be said of."""

Figures = dict[str, Any]


def assess_without_reference(
    mr: Volume,
    synthetic: Volume,
    *,
    uncertainty: Volume | None = None,
    warnings: Sequence[str] = (),
    usual: Mapping[str, Sequence[float]] | None = None,
) -> Figures:
    """Measures of a synthetic CT against its MR, and a verdict.

    The verdict is the worst grade of a measure. It says what was found, never that a result is right. Its score is the
    expected error in 100 HU, where there is an uncertainty, and how far each measure is beyond its limit.

    Args:
        mr: the source, MR or CBCT.
        synthetic: HU, on the MR's grid.
        uncertainty: expected error, HU, on that grid.
        warnings: what the synthesis said.
        usual: lowest and highest values in the training CT, as `tissue_shares` gives them, by name.

    Returns:
        `verdict`, `measures`, `uncertainty` and `warnings`, as plain values.

    Raises:
        GridMismatch: if the grids differ.
    """
    mr, synthetic = mr.to_ras(), synthetic.to_ras()
    mr.grid.require_close(synthetic.grid, "MR and synthetic CT")
    kind = modality_of_values(mr.array)  # or CBCT, which have the values of CT
    body, drawn = body_mask(mr, kind), body_mask(synthetic, "ct")
    expected = _uncertainty(uncertainty.to_ras(), synthetic, drawn.array) if uncertainty else None
    measures = [
        *_outline(body, drawn),
        _cut_off(drawn),
        _edges(mr, synthetic, drawn),
        *([_bright(mr, synthetic, drawn)] if kind == "mr" else []),
        _flicker(mr, synthetic, drawn.array),
        *_shares(tissue_shares(synthetic, drawn.array), usual or {}, _millilitres(drawn)),
    ]
    if expected:
        measures.append(
            Measure(
                "expected_error",
                "expected error in the body",
                expected["mean_hu"],
                "HU",
                250.0,
                400.0,
                "the passes of the network disagree; held-out scans with this disagreement had errors of this size",
            )
        )
    if kind == "ct":
        measures = [one.of_cbct() for one in measures]
    return {
        "verdict": _verdict(measures, warnings, expected)._asdict(),
        "measures": [measure.to_json() for measure in measures],
        "uncertainty": expected,
        "warnings": list(warnings),
    }


def _verdict(measures: Sequence[Measure], warnings: Sequence[str], expected: Figures | None) -> Verdict:
    reasons = [
        f"{one.name}: {one.value:.3g}{' ' * bool(one.unit)}{one.unit} ({one.to_json()['expected']} expected); {one.why}"
        for one in measures
        if one.value is not None and one.grade != "no finding"
    ]
    reasons += [f"the synthesis warned: {warning}" for warning in warnings]
    worst = max((GRADES.index(one.grade) for one in measures), default=0)
    score = sum(one.excess for one in measures) + (expected["mean_hu"] / 100 if expected else 0.0)
    return Verdict(GRADES[max(worst, int(bool(warnings)))], score, reasons)


def _outline(mr: Volume, drawn: Volume) -> list[Measure]:
    found = agreement(mr.array, drawn.array, mr.grid)
    return [
        Measure(
            "outline_dice",
            "Dice of the body's outlines in MR and synthetic CT",
            found.dice,
            "",
            0.95,
            0.80,
            "tissue is missing or was added at the outline, which moves the skin that beams enter through",
        ),
        Measure(
            "outline_hd95_mm",
            "distance of these outlines, 95th percentile",
            found.hd95_mm,
            "mm",
            6.0,
            20.0,
            "the outlines differ in places, as where signal fades or metal leaves a void",
        ),
    ]


def _cut_off(drawn: Volume) -> Measure:
    """The part of the body's outline that lies on the four sides of the field of view; top and bottom are no sides."""
    mask = drawn.array
    sides = sum(int(np.count_nonzero(mask.take(end, axis=axis))) for axis in (0, 1) for end in (0, -1))
    surface = int(np.count_nonzero(mask & ~ndimage.binary_erosion(mask, border_value=0)))
    return Measure(
        "cut_off",
        "part of the outline cut off at the sides of the field of view",
        100 * sides / surface if surface else None,
        "%",
        0.5,
        10.0,
        "the body reaches beyond the field of view, so that paths through it are too short",
    )


def _edges(mr: Volume, synthetic: Volume, drawn: Volume) -> Measure:
    """How well edges of both agree in place: normalised gradient fields (Haber and Modersitzki 2006, MICCAI 4191)."""
    coarse = [coarsen(one, WORKING_SPACING) for one in (mr, synthetic)]
    inside = coarsen(drawn, WORKING_SPACING).array > 0.5
    spacing = coarse[0].grid.spacing
    inside = ndimage.distance_transform_edt(np.pad(inside, 1), sampling=spacing)[1:-1, 1:-1, 1:-1] > INSIDE
    value = None
    if np.count_nonzero(inside) >= FEWEST and min(inside.shape) > 1:
        fields = [_directions(one.array, spacing, inside) for one in coarse]
        (source, _), (drawn_edges, lengths) = fields
        cosines: Array = (source * drawn_edges).sum(axis=0)
        value = float(np.square(cosines[lengths > np.percentile(lengths, 80)]).mean())
    return Measure(
        "edges",
        "agreement of edges in MR and synthetic CT, 0 to 1",
        value,
        "",
        0.40,
        0.33,
        "edges of the synthetic CT run where the MR has none; unrelated images have 0.33",
    )


def _directions(array: Array, spacing: Sequence[float], inside: Array) -> tuple[Array, Array]:
    along = cast(Sequence[Array], np.gradient(array.astype(np.float32), *spacing))
    gradient = np.stack([one[inside] for one in along])
    length: Array = np.sqrt(np.square(gradient).sum(axis=0))
    return gradient / (length + 0.1 * (length.mean() or 1.0)), length


def _bright(mr: Volume, synthetic: Volume, drawn: Volume) -> Measure:
    """See `bright_voids`."""
    return Measure(
        "bright_voids",
        "air and dense bone brighter in MR than soft tissue",
        100 * bright_voids(mr.array[drawn.array], synthetic.array[drawn.array]),
        "%",
        15.0,
        45.0,
        "neither has much signal in MR: the contrast may be taken for its opposite",
    )


def _flicker(mr: Volume, synthetic: Volume, body: Array) -> Measure:
    """How much more axial slices of the synthetic CT flicker, in soft tissue, than those of the MR."""
    soft = body & (synthetic.array > TISSUES["fat"][0]) & (synthetic.array < BONE)
    made, given = (_across_within(one.array, soft) for one in (synthetic, mr))
    return Measure(
        "flicker",
        "flicker of axial slices against that of the MR",
        made / given if made and given else None,
        "",
        2.0,
        4.0,
        "neighbouring slices don't fit each other; look at sagittal and coronal planes",
    )


def _across_within(array: Array, mask: Array) -> float | None:
    """Flicker across axial slices over that across sagittal ones; None where there are too few."""
    across, within = flicker(array, mask), flicker(np.moveaxis(array, 0, 2), np.moveaxis(mask, 0, 2))
    if np.isnan(across).all() or np.isnan(within).all() or not np.nanmean(within):
        return None
    return float(np.nanmean(across) / np.nanmean(within))


def tissue_shares(ct: Volume, body: Array) -> dict[str, float]:
    """Air and bone in a body: their parts of it (%), and their mean HU; those without enough voxels are left out.

    Args:
        ct: HU.
        body: boolean, of its shape.
    """
    values = ct.array[body]
    found = {}
    for name, own in (("air", values[values < AIR]), ("bone", values[values >= BONE])):
        if own.size >= FEWEST:
            found[f"{name}_percent"] = float(100 * own.size / values.size)
            found[f"{name}_hu"] = float(own.mean(dtype=np.float64))
    return found


def _millilitres(mask: Volume) -> float:
    return float(np.count_nonzero(mask.array) * abs(np.linalg.det(mask.grid.affine[:3, :3])) / 1000)


def _shares(found: Mapping[str, float], usual: Mapping[str, Sequence[float]], body_ml: float) -> list[Measure]:
    """How far air and bone are from what the training CT had: parts of the body, as fields of view differ."""
    words = {
        "air_percent": ("air in the body", "%"),
        "air_hu": ("mean of air in the body", "HU"),
        "bone_percent": ("bone in the body", "%"),
        "bone_hu": ("mean of bone", "HU"),
    }
    measures = []
    for key, (name, unit) in words.items():
        if key in found and key in usual:
            low, high = usual[key]
            slack = max(0.25 * (high - low), 0.1 * abs(high), 1e-6)
            away = max(low - found[key], found[key] - high, 0.0)
            volume = f" ({found[key] / 100 * body_ml:.0f} ml)" if unit == "%" else ""
            why = f"it is {found[key]:.3g} {unit}{volume}, and the training CT had {low:.3g} to {high:.3g} {unit}"
            measures.append(Measure(key, f"{name}, outside the training range by", away, unit, slack, None, why))
    return measures


def _uncertainty(uncertainty: Volume, synthetic: Volume, body: Array) -> Figures | None:
    """Expected error, HU: its mean in the body, by region of a head, by tissue drawn, at the outline, by level."""
    synthetic.grid.require_close(uncertainty.grid, "synthetic CT and uncertainty")
    if not body.any():
        return None
    values = uncertainty.array
    bounds = [low for low, _ in TISSUES.values()][1:]
    kinds = np.digitize(synthetic.array, bounds)
    tissues = {name: body & (kinds == number) for number, name in enumerate(TISSUES)}
    regions = {name: part & body for name, part in head_regions(synthetic).items()}
    counts = np.count_nonzero(body, axis=(0, 1))
    levels = np.flatnonzero(counts >= FEWEST)
    sums = np.where(body, values, 0).sum(axis=(0, 1), dtype=np.float64)
    affine = synthetic.grid.affine
    heights = affine[2, 2] * levels + affine[2, 3] + affine[2, :2] @ ((np.array(body.shape[:2]) - 1) / 2)
    return {
        "mean_hu": float(values[body].mean(dtype=np.float64)),
        "by_region": _means(values, regions),
        "by_tissue": _means(values, tissues),
        "by_layer": _means(values, {"outline": np.abs(depths(body, synthetic.grid)) <= OUTLINE}),
        "levels": {"z_mm": heights.tolist(), "mean_hu": (sums[levels] / counts[levels]).tolist()},
    }


def _means(values: Array, parts: Mapping[str, Array]) -> dict[str, float]:
    return {name: float(values[part].mean(dtype=np.float64)) for name, part in parts.items() if part.any()}
