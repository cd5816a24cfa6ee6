"""What is written gives what the networks give, on sizes and batches other than those it was traced with."""

from collections.abc import Callable
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from medcycle.config import Config, load_config
from medcycle.errors import ExportFailed
from medcycle.export.formats import INPUTS, OPSET, write_checked
from medcycle.export.wrapper import Sizes, Translation, sizes_of, translation_of
from medcycle.intensity import HounsfieldWindow, MrPercentile
from medcycle.methods.build import build_method
from medcycle.methods.checkpoint import SavedMethod
from medcycle.methods.munit import Munit
from medcycle.networks.init import Convolution
from tests.sizes import TINY, fitting

pytestmark = pytest.mark.usefixtures("one_thread")

METHODS = [[f"method.name={name}"] for name in ("randomized", "cut", "unit", "munit")]
"""Those beside cyclegan, whose networks the others have too."""

DIMENSIONS = {
    "2d": [],
    "25d": ["data.slices=3"],
    "3d": ["network.spatial_dims=3", "data.patch_size=[32, 32, 32]"],
}

GENERATORS = [
    ["network.upsampling=transposed"],
    ["network.name=unet", "network.levels=2"],
    ["network.name=unet", "network.shuffle=1", "network.levels=2", "network.checkpointing=true"],
]

TOLERANCE = 1e-3
"""In [−1, 1]."""

DESCRIPTION = '{"use": "research only"}'

OF_MONAI = ["network.name=monai", "network.type=SegResNet", "network.arguments={init_filters: 8}", "network.multiple=8"]


def untrained(*overrides: str) -> SavedMethod:
    """Weights so large that outputs fill [−1, 1]: those of the start give next to nothing without normalisation."""
    torch.manual_seed(0)
    config: Config = load_config(
        "demo", fitting([*TINY, "method.simulated_pair_weight=0", "training.warm_start=0", *overrides])
    )
    method = build_method(config).eval()
    for convolution in method.generators.modules():
        if isinstance(convolution, Convolution):
            nn.init.kaiming_normal_(convolution.weight)
    return SavedMethod(method, config, {"ct": HounsfieldWindow(-1000, 2000), "mr": MrPercentile(0, 7)}, 1)


def other_images(sizes: Sizes, batch: int) -> tuple[Tensor, ...]:
    """Longest along the first axis, where the others have the last one longest."""
    lengths = sizes.fixed or [sizes.least + (sizes.dims - axis) * sizes.multiple for axis in range(sizes.dims)]
    image = torch.rand(batch, sizes.channels, *lengths) * 2 - 1
    return (image, torch.randn(batch, sizes.styles)) if sizes.styles else (image,)


def run(path: Path, inputs: tuple[Tensor, ...]) -> Tensor:
    if path.suffix == ".pt2":
        return torch.export.load(path).module()(*inputs)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    given = {name: value.numpy() for name, value in zip(INPUTS, inputs, strict=False)}
    return torch.from_numpy(session.run(None, given)[0])


class Written(NamedTuple):
    """A network, and the file that it became."""

    saved: SavedMethod
    path: Path


def write(saved: SavedMethod, path: Path, *, to: str = "ct", style_input: bool = False) -> Written:
    sizes = sizes_of(saved, to, style_input=style_input)
    model_format = "onnx" if path.suffix == ".onnx" else "torch-export"
    write_checked(translation_of(saved, to, sizes), sizes, path, model_format, DESCRIPTION)
    return Written(saved, path)


@torch.no_grad()
def differs(written: Written, *, to: str = "ct", style_input: bool = False) -> float:
    """How far what a file makes of images is from what the method makes of them, at most."""
    saved, path = written
    sizes = sizes_of(saved, to, style_input=style_input)
    differences = []
    for batch in (1, 3):
        image, *style = other_images(sizes, batch)
        given = {"style": style[0]} if style else {}
        expected, made = saved.method.translate(image, reverse=to == "mr", **given), run(path, (image, *style))
        assert expected.std() > 0.02
        assert (made.shape, made.dtype) == (expected.shape, expected.dtype)
        differences.append((made - expected).abs().max())
    return float(torch.stack(differences).max())


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Written]:
    """Writes what several tests look at, once: to trace a network takes seconds."""
    folder = tmp_path_factory.mktemp("written")

    @cache
    def once(extension: str, *overrides: str) -> Written:
        return write(untrained(*overrides), folder / f"{'-'.join(overrides)}{extension}")

    return once


EACH = [
    (overrides, dimension, extension)
    for overrides, dimension, extension in zip(
        [*METHODS, *GENERATORS], cycle(DIMENSIONS), cycle([".onnx", ".pt2"]), strict=False
    )
]
"""Each in one dimension and one format, so that each dimension meets both."""


def short_name(value: str | list[str]) -> str:
    return value if isinstance(value, str) else "-".join(override.split("=")[1] for override in value)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "extension"), [("cyclegan", ".onnx"), ("munit", ".pt2")])
def test_what_is_written_gives_the_same(written: Callable[..., Written], name: str, extension: str) -> None:
    assert differs(written(extension, f"method.name={name}")) <= TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize(("overrides", "dimension", "extension"), EACH, ids=short_name)
def test_every_method_and_generator(tmp_path: Path, overrides: list[str], dimension: str, extension: str) -> None:
    saved = untrained(*overrides, *DIMENSIONS[dimension])
    assert differs(write(saved, tmp_path / f"m{extension}")) <= TOLERANCE


@pytest.mark.slow
def test_a_network_of_monai_for_one_size(tmp_path: Path) -> None:
    saved = untrained(*OF_MONAI, "data.patch_size=[64, 60]")
    assert sizes_of(saved, "ct", style_input=False).fixed == (64, 64)
    assert differs(write(saved, tmp_path / "m.onnx")) <= TOLERANCE


@pytest.mark.slow
def test_the_other_way_and_a_style(tmp_path: Path) -> None:
    saved = untrained("method.name=munit")
    assert isinstance(saved.method, Munit)
    made = write(saved, tmp_path / "m.onnx", to="mr", style_input=True)
    assert differs(made, to="mr", style_input=True) <= TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "kernels"),
    [
        (["method.name=cyclegan"], {(7, 7), (3, 3)}),
        (["method.name=munit"], {(7, 7), (3, 3)}),
        (["network.name=unet", "network.levels=2"], {(3, 3)}),
    ],
    ids=["cyclegan", "munit", "unet"],
)
def test_a_graph_is_of_plain_convolutions_on_no_device(
    written: Callable[..., Written], overrides: list[str], kernels: set[tuple[int, int]]
) -> None:
    nodes = list(torch.export.load(written(".pt2", *overrides).path).graph.nodes)
    assert not [node for node in nodes if "device" in node.kwargs]
    # a processor's own way would have some of 7 by 1
    assert {tuple(node.args[1].meta["val"].shape[2:]) for node in nodes if "conv2d" in str(node.target)} == kernels


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cyclegan", "munit", "unit"])
def test_only_what_is_needed_is_written(written: Callable[..., Written], name: str) -> None:
    saved, path = written(".pt2", f"method.name={name}")
    image = torch.rand(1, 1, 32, 32, requires_grad=True)
    saved.method.translate(image).sum().backward()
    needed = {item.data_ptr() for item in saved.method.parameters() if item.grad is not None}
    program = torch.export.load(path)
    taken = program.graph_signature.inputs_to_parameters
    assert len([node for node in program.graph.nodes if node.name in taken and node.users]) == len(needed)
    sizes = {item.data_ptr(): item.numel() for item in program.state_dict.values()}  # shared ones have two names
    assert sum(sizes.values()) < 0.75 * sum(item.numel() for item in saved.method.parameters())


@pytest.mark.slow
def test_the_file_tells_of_itself(written: Callable[..., Written]) -> None:
    model = onnx.load(written(".onnx", "method.name=cyclegan").path)
    onnx.checker.check_model(model, full_check=True)
    assert {item.domain: item.version for item in model.opset_import}[""] == OPSET
    assert {item.key: item.value for item in model.metadata_props}["medcycle.json"] == DESCRIPTION
    extra = {"medcycle.json": ""}
    torch.export.load(written(".pt2", "method.name=cyclegan").path, extra_files=extra)
    assert extra["medcycle.json"] == DESCRIPTION


class _Forgetful(Translation):
    """Gives other values when it is traced."""

    def forward(self, image: Tensor) -> Tensor:
        made = super().forward(image)
        return made + 0.01 if torch.compiler.is_exporting() else made


class _Untraceable(Translation):
    def forward(self, image: Tensor) -> Tensor:
        return super().forward(image) if image.mean() < 9 else image


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "reason", "extension"),
    [(_Forgetful, r"differs .* by 0\.01", ".pt2"), (_Untraceable, "can't be exported", ".onnx")],
)
def test_what_is_wrong_is_refused(tmp_path: Path, extension: str, kind: type[Translation], reason: str) -> None:
    saved = untrained()
    sizes = sizes_of(saved, "ct", style_input=False)
    network = kind(saved.method, reverse=False).eval()
    model_format = "onnx" if extension == ".onnx" else "torch-export"
    with pytest.raises(ExportFailed, match=reason) as caught:
        write_checked(network, sizes, tmp_path / f"m{extension}", model_format, "{}")
    assert "\n" not in str(caught.value)
