"""Keys and names that earlier versions had, and what to do instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

__all__ = ["ANY", "REMOVED", "REMOVED_KINDS", "REMOVED_RECIPES", "SUPERSEDED", "SUPERSEDED_KEYS", "Removed"]


ANY = object()
"""Of a key whose value made no difference to what was learned."""


class Removed(NamedTuple):
    """A key that is no longer there.

    Args:
        usual: the value that goes without saying now; `ANY` to say nothing of others.
        instead: what to do, as an error has it.
        vital: whether networks that were trained with another value are others now, and can't be read.
    """

    usual: Any
    instead: str = "leave it out: its usual value is built in"
    vital: bool = False


REMOVED = {
    "data.soft_tissue_share": Removed(0.5),
    "method.adversarial_loss": Removed("least-squares"),
    "method.content_weight": Removed(1.0),
    "method.cycle_ssim_share": Removed(0.0),
    "method.gradient_consistency_weight": Removed(0.0, "leave it out, or use method.mind_weight"),
    "method.gradient_penalty": Removed(10.0, "leave it out"),
    "method.gradient_weight": Removed(0.0, "leave it out"),
    "method.identity_until": Removed(0.0, "leave it out"),
    "method.latent_weight": Removed(0.01),
    "method.mutual_information_weight": Removed(0.0, "leave it out, or use method.mind_weight"),
    "method.nce_flip": Removed(False, "leave it out"),
    "method.nce_patches": Removed(256),
    "method.nce_width": Removed(256),
    "method.outside_weight": Removed(1.0),
    "method.reconstruction_weight": Removed(10.0),
    "method.registered_share": Removed(0.5),
    "method.shape_weight": Removed(0.0, "leave it out, or use method.mind_weight"),
    "method.smoothness_weight": Removed(10.0),
    "method.style_weight": Removed(1.0),
    "network.discriminator_scales": Removed(1, vital=True),
    "network.members": Removed(1, "train several runs, and average them by `synthesize --ensemble`"),
    "network.norm": Removed("instance", vital=True),
    "network.padding": Removed("reflect", vital=True),
    "network.spectral_norm": Removed(False, "leave it out", vital=True),
    "randomize.bias_scale": Removed([0.3, 0.8]),
    "randomize.blur": Removed(1.0),
    "randomize.gain": Removed([0.6, 1.1]),
    "randomize.gamma": Removed(0.4),
    "randomize.ghosts": Removed(0.2),
    "randomize.inner": Removed([0.4, 0.8]),
    "randomize.outside_weight": Removed(0.2),
    "randomize.physical_share": Removed(0.5),
    "randomize.ringing_kept": Removed(0.5),
    "randomize.shift": Removed(2),
    "randomize.structure_scale": Removed([3, 12]),
    "randomize.suppressed_share": Removed(0.33),
    "randomize.texture": Removed(0.08),
    "randomize.void_size": Removed([0.02, 0.08]),
    "training.compile": Removed(False, "leave it out"),
    "training.discriminator_rate": Removed(1.0),
    "training.gradient_clip": Removed(None, "leave it out"),
    "training.optimizers": Removed(
        "joint", "leave it out: all generators share an optimiser, and so do all discriminators"
    ),
    "training.pool_size": Removed(50),
    "training.prefetch": Removed(ANY, "leave it out: it follows from the size of a batch"),
    "training.refine_rate": Removed(1.0),
    "training.sharded": Removed(False, "leave it out"),
}
"""By dotted key. Runs and checkpoints that hold one are read without it; a warning says so if it was not the usual."""


class Superseded(NamedTuple):
    """Keys in whose place there is another one.

    Args:
        now: the dotted key.
        before: what there was, in the same section.
        value: gives its value for what a run has stored of those.
    """

    now: str
    before: tuple[str, ...]
    value: Callable[[Mapping[str, Any]], Any]


def _augmentation(old: Mapping[str, Any]) -> str:
    if any(old.get(key) for key in ("max_bending", "mr_gamma", "mr_bias")):
        return "strong"
    return "light" if old.get("max_rotation", 5.0) or old.get("max_scaling", 0.05) else "none"


def _effects(old: Mapping[str, Any]) -> str:
    if not (old.get("rotation", 10.0) or old.get("vessels", 0.5)):
        return "plain"
    return "body" if old.get("inner_share") else "head"


SUPERSEDED = (
    Superseded("data.deformed_ct", ("morphs",), lambda old: old["morphs"]),
    Superseded("data.bone_air_sampling", ("focus",), lambda old: old["focus"]),
    Superseded("method.simulated_pair_weight", ("anchor_weight",), lambda old: old["anchor_weight"]),
    Superseded(
        "data.augmentation", ("max_rotation", "max_scaling", "max_bending", "mr_gamma", "mr_bias"), _augmentation
    ),
    Superseded(
        "randomize.effects",
        (
            *("rotation", "scaling", "bending", "filled_share", "cut_share", "cut", "inner_share", "templates"),
            *("vessels", "shift_share", "void_share", "bias", "ringing_share", "ghost_share", "noise", "smoothing"),
        ),
        _effects,
    ),
    Superseded(
        "randomize.vary_bone",
        ("bone_growth", "bone_density", "bone_signal"),
        lambda old: bool(old.get("bone_growth")),
    ),
)
"""What runs and checkpoints hold of the old keys is read as the new one that comes nearest."""

SUPERSEDED_KEYS = {f"{one.now.partition('.')[0]}.{old}": one.now for one in SUPERSEDED for old in one.before}
"""The new key for each old one, dotted."""

REMOVED_KINDS = {
    ("network", "attention-unet"): "use unet, or a network of MONAI (network.name: monai)",
    ("network", "dynunet"): "use network.name: monai with network.type: DynUNet",
    ("network", "swin-unetr"): "use network.name: monai with network.type: SwinUNETR",
}
"""Networks, by section and name."""


def _removed_recipes() -> dict[str, str]:
    """Recipes that were named after their method, dimensions and device, each with the call for it now."""
    methods = ("cut", "hybrid", "munit", "pix2pix", "regcyclegan", "unit")
    recipes = {"head_mr_ct": "head_mr_ct"} | {name: f"head_mr_ct --method {name}" for name in methods}
    now = {
        f"{old}_{suffix}{on}": f"{recipe} --dims {dims} --device {device}"
        for old, recipe in recipes.items()
        for suffix, dims in {"2d": "2", "25d": "2.5", "3d": "3"}.items()
        for on, device in {"": "gpu", "_cpu": "cpu"}.items()
    }
    return now | {
        "body_mr_ct_2d": "body_mr_ct --dims 2 --device gpu",
        "body_mr_ct_2d_cpu": "body_mr_ct --dims 2 --device cpu",
        "head_ct_only_2d": "head_ct_only --dims 2",
        "head_ct_only_3d": "head_ct_only --dims 3 --device gpu",
        "head_ct_only_3d_cpu": "head_ct_only --dims 3 --device cpu",
    }


REMOVED_RECIPES = _removed_recipes()
"""By name."""
