"""Generators and discriminators, in 2D and 3D."""

import pytest
import torch
from torch import nn

from medcycle.networks.init import initialise
from medcycle.networks.patchgan import PatchGan
from medcycle.networks.resnet import ResnetGenerator
from medcycle.networks.unet import UnetGenerator


@pytest.mark.parametrize("spatial_dims", [2, 3])
@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
def test_generators_keep_size_and_range(spatial_dims: int, upsampling: str) -> None:
    net = ResnetGenerator(spatial_dims, filters=4, blocks=2, upsampling=upsampling)
    sizes = (32, 40, 36)[:spatial_dims]
    output = net(torch.randn(2, 1, *sizes))
    assert output.shape == (2, 1, *sizes)
    assert output.abs().max() <= 1


@pytest.mark.parametrize("sizes", [(32, 40), (50, 33), (32, 40, 36), (17, 20, 9)])
@pytest.mark.parametrize("shuffle", [1, 2])
def test_u_nets_keep_every_size_and_the_range(sizes: tuple[int, ...], shuffle: int) -> None:
    net = UnetGenerator(len(sizes), filters=4, levels=3, shuffle=shuffle, in_channels=3, out_channels=2)
    output = net(torch.randn(2, 3, *sizes))
    assert output.shape == (2, 2, *sizes)
    assert output.abs().max() <= 1


def test_a_u_net_takes_images_smaller_than_its_reduction() -> None:
    assert UnetGenerator(2, filters=4, levels=6)(torch.randn(1, 1, 40, 8)).shape == (1, 1, 40, 8)


def test_a_u_net_sees_the_whole_image_and_keeps_edges() -> None:
    torch.manual_seed(0)
    net = UnetGenerator(2, filters=4, levels=5).eval()
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
    net = ResnetGenerator(2, 64, blocks, "transposed")
    expected = 49 * 64 + 9 * 64 * 128 + 9 * 128 * 256 + blocks * 2 * 9 * 256**2 + 9 * 256 * 128 + 9 * 128 * 64 + 49 * 64
    assert sum(p.numel() for p in net.parameters() if p.ndim == 4) == expected


@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
def test_a_batch_is_translated_as_its_images_are(upsampling: str) -> None:
    net = ResnetGenerator(2, 4, 2, upsampling).eval()
    images = torch.randn(3, 1, 32, 32)
    torch.testing.assert_close(net(images), torch.cat([net(image[None]) for image in images]), atol=1e-5, rtol=1e-4)
    unet = UnetGenerator(2, 4, 3).eval()
    torch.testing.assert_close(unet(images), torch.cat([unet(image[None]) for image in images]), atol=1e-5, rtol=1e-4)


def test_a_judgement_sees_seventy_pixels() -> None:
    net = PatchGan(2, filters=4)
    for module in net.modules():
        if isinstance(module, nn.InstanceNorm2d):
            module.forward = lambda x: x  # a mean over the image would make everything depend on everything
    image = torch.randn(1, 1, 160, 160, requires_grad=True)
    (logits,) = net(image)
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    rows = image.grad[0, 0].abs().sum(dim=1).nonzero()
    assert rows.max() - rows.min() + 1 == 70


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_judgements_are_unbounded_maps(spatial_dims: int) -> None:
    (logits,) = PatchGan(spatial_dims, 4, layers=2)(torch.randn(2, 1, *[32] * spatial_dims))
    assert logits.shape[:2] == (2, 1)
    assert logits.ndim == spatial_dims + 2
    assert logits.min() < 0


def test_initial_weights() -> None:
    torch.manual_seed(0)
    net = ResnetGenerator(2, 16, 2)
    initialise(net)
    weights = torch.cat([p.flatten() for p in net.parameters() if p.ndim == 4])
    assert weights.std().item() == pytest.approx(0.02, rel=0.02)
    assert all(p.abs().max() == 0 for p in net.parameters() if p.ndim == 1)
