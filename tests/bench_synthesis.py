"""Whole volumes through networks, beside MONAI's inferers; part of `make bench`."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.inferers import Inferer, SliceInferer, SlidingWindowInferer

from medcycle.config import Choice, Config, load_config
from medcycle.dataset.preparation import hounsfield_map, prepare_volume
from medcycle.inference import Precision, Translator, Windows, autocast_on
from medcycle.inference.windows import box_of
from medcycle.io.discover import read_volume
from medcycle.methods.base import Method
from medcycle.methods.build import build_method
from medcycle.patch_geometry import DOWNSAMPLING
from medcycle.phantom import HeadPhantom, head_grid
from medcycle.processors import computes_in_bf16
from medcycle.tuning import SETTING
from medcycle.volume import Volume
from tests.timing import compare, ratios

FLAT = ["data.spacing=[1.5, 1.5, null]", "data.slices=1"]
"""Single slices, which a 3D network's own settings replace."""

SYNTHESES = {
    "2D, 64 filters, 9 residual blocks": [
        "network.name=resnet", "network.filters=64", "network.blocks=9", "data.spacing=[1.5, 1.5, 8]"
    ],
    "2D, U-Net of 32 filters": [],
    "3D, U-Net of 16 filters": [
        "network.spatial_dims=3", "data.spacing=[2, 2, 2]", "data.patch_size=[64, 80, 48]", "network.filters=16"
    ],
}  # fmt: skip
"""Networks that whole volumes are translated by."""


def head() -> Volume:
    """A real MR beside the repository, or a generated one."""
    real = sorted(Path(__file__).resolve().parents[1].parent.glob("shared/data/head/mr/*.nii.gz"))
    print(f"whole volume: {real[0].name if real else 'a generated head'}")
    return read_volume(real[0]) if real else HeadPhantom.random(2).mr(head_grid(spacing=(1.0, 1.0, 1.0)))


def synthesis() -> None:
    """Whole volumes beside MONAI's inferers in float32 over the whole box, with windows of the same sizes."""
    volume = head()
    for title, sizes in SYNTHESES.items():
        config = load_config("head_mr_ct", [*FLAT, *sizes], Choice(device="cpu"))
        torch.manual_seed(0)
        method = build_method(config).eval()
        plain = plain_twin(method, config)
        prepared = prepare_volume(volume, "mr", config.data)
        image, body = prepared.image.array, prepared.body.array
        found: dict[str, np.ndarray] = {}

        def kept(name: str, work: Callable[[], np.ndarray], found: dict[str, np.ndarray] = found) -> Callable[[], None]:
            return lambda: found.update({name: work()})

        ways = {
            "MONAI, float32": partial(plainly, image, body, config, plain),
            "medcycle, float32": partial(translated, image, body, config, method, "32-true"),
            "medcycle": partial(translated, image, body, config, method, "bf16-mixed"),
        }
        if config.network.spatial_dims == 2:
            ways["MONAI, float32, a window a slice"] = partial(plainly, image, body, config, plain, whole=True)
        compare(f"whole volume, {title}", {name: kept(name, work) for name, work in ways.items()}, rounds=2)
        against = partial(difference, found["medcycle"], body=body, config=config)
        print(
            f"  medcycle differs by {against(found['medcycle, float32']):.2f} HU from float32, by "
            f"{against(found['MONAI, float32']):.2f} HU from MONAI over the box; body: {body.mean():.0%} of the box"
        )


def like_with_like(rounds: int = 7, clock: Callable[[], float] = time.perf_counter) -> None:
    """Windows of a 3D network beside MONAI's at equal precision, windows and region, and then what each thing adds.

    A generated head of 2 mm, and one network, which MONAI has with PyTorch's own convolutions.

    Args:
        rounds: turns.
        clock: as of `ratios`.
    """
    config = load_config("head_mr_ct", [*FLAT, *SYNTHESES["3D, U-Net of 16 filters"]], Choice(device="cpu"))
    torch.manual_seed(0)
    method = build_method(config).eval()
    plain = plain_twin(method, config)
    prepared = prepare_volume(HeadPhantom.random(2).mr(head_grid(spacing=(1.0, 1.0, 1.0))), "mr", config.data)
    whole = tuple(slice(0, size // DOWNSAMPLING * DOWNSAMPLING) for size in prepared.body.array.shape)
    image, body = prepared.image.array[whole], prepared.body.array[whole]
    filled = bounding_box(body)
    box, close = np.ones_like(body), np.ones_like(body[filled])
    ways = {
        "MONAI, float32, whole box": partial(windows_of_monai, image, config, plain),
        "medcycle, float32, whole box": partial(translated, image, box, config, method, "32-true"),
        "MONAI, float32, box about the body": partial(windows_of_monai, image[filled], config, plain),
        "medcycle, float32, box about the body": partial(translated, image[filled], close, config, method, "32-true"),
        "medcycle, float32, body": partial(translated, image, body, config, method, "32-true"),
    }
    pairs = {
        "equal: float32, windows, whole box": ("MONAI, float32, whole box", "medcycle, float32, whole box"),
        "equal: float32, windows, box about the body": (
            "MONAI, float32, box about the body", "medcycle, float32, box about the body"
        ),
        "the body alone adds": ("medcycle, float32, whole box", "medcycle, float32, body"),
        "all in float32": ("MONAI, float32, whole box", "medcycle, float32, body"),
    }  # fmt: skip
    if computes_in_bf16():
        ways["medcycle, bf16, body"] = partial(translated, image, body, config, method, "bf16-mixed")
        pairs["bf16 adds"] = ("medcycle, float32, body", "medcycle, bf16, body")
        pairs["all"] = ("MONAI, float32, whole box", "medcycle, bf16, body")
    else:
        print("this processor does not compute in bf16, which is left out")
    for name, work in ways.items():
        print(f"  {name}: {windows_in(work, method, plain)} windows")
    print(f"  body: {body.mean():.0%} of the whole box, {body[filled].mean():.0%} of the box about it")
    ratios(f"3D synthesis, {'×'.join(map(str, image.shape))} voxels", ways, pairs, rounds, clock)


def plain_twin(method: Method, config: Config) -> Method:
    """The same weights in PyTorch's own convolutions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SETTING, "1")
        twin = build_method(config).eval()
    twin.load_state_dict(method.state_dict())
    return twin


def bounding_box(body: np.ndarray) -> tuple[slice, ...]:
    """The part of a volume that a body fills, a multiple of what networks need along each axis."""
    found = []
    for axis, length in enumerate(body.shape):
        filled = np.flatnonzero(body.any(axis=tuple({*range(body.ndim)} - {axis})))
        low, size = int(filled[0]), -(-(int(filled[-1]) + 1 - int(filled[0])) // DOWNSAMPLING) * DOWNSAMPLING
        start = min(low, length - size)
        found.append(slice(start, start + size))
    return tuple(found)


def windows_of_monai(image: np.ndarray, config: Config, method: Method) -> np.ndarray:
    """MONAI in float32, with windows of the project's size and overlap."""
    inferer = SlidingWindowInferer(config.data.patch_size, overlap=Windows().overlap, mode="gaussian", cval=-1.0)
    with torch.inference_mode():
        return inferer(torch.from_numpy(np.ascontiguousarray(image))[None, None], method.translate)[0, 0].numpy()


def windows_in(work: Callable[[], object], *methods: Method) -> int:
    """How many windows go through generators."""
    counted = 0

    def count(_: object, given: tuple[torch.Tensor, ...], __: object) -> None:
        nonlocal counted
        counted += len(given[0])

    hooks = [method.generators["target"].register_forward_hook(count) for method in methods]
    work()
    for hook in hooks:
        hook.remove()
    return counted


def difference(one: np.ndarray, other: np.ndarray, *, body: np.ndarray, config: Config) -> float:
    """Mean absolute difference of two translations in the body, HU."""
    units = hounsfield_map(config.data).inverse
    return float(np.abs(units(one) - units(other))[body].mean())


def plainly(image: np.ndarray, body: np.ndarray, config: Config, method: Method, *, whole: bool = False) -> np.ndarray:
    """As MONAI's documentation has it; with `whole`, slices in one window each, the least that it can do."""
    size, overlap = config.data.patch_size, Windows().overlap
    inferer: Inferer = SlidingWindowInferer(size, overlap=overlap, mode="gaussian", cval=-1.0)
    if config.network.spatial_dims == 2:
        sizes = box_of(np.ones_like(body) if whole else body, (1, 1) if whole else size, DOWNSAMPLING).sizes[:2]
        inferer = SliceInferer(roi_size=sizes, spatial_dim=2, sw_batch_size=8, cval=-1.0)
    with torch.no_grad():
        given = torch.from_numpy(np.ascontiguousarray(image))[None, None]
        return inferer(given, method.translate)[0, 0].numpy()


def translated(image: np.ndarray, body: np.ndarray, config: Config, method: Method, precision: Precision) -> np.ndarray:
    """The project's way."""
    device = torch.device("cpu")
    with autocast_on(device, precision):
        return Translator(config.geometry, device).translate(image, body, method.translate)


if __name__ == "__main__":
    like_with_like()
    synthesis()
