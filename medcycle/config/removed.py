"""Keys and names that earlier versions had, and what to do instead."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["REMOVED", "REMOVED_KINDS", "Removed"]


class Removed(NamedTuple):
    """A key that is no longer there.

    Args:
        usual: the value that goes without saying now.
        instead: what to do, as an error has it.
    """

    usual: Any
    instead: str = "leave it out: its usual value is built in"


REMOVED = {
    "data.soft_tissue_share": Removed(0.5),
    "method.cycle_ssim_share": Removed(0.0),
    "method.gradient_consistency_weight": Removed(0.0, "leave it out, or use method.mind_weight"),
    "method.gradient_weight": Removed(0.0, "leave it out"),
    "method.nce_width": Removed(256),
    "method.smoothness_weight": Removed(10.0),
    "network.members": Removed(1, "train several runs, and average them by `synthesize --ensemble`"),
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
    "training.optimizers": Removed(
        "joint", "leave it out: all generators share an optimiser, and so do all discriminators"
    ),
    "training.sharded": Removed(False, "leave it out"),
}
"""By dotted key. Runs and checkpoints that hold one are read without it; a warning says so if it was not the usual."""

REMOVED_KINDS = {
    ("network", "attention-unet"): "use unet, or a network of MONAI (network.name: monai)",
    ("network", "dynunet"): "use network.name: monai with network.type: DynUNet",
    ("network", "swin-unetr"): "use network.name: monai with network.type: SwinUNETR",
}
"""Networks, by section and name."""
