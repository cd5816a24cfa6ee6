"""What is written gives what the networks give, on sizes and batches other than those it was traced with."""

from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from medcycle.config import Config, load_config
from medcycle.errors import ExportFailed
from medcycle.export.formats import INPUTS, OPSET, write_checked
from medcycle.export.network import Sizes, Translation, sizes_of, translation_of
from medcycle.intensity import HounsfieldWindow, MrPercentile
from medcycle.methods.build import build_method
from medcycle.methods.munit import Munit
from medcycle.methods.saved import SavedMethod
from tests.methods.support import DIMENSIONS
from tests.sizes import TINY, fitting

pytestmark = pytest.mark.usefixtures("one_thread")

METHODS = ["cyclegan", "randomized", "pix2pix", "hybrid", "cut", "unit", "munit", "regcyclegan"]

GENERATORS = [
    ["network.upsampling=transposed"],
    ["network.norm=group"],
    ["network.norm=layer", "network.padding=replicate"],
    ["network.norm=none", "network.padding=zeros"],
    ["network.name=unet", "network.levels=3"],
    ["network.name=unet", "network.shuffle=1", "network.levels=2", "network.checkpointing=true"],
    ["network.name=attention-unet", "network.levels=3"],
    ["network.name=dynunet", "network.levels=3"],
    ["network.name=unet", "network.levels=3", "network.members=2", "training.batch_size=2"],
]

TOLERANCE = 1e-3
"""In [−1, 1]."""

SWIN = ["network.name=swin-unetr", "network.filters=12", "network.checkpointing=true"]


def untrained(*overrides: str) -> SavedMethod:
    """Weights so large that outputs fill [−1, 1]: those of the start give next to nothing without normalisation."""
    torch.manual_seed(0)
    config: Config = load_config(
        "demo", fitting([*TINY, "method.anchor_weight=0", "training.warm_start=0", *overrides])
    )
    method = build_method(config).eval()
    for convolution in method.generators.modules():
        if isinstance(convolution, nn.modules.conv._ConvNd):
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


@torch.no_grad()
def written_differs(saved: SavedMethod, path: Path, *, to: str = "ct", style_input: bool = False) -> float:
    """Write a network and give how far what it makes of images is from the method's, at most."""
    sizes = sizes_of(saved, to, style_input=style_input)
    model_format = "onnx" if path.suffix == ".onnx" else "torch-export"
    write_checked(translation_of(saved, to, sizes), sizes, path, model_format, "{}")
    differences = []
    for batch in (1, 3):
        image, *style = other_images(sizes, batch)
        given = {"style": style[0]} if style else {}
        expected, made = saved.method.translate(image, reverse=to == "mr", **given), run(path, (image, *style))
        assert expected.std() > 0.02
        assert (made.shape, made.dtype) == (expected.shape, expected.dtype)
        differences.append((made - expected).abs().max())
    return float(torch.stack(differences).max())


@pytest.mark.slow
@pytest.mark.parametrize("dimension", DIMENSIONS, ids=["2d", "25d", "3d"])
@pytest.mark.parametrize("name", METHODS)
def test_every_method_as_onnx(tmp_path: Path, name: str, dimension: list[str]) -> None:
    assert written_differs(untrained(f"method.name={name}", *dimension), tmp_path / "m.onnx") <= TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("dimension", DIMENSIONS, ids=["2d", "25d", "3d"])
@pytest.mark.parametrize("generator", GENERATORS, ids=lambda items: "-".join(item.split("=")[1] for item in items))
def test_every_generator_as_onnx(tmp_path: Path, generator: list[str], dimension: list[str]) -> None:
    assert written_differs(untrained(*generator, *dimension), tmp_path / "m.onnx") <= TOLERANCE


@pytest.mark.parametrize("extension", [".onnx", ".pt2"])
@pytest.mark.parametrize("name", ["cyclegan", "munit"])
def test_what_is_written_gives_the_same(tmp_path: Path, name: str, extension: str) -> None:
    assert written_differs(untrained(f"method.name={name}"), tmp_path / f"m{extension}") <= TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_every_method_as_torch_export(tmp_path: Path, name: str) -> None:
    assert written_differs(untrained(f"method.name={name}"), tmp_path / "m.pt2") <= TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("dimension", DIMENSIONS, ids=["2d", "25d", "3d"])
@pytest.mark.parametrize(
    "generator", [[], *GENERATORS], ids=lambda items: "-".join(item.split("=")[1] for item in items)
)
def test_every_generator_as_torch_export(tmp_path: Path, generator: list[str], dimension: list[str]) -> None:
    assert written_differs(untrained(*generator, *dimension), tmp_path / "m.pt2") <= TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("dimension", DIMENSIONS, ids=["2d", "25d", "3d"])
@pytest.mark.parametrize("extension", [".onnx", ".pt2"])
def test_a_transformer_for_one_size(tmp_path: Path, extension: str, dimension: list[str]) -> None:
    patch = "data.patch_size=[64, 64, 64]" if "network.spatial_dims=3" in dimension else "data.patch_size=[64, 60]"
    saved = untrained(*SWIN, *dimension, patch)
    assert sizes_of(saved, "ct", style_input=False).fixed == (64,) * saved.config.network.spatial_dims
    assert written_differs(saved, tmp_path / f"m{extension}") <= TOLERANCE


@pytest.mark.parametrize("extension", [".onnx", ".pt2"])
def test_the_other_way_and_a_style(tmp_path: Path, extension: str) -> None:
    saved = untrained("method.name=munit")
    assert isinstance(saved.method, Munit)
    assert written_differs(saved, tmp_path / f"m{extension}", to="mr", style_input=True) <= TOLERANCE


def test_a_graph_is_of_plain_convolutions_on_no_device(tmp_path: Path) -> None:
    for number, overrides in enumerate(([], ["method.name=munit"], ["network.name=unet", "network.levels=2"])):
        saved = untrained(*overrides)
        sizes = sizes_of(saved, "ct", style_input=False)
        path = tmp_path / f"{number}.pt2"
        write_checked(translation_of(saved, "ct", sizes), sizes, path, "torch-export", "{}")
        program = torch.export.load(path)
        nodes = list(program.graph.nodes)
        assert not [node for node in nodes if "device" in node.kwargs]
        kernels = {tuple(node.args[1].meta["val"].shape[2:]) for node in nodes if "conv2d" in str(node.target)}
        assert kernels in ({(7, 7), (3, 3)}, {(3, 3)})  # a processor's own way would have some of 7 by 1


@pytest.mark.parametrize("name", ["cyclegan", "munit", "unit"])
def test_only_what_is_needed_is_written(tmp_path: Path, name: str) -> None:
    saved = untrained(f"method.name={name}")
    sizes = sizes_of(saved, "ct", style_input=False)
    write_checked(translation_of(saved, "ct", sizes), sizes, tmp_path / "m.pt2", "torch-export", "{}")
    image = torch.rand(1, 1, 32, 32, requires_grad=True)
    saved.method.translate(image).sum().backward()
    needed = {item.data_ptr() for item in saved.method.parameters() if item.grad is not None}
    program = torch.export.load(tmp_path / "m.pt2")
    taken = program.graph_signature.inputs_to_parameters
    assert len([node for node in program.graph.nodes if node.name in taken and node.users]) == len(needed)
    written = {item.data_ptr(): item.numel() for item in program.state_dict.values()}  # shared ones have two names
    assert sum(written.values()) < 0.75 * sum(item.numel() for item in saved.method.parameters())


def test_the_file_tells_of_itself(tmp_path: Path) -> None:
    saved = untrained()
    sizes = sizes_of(saved, "ct", style_input=False)
    network = translation_of(saved, "ct", sizes)
    write_checked(network, sizes, tmp_path / "m.onnx", "onnx", '{"use": "research only"}')
    model = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert {item.domain: item.version for item in model.opset_import}[""] == OPSET
    assert {item.key: item.value for item in model.metadata_props}["medcycle.json"] == '{"use": "research only"}'
    write_checked(network, sizes, tmp_path / "m.pt2", "torch-export", '{"use": "research only"}')
    extra = {"medcycle.json": ""}
    torch.export.load(tmp_path / "m.pt2", extra_files=extra)
    assert extra["medcycle.json"] == '{"use": "research only"}'


class _Forgetful(Translation):
    """Gives other values when it is traced."""

    def forward(self, image: Tensor) -> Tensor:
        made = super().forward(image)
        return made + 0.01 if torch.compiler.is_exporting() else made


class _Untraceable(Translation):
    def forward(self, image: Tensor) -> Tensor:
        return super().forward(image) if image.mean() < 9 else image


@pytest.mark.parametrize(
    ("kind", "reason"), [(_Forgetful, r"differs .* by 0\.01"), (_Untraceable, "can't be exported")]
)
@pytest.mark.parametrize("extension", [".onnx", ".pt2"])
def test_what_is_wrong_is_refused(tmp_path: Path, extension: str, kind: type[Translation], reason: str) -> None:
    saved = untrained()
    sizes = sizes_of(saved, "ct", style_input=False)
    network = kind(saved.method, reverse=False).eval()
    model_format = "onnx" if extension == ".onnx" else "torch-export"
    with pytest.raises(ExportFailed, match=reason) as caught:
        write_checked(network, sizes, tmp_path / f"m{extension}", model_format, "{}")
    assert "\n" not in str(caught.value)
