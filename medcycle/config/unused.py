"""Keys that other keys leave without effect, so that nobody takes them for an experiment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from medcycle.config.method import MunitConfig, Pix2PixConfig, RandomizedConfig, UnitConfig, UnpairedConfig

if TYPE_CHECKING:
    from medcycle.config.sections import Config

__all__ = ["Unused", "tell_unused", "unused_keys"]

SWITCHES = {
    "data.fold": "data.folds",
    "randomize.thickness": "randomize.thick_share",
    "training.patience": "training.validations",
}
"""Keys that do nothing while another one is 0 or null."""

OF_DISCRIMINATORS = (
    "network.discriminator_filters",
    "network.discriminator_layers",
)

OF_SLICES = ("data.bone_air_sampling", "data.match_height")
OF_THICKNESS = ("randomize.thickness", "randomize.thick_share")


class Unused(NamedTuple):
    """A key that does nothing.

    Args:
        key: its dotted name.
        why: in words that go on after "does nothing".
        causes: the dotted keys that make it so.
        instead: what to do instead of leaving it out, if there is something.
    """

    key: str
    why: str
    causes: tuple[str, ...]
    instead: str = ""


def unused_keys(config: Config) -> Iterator[Unused]:
    """Those that are set to something else than their default, though they have no effect."""
    for unused in _without_effect(config):
        section, _, key = unused.key.partition(".")
        values = getattr(config, section)
        field = type(values).model_fields.get(key)
        if field and key in values.model_fields_set and getattr(values, key) != field.default:
            yield unused


def tell_unused(found: Sequence[Unused]) -> str:
    """Why the first does nothing, with all others that do nothing for the same reason."""
    first = found[0]
    keys = list(dict.fromkeys(one.key for one in found if one.why == first.why))
    verb, pronoun = ("does", "it") if len(keys) == 1 else ("do", "them")
    return f"{', '.join(keys)} {verb} nothing {first.why}; {first.instead}leave {pronoun} out"


def _without_effect(config: Config) -> Iterator[Unused]:
    for key, switch in SWITCHES.items():
        section, _, name = switch.partition(".")
        value = getattr(getattr(config, section), name, True)
        if not value:
            yield Unused(key, f"while {switch} is {_shown(value)}", (switch,), f"set {switch} too, or ")
    yield from _of_data(config)
    yield from _of_dimensions(config)
    yield from _of_losses(config)
    yield from _of_pairs(config)


def _of_data(config: Config) -> Iterator[Unused]:
    data = config.data
    for stronger in ("split_file", "folds"):
        if getattr(data, stronger):
            yield Unused("data.validation_fraction", f"beside data.{stronger}", (f"data.{stronger}",))
    if data.split_file:
        yield Unused("data.folds", "beside data.split_file", ("data.split_file",))
    if data.mr_normalisation == "z-score":
        yield Unused("data.mr_percentile", "where data.mr_normalisation is z-score", ("data.mr_normalisation",))


def _of_dimensions(config: Config) -> Iterator[Unused]:
    if config.network.spatial_dims == 3:
        for key in (*OF_SLICES, *OF_THICKNESS):
            yield Unused(key, "where network.spatial_dims is 3", ("network.spatial_dims",))
    if config.data.slices > 1 and not isinstance(config.method, RandomizedConfig):
        for key in OF_THICKNESS:
            why = f"where data.slices is {config.data.slices}, but with method.name randomized"
            yield Unused(key, why, ("data.slices", "method.name"))


def _of_losses(config: Config) -> Iterator[Unused]:
    method = config.method
    if not method.has_discriminators:
        why = f"without a discriminator, which {method.name} has where method.adversarial_weight is above 0"
        for key in OF_DISCRIMINATORS:
            yield Unused(key, why, ("method.name", "method.adversarial_weight"))
        causes = ("method.name", "method.adversarial_weight")
        yield Unused("training.warm_start", f"where {method.name} has no discriminator", causes)
    if isinstance(method, UnpairedConfig) and not config.training.warm_start:
        yield Unused("method.l1_weight", f"in {method.name} while training.warm_start is 0", ("training.warm_start",))
    yield from _of_one_method(config)


def _of_one_method(config: Config) -> Iterator[Unused]:
    method = config.method
    if isinstance(method, RandomizedConfig) and not config.randomize.measured_share:
        why, causes = "in randomized while randomize.measured_share is 0", ("method.name", "randomize.measured_share")
        yield Unused("data.match_height", why, causes)
    if isinstance(method, UnitConfig | MunitConfig):
        yield Unused("network.checkpointing", f"in {method.name}", ("method.name",))


def _of_pairs(config: Config) -> Iterator[Unused]:
    """Of those made from CT, which also are all that pix2pix takes from CT alone."""
    if config.learns_from_pairs:
        return
    causes = ("method.name", "method.simulated_pair_weight", "training.warm_start")
    switches = "training.warm_start is 0"
    if isinstance(config.method, UnpairedConfig):
        switches = f"method.simulated_pair_weight and {switches.replace(' is', ' are')}"
    why = f"where no pairs are made from CT, as while {switches}"
    of_errors = () if config.method.needs_registered else ("air_weight", "bone_weight")
    for key in ("vary_bone", "measured_share", *of_errors):
        yield Unused(f"randomize.{key}", why, causes)
    of_single = (*OF_SLICES, "data.deformed_ct") if isinstance(config.method, Pix2PixConfig) else ()
    for key in (*OF_THICKNESS, *of_single):
        yield Unused(key, why, causes)


def _shown(value: Any) -> str:
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
