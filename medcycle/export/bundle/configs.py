"""The configuration with which MONAI runs a bundle."""

from __future__ import annotations

from typing import Any

from medcycle.body import Modality
from medcycle.export.wrapper import Sizes
from medcycle.methods.checkpoint import SavedMethod
from medcycle.modality import SOURCE_OF

__all__ = ["MODEL", "inference_config"]

MODEL = "models/model.ts"

POSTFIX: dict[Modality, str] = {"ct": "sct", "mr": "smr"}
"""What the files that MONAI writes end in."""


def inference_config(saved: SavedMethod, to: Modality, sizes: Sizes) -> dict[str, Any]:
    """The contents of `inference.json`.

    Args:
        saved: the trained method.
        to: what its exported direction makes.
        sizes: what the network takes.
    """
    return {
        "imports": ["$import glob", "$import torch"],
        "bundle_root": ".",
        "dataset_dir": "$@bundle_root + '/input'",
        "output_dir": "$@bundle_root + '/output'",
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "datalist": "$[{'image': path} for path in sorted(glob.glob(@dataset_dir + '/*.nii*'))]",
        "network_def": f"$torch.jit.load(@bundle_root + '/{MODEL}', map_location=@device)",
        "network": "$@network_def.to(@device).eval()",
        "preprocessing": {"_target_": "Compose", "transforms": _before(saved, to)},
        "dataset": {"_target_": "Dataset", "data": "@datalist", "transform": "@preprocessing"},
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1, "num_workers": 0},
        "inferer": {"_target_": "scripts.TranslationInferer"} | _inferer(saved, to, sizes),
        "postprocessing": {"_target_": "Compose", "transforms": _after(to)},
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
        },
        "run": ["$@evaluator.run()"],
    }


def _before(saved: SavedMethod, to: Modality) -> list[dict[str, Any]]:
    data = saved.config.data
    settings = {
        "plane": data.plane,
        "spacing": list(data.spacing),
        "hu_window": list(data.hu_window),
        "soft_tissue": list(data.soft_tissue) if data.soft_tissue else None,
        "mr_normalisation": data.mr_normalisation,
        "mr_percentile": data.mr_percentile,
        "bias_correction": data.bias_correction,
        "source": data.source,
    }
    prepare = {
        "_target_": "scripts.PrepareVolumed",
        "keys": "image",
        "modality": SOURCE_OF[to],
        "settings": settings,
        "standard": list(saved.intensity["mr"].corners[1]),
    }
    return [{"_target_": "LoadImaged", "keys": "image", "ensure_channel_first": True}, prepare]


def _inferer(saved: SavedMethod, to: Modality, sizes: Sizes) -> dict[str, Any]:
    geometry = saved.config.geometry
    return {
        "geometry": {
            "dims": geometry.dims,
            "plane": geometry.plane,
            "slices": geometry.slices,
            "size": list(geometry.size),
            "spacing": list(geometry.spacing),
        },
        "intensity": saved.intensity[to].to_dict(),
        "multiple": sizes.multiple,
        "least": sizes.least,
        "precision": None,
    }


def _after(to: Modality) -> list[dict[str, Any]]:
    save = {
        "_target_": "SaveImaged",
        "keys": "pred",
        "output_dir": "@output_dir",
        "output_postfix": POSTFIX[to],
        "output_ext": ".nii.gz",
        "output_dtype": "$torch.float32",
        "resample": False,
        "separate_folder": False,
    }
    return [{"_target_": "scripts.RestoreVolumed", "keys": "pred", "reference": "image", "modality": to}, save]
