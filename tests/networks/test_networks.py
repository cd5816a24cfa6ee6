"""Generators and discriminators, in 2D and 3D."""

from typing import get_args

import pytest
import torch
from torch import nn

from medcycle.config import NETWORKS, Choice, load_config
from medcycle.errors import ConfigError
from medcycle.methods.build import build_method
from medcycle.networks.init import initialise
from medcycle.networks.layers import Layers
from medcycle.networks.monai_networks import MonaiGenerator
from medcycle.networks.patchgan import PatchGan
from medcycle.networks.resnet import ResnetGenerator
from medcycle.networks.unet import UnetGenerator
from medcycle.tuning import convolution
from tests.sizes import fitting


@pytest.mark.parametrize("spatial_dims", [2, 3])
@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
def test_generators_keep_size_and_range(spatial_dims: int, upsampling: str) -> None:
    net = ResnetGenerator(Layers(spatial_dims), filters=4, blocks=2, upsampling=upsampling)
    sizes = (32, 40, 36)[:spatial_dims]
    output = net(torch.randn(2, 1, *sizes))
    assert output.shape == (2, 1, *sizes)
    assert output.abs().max() <= 1


@pytest.mark.parametrize("sizes", [(32, 40), (50, 33), (32, 40, 36), (17, 20, 9)])
@pytest.mark.parametrize("shuffle", [1, 2])
def test_u_nets_keep_every_size_and_the_range(sizes: tuple[int, ...], shuffle: int) -> None:
    net = UnetGenerator(Layers(len(sizes)), filters=4, levels=3, shuffle=shuffle, in_channels=3, out_channels=2)
    output = net(torch.randn(2, 3, *sizes))
    assert output.shape == (2, 2, *sizes)
    assert output.abs().max() <= 1


def test_a_u_net_takes_images_smaller_than_its_reduction() -> None:
    assert UnetGenerator(Layers(2), filters=4, levels=6)(torch.randn(1, 1, 40, 8)).shape == (1, 1, 40, 8)


@pytest.mark.parametrize(("spatial_dims", "shuffle"), [(2, 2), (2, 4), (3, 2)])
def test_means_of_blocks_make_no_chequer_of_an_even_image(spatial_dims: int, shuffle: int) -> None:
    net = UnetGenerator(Layers(spatial_dims, "none"), filters=4, levels=3, shuffle=shuffle, block_means=True)
    made = net(torch.full((1, 1, *[32] * spatial_dims), 0.5))
    torch.testing.assert_close(made, made.mean().expand_as(made), atol=1e-5, rtol=0)


def test_synthetic_mr_has_no_chequer() -> None:
    method = build_method(load_config("head_mr_ct", ["network.filters=4"], Choice(device="cpu")))
    for module in method.modules():
        if isinstance(module, nn.Conv2d):
            module.reset_parameters()  # training begins with weights that make next to nothing of anything
        if isinstance(module, nn.InstanceNorm2d):
            module.forward = lambda x: x  # of an even image it leaves nothing
    even = torch.full((1, 3, 64, 64), 0.5)
    assert method.translate(even, reverse=True).std(dim=(2, 3)).max() < 1e-5  # of each slice
    assert method.translate(even).std(dim=(2, 3)).min() > 1e-3


def test_a_u_net_sees_the_whole_image_and_keeps_edges() -> None:
    torch.manual_seed(0)
    net = UnetGenerator(Layers(2, activation=lambda: nn.LeakyReLU(0.1)), filters=4, levels=5).eval()
    for module in net.modules():
        if isinstance(module, nn.InstanceNorm2d):
            module.forward = lambda x: x  # a mean over the image would make everything depend on everything
    image = torch.randn(1, 1, 128, 128, requires_grad=True)
    net(image)[0, 0, 64, 64].backward()
    rows = image.grad[0, 0].abs().sum(dim=1).nonzero()
    assert rows.max() - rows.min() >= 96
    near = image.grad[0, 0, 60:69, 60:69].abs().mean()
    assert near > 10 * image.grad[0, 0].abs().mean()  # through the links


@pytest.mark.parametrize("blocks", [6, 9])
def test_the_papers_generator(blocks: int) -> None:
    """Weights as counted by hand from the paper's appendix 7.2: c7s1-64, d128, d256, R256, u128, u64, c7s1-1."""
    net = ResnetGenerator(Layers(2), 64, blocks, "transposed")
    expected = 49 * 64 + 9 * 64 * 128 + 9 * 128 * 256 + blocks * 2 * 9 * 256**2 + 9 * 256 * 128 + 9 * 128 * 64 + 49 * 64
    assert sum(p.numel() for p in net.parameters() if p.ndim == 4) == expected


@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
def test_a_batch_is_translated_as_its_images_are(upsampling: str) -> None:
    net = ResnetGenerator(Layers(2), 4, 2, upsampling).eval()
    images = torch.randn(3, 1, 32, 32)
    torch.testing.assert_close(net(images), torch.cat([net(image[None]) for image in images]), atol=1e-5, rtol=1e-4)
    unet = UnetGenerator(Layers(2), 4, 3).eval()
    torch.testing.assert_close(unet(images), torch.cat([unet(image[None]) for image in images]), atol=1e-5, rtol=1e-4)


def generators(norm: str = "instance", **settings: bool) -> list[nn.Module]:
    layers = Layers(2, norm)
    unet = UnetGenerator(layers, filters=8, levels=3, **settings)
    return [unet, ResnetGenerator(layers, filters=8, blocks=1, **settings)]


@pytest.mark.parametrize(
    ("norm", "kind"),
    [("instance", nn.InstanceNorm2d), ("layer", nn.GroupNorm), ("none", None)],
)
def test_layers_are_normalised_as_asked(norm: str, kind: type | None) -> None:
    for net in generators(norm):
        found = {type(module) for module in net.modules() if "Norm" in type(module).__name__}
        assert found == ({kind} if kind else set())
    layer = next(module for module in generators("layer")[0].modules() if isinstance(module, nn.GroupNorm))
    assert layer.num_groups == 1


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("padding", ["reflect", "replicate", "zeros"])
@pytest.mark.parametrize(
    ("channels", "kernel", "strides"),
    [((1, 6), 7, 1), ((3, 6), 7, 1), ((6, 1), 7, 1), ((6, 2), 5, 1), ((6, 6), 7, 1), ((4, 6), 3, 2), ((4, 6), 1, 1)],
)
def test_convolutions_are_those_of_pytorch(dims, padding, channels, kernel, strides) -> None:
    ours = convolution(dims)(*channels, kernel, strides, kernel // 2, padding_mode=padding).double()
    plain = (nn.Conv2d if dims == 2 else nn.Conv3d)(
        *channels, kernel, strides, kernel // 2, padding_mode=padding, dtype=torch.float64
    )
    plain.load_state_dict(ours.state_dict())
    image = torch.randn(2, channels[0], *[8, 9, 10][:dims], dtype=torch.float64, requires_grad=True)
    made, expected = ours(image), plain(image)
    torch.testing.assert_close(made, expected)
    slopes = torch.randn_like(expected)
    for found, wanted in zip(
        torch.autograd.grad(made, [image, *ours.parameters()], slopes),
        torch.autograd.grad(expected, [image, *plain.parameters()], slopes),
        strict=True,
    ):
        torch.testing.assert_close(found, wanted)


def test_convolutions_under_autocast_are_in_its_precision() -> None:
    image = torch.randn(1, 8, 16, 16)
    for channels, kernel in (((8, 8), 3), ((8, 1), 7)):
        ours = Layers(2).plain(*channels, kernel)
        plain = nn.Conv2d(*channels, kernel, padding=kernel // 2, padding_mode="reflect")
        plain.load_state_dict(ours.state_dict())
        with torch.autocast("cpu", torch.bfloat16):
            made, expected = ours(image), plain(image)
        assert made.dtype == torch.bfloat16
        torch.testing.assert_close(made, expected, rtol=0.02, atol=0.02)


def test_computing_again_changes_no_gradient() -> None:
    image = torch.randn(1, 1, 32, 32)
    for plain, again in zip(generators(), generators(checkpointing=True), strict=True):
        again.load_state_dict(plain.state_dict())
        for net in (plain, again):
            net(image).square().mean().backward()
        for one, other in zip(plain.parameters(), again.parameters(), strict=True):
            torch.testing.assert_close(one.grad, other.grad)


def test_with_no_strided_layer_single_pixels_are_judged() -> None:
    judge = PatchGan(2, 4, layers=0)
    judge.nets[0][2][1] = nn.Identity()  # a mean over the image would make everything depend on everything
    image = torch.randn(1, 1, 8, 8)
    before = judge(image)
    image[0, 0, 3, 4] += 1
    after = judge(image)
    assert (before != after).nonzero().tolist() == [[0, 0, 3, 4]]


@pytest.mark.parametrize(
    ("name", "dims"),
    [(name, dims) for name in ("resnet", "unet") for dims in (2, 3)],
)
def test_configurations_give_every_network(name: str, dims: int) -> None:
    sizes = [f"network.name={name}", f"network.spatial_dims={dims}", f"data.patch_size={[32] * dims}"]
    levels = ["network.levels=3"] if "levels" in NETWORKS[name].model_fields else []
    small = fitting(
        [f"network.name={name}", "network.filters=12", "network.blocks=1", "network.discriminator_filters=4"]
    )
    method = build_method(load_config("demo", [*sizes, *small, *levels, "network.discriminator_layers=1"]))
    images = torch.randn(1, 1, *[32] * dims)
    assert method.translate(images).shape == images.shape
    assert method.discriminators["source"](images).shape[:2] == (1, 1)


OF_MONAI = {
    "BasicUNet": {"features": [4, 4, 8, 8, 16, 4]},
    "DynUNet": {"kernel_size": [3, 3, 3], "strides": [1, 2, 2], "upsample_kernel_size": [2, 2], "filters": [4, 8, 8]},
    "SegResNet": {},
    "SwinUNETR": {"feature_size": 12, "num_heads": [1, 1, 1, 1]},
    "UNet": {"channels": [4, 8], "strides": [2]},
    "UNETR": {"img_size": 64, "hidden_size": 12, "mlp_dim": 12, "num_heads": 1, "feature_size": 4},
}


@pytest.mark.parametrize("name", get_args(NETWORKS["monai"].model_fields["type"].annotation))
def test_networks_of_monai_keep_size_and_range(name: str) -> None:
    net = MonaiGenerator(name, 2, 3, 2, OF_MONAI[name], 32)
    output = net(torch.randn(1, 3, 32, 31))
    assert output.shape == (1, 2, 32, 31)
    assert 0 < output.abs().max() <= 1
    output.mean().backward()
    assert any(weight.grad is not None for weight in net.parameters())


def test_arguments_that_a_network_of_monai_does_not_take_are_told() -> None:
    config = load_config("demo", ["network.name=monai", "network.type=UNet", "network.arguments={depth: 3}"])
    with pytest.raises(ConfigError, match=r"network\.arguments: UNet can't be made with .*depth"):
        build_method(config)


def test_a_judgement_sees_seventy_pixels() -> None:
    net = PatchGan(2, filters=4)
    for module in net.modules():
        if isinstance(module, nn.InstanceNorm2d):
            module.forward = lambda x: x  # a mean over the image would make everything depend on everything
    image = torch.randn(1, 1, 160, 160, requires_grad=True)
    logits = net(image)
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    rows = image.grad[0, 0].abs().sum(dim=1).nonzero()
    assert rows.max() - rows.min() + 1 == 70


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_judgements_are_unbounded_maps(spatial_dims: int) -> None:
    logits = PatchGan(spatial_dims, 4, layers=2)(torch.randn(2, 1, *[32] * spatial_dims))
    assert logits.shape[:2] == (2, 1)
    assert logits.ndim == spatial_dims + 2
    assert logits.min() < 0


def test_initial_weights() -> None:
    torch.manual_seed(0)
    net = ResnetGenerator(Layers(2), 16, 2)
    initialise(net)
    weights = torch.cat([p.flatten() for p in net.parameters() if p.ndim == 4])
    assert weights.std().item() == pytest.approx(0.02, rel=0.02)
    assert all(p.abs().max() == 0 for p in net.parameters() if p.ndim == 1)
