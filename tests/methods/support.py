"""Small methods, and images for them."""

import torch

from medcycle.batch import Batch, Pair
from medcycle.config import load_config
from medcycle.methods.base import Method
from medcycle.methods.build import build_method
from tests.sizes import TINY, fitting

DIMENSIONS = [[], ["data.slices=3"], ["network.spatial_dims=3", "data.patch_size=[32, 32, 32]"]]
"""Settings for 2D, 2.5D and 3D."""


def small_method(name: str, *overrides: str) -> Method:
    """The same weights every time; without pairs made from CT unless they are asked for."""
    torch.manual_seed(0)
    plain = [f"method.name={name}", "method.simulated_pair_weight=0", "training.warm_start=0"]
    return build_method(load_config("demo", fitting([*TINY, *plain, *overrides])))


def images_for(sizes: list[str], *, registered: bool = False) -> Batch:
    """Two images of each domain, of 32 voxels along each axis, for one of `DIMENSIONS`."""
    dims, slices = (3 if "network.spatial_dims=3" in sizes else 2), (3 if "data.slices=3" in sizes else 1)
    shape = (2, slices, *[32] * dims)
    images = [torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1 for seed in range(4)]
    pair = Pair(images[2], images[3], (images[3] > 0).float()) if registered else None
    return Batch(images[0], images[1], registered=pair)


def with_pair(batch: Batch) -> Batch:
    """A batch with a pair of its images, mirrored, of which only some voxels count."""
    return batch._replace(pair=Pair(batch.source.flip(-1), batch.target.flip(-2), (batch.target > 0).float()))


def error_of(method: Method, pair: Pair) -> torch.Tensor:
    """The mean absolute error of what is made of the pair's source, where the pair's weight is 1."""
    return (method.translate(pair.source) - pair.target).abs()[pair.weight > 0].mean()
