"""What the page says of each metric: its name, its unit, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from medcycle.words import shown

__all__ = ["METRICS", "Metric", "decimal", "figure", "metric_of", "significant"]

Better = Literal["lower", "higher", "near zero", "neither"]

BODY = "the body in the true volume, or the mask given"


@dataclass(frozen=True)
class Metric:
    """A number that a case can have.

    Args:
        label: as headings have it.
        unit: empty where there is none.
        decimals: that are shown.
        better: which values are good.
        range: which values are possible.
        mask: over which voxels.
        meaning: one sentence.
    """

    label: str
    unit: str
    decimals: int
    better: Better
    range: str
    mask: str
    meaning: str

    @property
    def title(self) -> str:
        """The label with its unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def explanation(self) -> str:
        """All that is known of it, in sentences."""
        good = {
            "lower": "Lower is better.",
            "higher": "Higher is better.",
            "near zero": "Near zero is best.",
            "neither": "",
        }[self.better]
        unit = f"Unit: {self.unit}." if self.unit else "No unit."
        return " ".join(filter(None, (self.meaning, unit, f"Range: {self.range}.", f"Mask: {self.mask}.", good)))


METRICS: dict[str, Metric] = {
    "mae": Metric(
        "MAE",
        "HU",
        1,
        "lower",
        "0 upwards",
        BODY,
        "Mean absolute error: the mean of |synthetic − real| over all voxels.",
    ),
    "me": Metric(
        *("ME", "HU", 1, "near zero", "any", BODY),
        "Mean error: the mean of synthetic − real. Positive where the synthetic CT is too dense on the whole.",
    ),
    "rmse": Metric(
        *("RMSE", "HU", 1, "lower", "0 upwards", BODY),
        "Root mean square error: as MAE, but large errors count for more.",
    ),
    "psnr": Metric(
        *("PSNR", "dB", 2, "higher", "usually 20 to 40", BODY),
        "Peak signal-to-noise ratio: the square of the window's width over the mean square error, in decibels.",
    ),
    "ssim": Metric(
        *("SSIM", "", 3, "higher", "−1 to 1", BODY),
        "Structural similarity of small neighbourhoods: 1 where mean, contrast and pattern are the same.",
    ),
    "ms_ssim": Metric(
        *("MS-SSIM", "", 3, "higher", "0 to 1", BODY), "Structural similarity over several resolutions together."
    ),
    "ncc": Metric(
        *("NCC", "", 3, "higher", "−1 to 1", BODY),
        "Normalised cross-correlation: blind to a constant offset and to a factor.",
    ),
    "nmae": Metric(
        *("NMAE", "", 3, "lower", "0 upwards", BODY),
        "Mean absolute error as a fraction of the real MR's range of signal.",
    ),
    "dice": Metric(
        *("Dice", "", 3, "higher", "0 to 1", "both outlines"),
        "Overlap of two outlines: twice their intersection over the sum of their volumes.",
    ),
    "hd95_mm": Metric(
        *("HD95", "mm", 1, "lower", "0 upwards", "both surfaces"),
        "The distance between two surfaces that 95 % of their points stay below.",
    ),
    "msd_mm": Metric(
        *("MSD", "mm", 2, "lower", "0 upwards", "both surfaces"), "The mean distance between two surfaces."
    ),
    "slope": Metric(
        *("slope", "", 2, "neither", "any; 1 is ideal", BODY),
        "Of the line of synthetic over real HU; below 1, contrast is lost.",
    ),
    "r2": Metric(
        "R²", "", 3, "higher", "up to 1", BODY, "The part of the variance that the line of calibration explains."
    ),
    "wepl_mae_mm": Metric(
        *("WEPL MAE", "mm", 2, "lower", "0 upwards", "rays to the target from all gantry angles"),
        "Mean absolute error of the water-equivalent path length: how far a proton range would be off.",
    ),
    "wepl_me_mm": Metric(
        *("WEPL ME", "mm", 2, "near zero", "any", "rays to the target from all gantry angles"),
        "Mean error of the water-equivalent path length, synthetic − real.",
    ),
    "spr_mae": Metric(
        *("SPR MAE", "", 4, "lower", "0 upwards", BODY),
        "Mean absolute error of the proton stopping power relative to water.",
    ),
    "red_mae": Metric(
        *("RED MAE", "", 4, "lower", "0 upwards", BODY),
        "Mean absolute error of the electron density relative to water.",
    ),
    "score": Metric(
        *("score", "", 2, "lower", "0 upwards", "the body in the synthetic CT"),
        "Without a true CT: how far the measures are beyond their limits, added up; with an uncertainty, the expected "
        "error in 100 HU is added. It orders cases, and never says that one is right.",
    ),
    "outline_dice": Metric(
        *("outline Dice", "", 3, "higher", "0 to 1", "the body in MR and in synthetic CT"),
        "Overlap of the body's outlines in the source MR and in the synthetic CT.",
    ),
    "outline_hd95_mm": Metric(
        *("outline HD95", "mm", 1, "lower", "0 upwards", "the body's surface in MR and in synthetic CT"),
        "The distance between both outlines that 95 % of their points stay below.",
    ),
    "cut_off": Metric(
        *("cut off", "%", 1, "lower", "0 to 100", "the outline of the synthetic CT"),
        "The part of the outline that lies at the sides of the field of view, where the body goes on.",
    ),
    "edges": Metric(
        *("edges", "", 2, "higher", "0.33 (unrelated) to 1", "6 mm below the skin and deeper"),
        "How well the directions of edges in MR and synthetic CT agree (normalised gradient fields).",
    ),
    "bright_voids": Metric(
        *("bright voids", "%", 1, "lower", "0 to 100", "the body in the synthetic CT"),
        "The part of air and dense bone that is brighter in the MR than soft tissue, where neither has much signal.",
    ),
    "flicker": Metric(
        *("flicker", "", 2, "lower", "0 upwards; 1 is as in the MR", "soft tissue of the synthetic CT"),
        "How much axial slices differ from their neighbours, against those of the MR.",
    ),
    "air_percent": Metric(
        *("air beyond", "%", 1, "lower", "0 upwards", "the body in the synthetic CT"),
        "How far the share of air is outside what the training CT had.",
    ),
    "air_hu": Metric(
        *("air HU beyond", "HU", 0, "lower", "0 upwards", "air in the body in the synthetic CT"),
        "How far the mean of air is outside what the training CT had.",
    ),
    "bone_percent": Metric(
        *("bone beyond", "%", 1, "lower", "0 upwards", "the body in the synthetic CT"),
        "How far the share of bone is outside what the training CT had.",
    ),
    "bone_hu": Metric(
        *("bone HU beyond", "HU", 0, "lower", "0 upwards", "bone in the synthetic CT"),
        "How far the mean of bone is outside what the training CT had.",
    ),
    "expected_error": Metric(
        *("expected error", "HU", 0, "lower", "0 upwards", "the body in the synthetic CT"),
        "The root mean square error to be expected, from how far the passes of the network disagree.",
    ),
    "drr_ncc": Metric(
        *("DRR NCC", "", 3, "higher", "−1 to 1", "the whole projection"),
        "Correlation of the digitally reconstructed radiographs of synthetic and real CT.",
    ),
    "continuity_hu": Metric(
        *("continuity", "HU", 1, "lower", "0 upwards", BODY),
        "Mean absolute change from one axial slice to the next; above the real CT's, slices do not fit together.",
    ),
    "uncertainty_hu": Metric(
        *("uncertainty", "HU", 1, "neither", "0 upwards", BODY),
        "The mean of the error to be expected, as the model tells it.",
    ),
}
"""Those that are known by name; `metric_of` makes the others of their parts."""

LONGEST_NAME = 60
"""Characters of a metric's name that is not known."""

PARTS = {
    "air": "voxels that are air in the real CT",
    "lung": "voxels that are lung in the real CT",
    "fat": "voxels that are fat in the real CT",
    "soft_tissue": "voxels that are soft tissue in the real CT",
    "soft": "voxels that are soft tissue in the real CT",
    "bone": "voxels that are bone in the real CT",
    "dense_bone": "voxels that are dense bone in the real CT",
    "vault": "the vault of the skull",
    "face": "the face",
    "skull_base": "the base of the skull",
    "body": "the body",
    "skull": "the label of the skull",
}
"""Where a metric may be taken alone."""

UNITS = {"_hu": "HU", "_mm": "mm", "_percent": "%", "_deg": "°", "_ml": "ml"}


def metric_of(name: str) -> Metric:
    """What is known of a metric; those of a tissue or region are told by their parts, as `bone_mae` or `mae_bone`."""
    if name in METRICS:
        return METRICS[name]
    for part, where in PARTS.items():
        for rest in (name.removeprefix(f"{part}_"), name.removesuffix(f"_{part}")):
            if rest != name and (base := METRICS.get(rest) or METRICS.get(f"{rest}_mm")):
                label = f"{part.replace('_', ' ')} {base.label}"
                return replace(base, label=label, mask=base.mask if base.mask.startswith("both") else where)
    name = shown(name, LONGEST_NAME)
    unit = next((unit for ending, unit in UNITS.items() if name.endswith(ending)), "")
    plain = next((name.removesuffix(ending) for ending in UNITS if name.endswith(ending)), name).replace("_", " ")
    return Metric(
        plain, unit, 3 if not unit else 1, "neither", "any", "see the protocol", "As the evaluation's tables have it."
    )


def figure(name: str, value: float | None) -> str:
    """A value as it is shown, with a true minus sign; a dash if there is none."""
    if value is None:
        return "–"
    return decimal(value, metric_of(name).decimals)


def significant(value: float) -> str:
    """A number with three digits that count.

    >>> significant(-128.24), significant(0.04351)
    ('−128', '0.0435')
    """
    return f"{value:.3g}".replace("-", "−")


def decimal(value: float, decimals: int) -> str:
    """A number with a true minus sign, and none before zero.

    >>> decimal(-0.01, 1), decimal(-3.14, 1)
    ('0.0', '−3.1')
    """
    return f"{value:z.{decimals}f}".replace("-", "−")
