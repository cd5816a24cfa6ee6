"""Keys and names that earlier versions had, and what to do instead."""

from __future__ import annotations

__all__ = ["REMOVED", "REMOVED_KINDS"]

BUILT_IN = "leave it out: its usual value is built in"

OF_EFFECTS = (
    "bias_scale",
    "blur",
    "gain",
    "gamma",
    "ghosts",
    "inner",
    "outside_weight",
    "physical_share",
    "ringing_kept",
    "shift",
    "structure_scale",
    "suppressed_share",
    "texture",
    "void_size",
)

REMOVED = {
    **{f"randomize.{name}": BUILT_IN for name in OF_EFFECTS},
    "data.soft_tissue_share": BUILT_IN,
    "method.cycle_ssim_share": BUILT_IN,
    "method.nce_width": BUILT_IN,
    "method.smoothness_weight": BUILT_IN,
    "method.gradient_consistency_weight": "leave it out, or use method.mind_weight",
    "method.gradient_weight": "leave it out",
    "network.members": "train several runs, and average them by `synthesize --ensemble`",
    "training.compile": "leave it out",
    "training.optimizers": "leave it out: all generators share an optimiser, and so do all discriminators",
    "training.sharded": "leave it out",
}
"""Dotted keys, and what an error says of them. Runs and checkpoints that hold one are read without it."""

REMOVED_KINDS = {
    ("network", "attention-unet"): "use unet, or a network of MONAI (network.name: monai)",
    ("network", "dynunet"): "use network.name: monai with network.type: DynUNet",
    ("network", "swin-unetr"): "use network.name: monai with network.type: SwinUNETR",
}
"""Networks, by section and name."""
