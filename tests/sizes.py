"""Overrides that make networks small enough for tests and leave out what takes long, and which of them go together."""

from collections.abc import Sequence

from medcycle.config import METHODS, NETWORKS, Choice, Config, load_config

TINY = [
    *("network.filters=4", "network.blocks=1", "network.discriminator_filters=4"),
    *("training.validations=0", "data.deformed_ct=0"),
]

COMMON = {*TINY, "method.simulated_pair_weight=0", "method.adversaries=both"}
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


def recipe_of(method: str, dimension: str, *, on_cpu: bool) -> tuple[str, Choice]:
    """The recipe of a method for heads, and what to choose of it for `2d`, `25d` or `3d`."""
    dims = {"2d": 2, "25d": 2.5, "3d": 3}[dimension]
    name = "head_ct_only" if method == "randomized" else "head_mr_ct"
    return name, Choice(method, dims, "cpu" if on_cpu else "gpu")


def called(call: str, overrides: Sequence[str] = ()) -> Config:
    """The configuration of a name with `--method`, `--dims` and `--device` behind it, as on the command line."""
    name, *flags = call.split()
    given = dict(zip(flags[::2], flags[1::2], strict=True))
    dims = given.get("--dims")
    choice = Choice(given.get("--method"), float(dims) if dims else None, given.get("--device"))  # type: ignore[arg-type]
    return load_config(name, overrides, choice)
