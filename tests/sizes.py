"""Overrides that make networks small enough for tests and leave out what takes long, and which of them go together."""

from collections.abc import Sequence

from medcycle.config import METHODS, NETWORKS

TINY = [
    *("network.filters=4", "network.blocks=1", "network.discriminator_filters=4"),
    *("training.validations=0", "data.morphs=0"),
]

COMMON = {*TINY, "method.anchor_weight=0", "method.adversaries=both"}
"""What tests set whatever they choose besides."""


def fitting(overrides: Sequence[str]) -> list[str]:
    """Overrides without those of `COMMON` that the method and network chosen by them, or the demo's, don't have."""
    chosen = dict(override.split("=", maxsplit=1) for override in overrides)
    method, network = chosen.get("method.name", "cyclegan"), chosen.get("network.name", "resnet")
    known = {f"network.{key}" for key in NETWORKS[network].model_fields}
    known |= {f"method.{key}" for key in METHODS[method].model_fields}
    if method == "randomized" and not float(chosen.get("method.adversarial_weight", 0)):
        known.remove("network.discriminator_filters")
    keys = {override: override.partition("=")[0] for override in overrides}
    return [
        override
        for override in overrides
        if override not in COMMON or keys[override] in known or keys[override].startswith(("training.", "data."))
    ]


def recipe_of(method: str, dimension: str, *, on_cpu: bool) -> str:
    """The configuration of a method for heads in `2d`, `25d` or `3d`; some are for processors and GPUs alike."""
    if method == "randomized":
        return {"2d": "head_ct_only_2d", "25d": "head_ct_only"}.get(dimension, "head_ct_only_3d" + "_cpu" * on_cpu)
    return f"{'head_mr_ct' if method == 'cyclegan' else method}_{dimension}" + "_cpu" * on_cpu
