"""What makes PyTorch faster on a processor, beside plain PyTorch."""

import ctypes
import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from medcycle.networks.layers import Layers
from medcycle.networks.resnet import ResnetGenerator
from medcycle.networks.unet import UnetGenerator
from medcycle.tuning import SETTING, is_plain, keep_freed_memory

FAULTS = """
import resource
import torch
from medcycle.tuning import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        several = [torch.ones(4 * 2**20) for _ in range(5)]
        several.clear()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(faults())
keep_freed_memory()
faults()
print(faults())
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="for glibc")
def test_the_memory_of_tensors_is_used_again() -> None:
    told = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    before, after = map(int, told.stdout.split())
    assert before > 1000
    assert after < before / 20


def network(name: str, dims: int, kind: torch.dtype) -> nn.Module:
    """The same weights each time."""
    torch.manual_seed(0)
    layers = Layers(dims)
    made = UnetGenerator(layers, 4, 3) if name == "unet" else ResnetGenerator(layers, 4, 1)
    return made.to(kind)


def results(net: nn.Module, image: Tensor) -> list[Tensor]:
    """What it makes of an image, and the slope of a loss along each weight."""
    made = net(image)
    l1_loss(made, image).backward()
    return [made.detach(), *(weight.grad for weight in net.parameters())]


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", ["unet", "resnet"])
def test_plain_pytorch_gives_the_same(name: str, dims: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the last bit in float32 where kernels are narrow; wide ones add up in another order."""
    kind = torch.float32 if name == "unet" else torch.float64
    image = torch.rand(2, 1, *[16, 20, 24][:dims], dtype=kind) * 2 - 1
    ours = network(name, dims, kind)
    monkeypatch.setenv(SETTING, "1")
    plain = network(name, dims, kind)
    wanted = nn.Conv2d if dims == 2 else nn.Conv3d
    assert {type(part) for part in plain.modules() if isinstance(part, wanted)} == {wanted}
    assert wanted not in {type(part) for part in ours.modules()}
    assert list(ours.state_dict()) == list(plain.state_dict())
    assert all(torch.equal(one, other) for one, other in zip(ours.parameters(), plain.parameters(), strict=True))
    for found, expected in zip(results(ours, image), results(plain, image), strict=True):
        if name == "unet":
            assert torch.equal(found, expected)
        else:
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("given", "expected"), [(None, False), ("", False), ("0", False), ("1", True)])
def test_one_variable_is_the_switch(given: str | None, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(ctypes, "CDLL", asked.append)
    monkeypatch.delenv(SETTING, raising=False)
    if given is not None:
        monkeypatch.setenv(SETTING, given)
    assert is_plain() == expected
    keep_freed_memory()
    assert len(asked) == (sys.platform.startswith("linux") and not expected)
