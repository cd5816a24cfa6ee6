"""The three steps of `medcycle synthesize` as MONAI has them: prepare, translate, restore.

A bundle holds a copy of this module, and of all that it imports, in its `scripts` folder.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from monai.data import MetaTensor
from monai.inferers import Inferer
from monai.transforms import MapTransform
from torch import Tensor
from torch.nn.functional import pad

from medcycle.body import OUTSIDE, Modality
from medcycle.dataset.preparation import prepare_volume
from medcycle.errors import DataError
from medcycle.export.bundle.settings import DataConfig
from medcycle.inference.device import Precision, autocast_on, best_precision
from medcycle.inference.passes import passes_of
from medcycle.inference.translator import Floats, Translator
from medcycle.intensity import map_from_dict
from medcycle.patch_geometry import PatchGeometry
from medcycle.resample import resample_mask, resample_to
from medcycle.volume import Array, Grid, Volume

__all__ = ["PrepareVolumed", "RestoreVolumed", "TranslationInferer"]

SHAPE, AFFINE = "spatial_shape", "original_affine"
"""What MONAI's metadata call the source's grid."""


class PrepareVolumed(MapTransform):  # type: ignore[misc] # MONAI is not typed
    """Loaded volumes, of the shape (1, i, j, k), to two channels: the prepared image in [−1, 1], and its body mask.

    Args:
        keys: of the volumes.
        modality: `mr` or `ct`, what they are.
        settings: the arguments of `DataConfig`.
        standard: where the landmarks of an MR go, for `mr_normalisation: nyul`.

    Raises:
        DataError: if a volume shows no body.
    """

    def __init__(
        self,
        keys: str | Sequence[str],
        modality: Modality,
        settings: Mapping[str, Any],
        standard: Sequence[float] | None = None,
    ) -> None:
        super().__init__(keys)
        self.modality, self.standard = modality, standard
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()
        }
        self.settings: Any = DataConfig(**given)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """As of MONAI's dictionary transforms."""
        made = dict(data)
        for key in self.key_iterator(made):
            made[key] = self._prepared(made[key])
        return made

    def _prepared(self, loaded: MetaTensor) -> MetaTensor:
        array, affine = _numpy(loaded).astype(np.float32)[0], _numpy(loaded.affine)
        found = prepare_volume(Volume(array, Grid(array.shape, affine)), self.modality, self.settings, self.standard)
        if not found.body.array.any():
            raise DataError("no body found; check that the volume shows a patient")
        both = torch.from_numpy(np.stack([found.image.array, found.body.array.astype(np.float32)]))
        meta = {**loaded.meta, SHAPE: np.array(array.shape), AFFINE: torch.tensor(affine)}
        return _with_meta(both, found.image.grid, meta)


class TranslationInferer(Inferer):  # type: ignore[misc]
    """Prepared images through a network, slice by slice or by windows, and to real units.

    Args:
        geometry: the arguments of `PatchGeometry`.
        intensity: the map back, as its `to_dict` has it.
        multiple: images that go into the network have sizes that are multiples of this,
        least: and not below this.
        precision: None for the fastest of the device, as `medcycle synthesize` has it; `32-true` for float32.
    """

    def __init__(
        self,
        geometry: Mapping[str, Any],
        intensity: dict[str, Any],
        multiple: int,
        least: int,
        precision: Precision | None = None,
    ) -> None:
        super().__init__()
        self.geometry = PatchGeometry(
            **{**geometry, "size": tuple(geometry["size"]), "spacing": tuple(geometry["spacing"])}
        )
        self.intensity = map_from_dict(intensity)
        self.multiple, self.least, self.precision = multiple, least, precision

    def __call__(self, inputs: Tensor, network: Any, *args: Any, **kwargs: Any) -> Tensor:
        """The translations, in HU or arbitrary units of MR, of shape (batch, 1, i, j, k).

        Args:
            inputs: those of `PrepareVolumed`, (batch, 2, i, j, k).
            network: takes images (batch, slices, *sizes), in [−1, 1] as what it gives.
            args: passed to the network, as MONAI's inferers do.
            kwargs: as well.
        """

        def predict(images: Tensor) -> Tensor:
            sizes = images.shape[2:]
            made = network(self._enlarged(images), *args, **kwargs)
            return cast(Tensor, made[(..., *(slice(size) for size in sizes))])

        with autocast_on(inputs.device, self.precision or best_precision(inputs.device.type)):
            made = [self._translated(_numpy(one), predict, inputs.device) for one in inputs]
        return torch.from_numpy(np.stack(made)[:, None]).to(inputs.device)

    def _enlarged(self, images: Tensor) -> Tensor:
        """With their borders repeated beyond the end, up to sizes that the network takes."""
        wanted = [max(self.least, -(-size // self.multiple) * self.multiple) for size in images.shape[2:]]
        more = [(0, new - old) for new, old in zip(wanted, images.shape[2:], strict=True)]
        ends = [end for pair in reversed(more) for end in pair]
        return pad(images, ends, mode="replicate") if any(ends) else images

    def _translated(self, both: Array, predict: Any, device: torch.device) -> Floats:
        translator = Translator(self.geometry, device)
        image, body = both[0], both[1] > 0.5
        made = [
            self.intensity.inverse(translator.translate(image, body, predict, [one]))
            for one in passes_of(self.geometry)
        ]
        return cast(Floats, np.mean(made, axis=0, dtype=np.float32))


class RestoreVolumed(MapTransform):  # type: ignore[misc]
    """Translations to the grid of the volumes that they are made of, with nothing outside the body.

    Args:
        keys: of the translations, (1, i, j, k).
        reference: the key of what `PrepareVolumed` made.
        modality: `ct` or `mr`, what the translations are.
    """

    def __init__(self, keys: str | Sequence[str], reference: str, modality: Modality) -> None:
        super().__init__(keys)
        self.reference, self.outside = reference, OUTSIDE[modality]

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """As of MONAI's dictionary transforms."""
        made = dict(data)
        prepared = made[self.reference]
        meta = prepared.meta
        i, j, k = (int(size) for size in meta[SHAPE])
        grid, on = Grid((i, j, k), _numpy(meta[AFFINE])), Grid(prepared.shape[1:], _numpy(prepared.affine))
        body = resample_mask(Volume(_numpy(prepared)[1] > 0.5, on), grid)
        for key in self.key_iterator(made):
            values = Volume(_numpy(made[key])[0], on)
            placed = resample_to(values, grid, background=self.outside, interpolation="bspline").array
            placed[~body.array] = self.outside
            array = torch.from_numpy(np.ascontiguousarray(placed)[None])
            made[key] = _with_meta(array, grid, meta)
        return made


def _with_meta(array: Tensor, grid: Grid, meta: Mapping[str, Any]) -> MetaTensor:
    """An array on a grid, and what else is known of it."""
    rest = {name: value for name, value in meta.items() if name != "affine"}
    return MetaTensor(array, affine=torch.tensor(grid.affine), meta=rest)


def _numpy(values: Any) -> Array:
    if isinstance(values, MetaTensor):
        values = values.as_tensor()
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
