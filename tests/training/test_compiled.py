"""Networks that are compiled, or stay as they are."""

import logging
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from medcycle.config import load_config
from medcycle.data.store import Store
from medcycle.methods.build import build_method
from medcycle.methods.saved import LAST, load_method
from medcycle.training.compiled import compile_networks
from medcycle.training.loop import train
from tests.sizes import TINY

SMALL = [*TINY, "data.spacing=[4, 4, null]", "data.patch_size=[32, 32]", "training.precision=32-true"]
SHORT = ["training.max_minutes=null", "training.max_steps=2", "method.anchor_weight=0", "training.warm_start=0"]


def networks() -> tuple[nn.Module, nn.Module]:
    method = build_method(load_config("demo", [*SMALL, "method.adversaries=both"]))
    return method.generators["target"], method.discriminators["target"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")  # by the compiler
@pytest.mark.skipif(not shutil.which("g++"), reason="compiling on a processor needs a C++ compiler")
def test_compiled_networks_give_the_same() -> None:
    torch.manual_seed(0)
    generator, judge = networks()
    image = torch.rand(1, 1, 32, 32)
    before = generator(image), judge(image)[0]
    names = list(generator.state_dict())
    compile_networks([generator, judge])
    torch.testing.assert_close(generator(image), before[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(judge(image)[0], before[1], rtol=1e-4, atol=1e-5)
    assert list(generator.state_dict()) == names


def test_what_cannot_be_compiled_stays_as_it_is(monkeypatch, caplog) -> None:
    calls = []

    def compile_badly(call, **_: object):
        def fail(*_: object) -> Tensor:
            calls.append(call)
            raise RuntimeError("no C++ compiler\nanywhere")

        return fail

    monkeypatch.setattr(torch, "compile", compile_badly)
    generator, _ = networks()
    image = torch.rand(1, 1, 32, 32)
    expected = generator(image)
    compile_networks([generator])
    with caplog.at_level(logging.WARNING, logger="medcycle.training.compiled"):
        for _ in range(2):
            torch.testing.assert_close(generator(image), expected)
    assert caplog.messages == ["training.compile: ResnetGenerator stays uncompiled (no C++ compiler anywhere)"]
    assert len(calls) == 1


def test_errors_of_a_network_itself_stay_errors(monkeypatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda call, **_: call)

    class Failing(nn.Module):
        def forward(self, _: Tensor) -> Tensor:
            raise ValueError("wrong shape")

    network = Failing()
    compile_networks([network])
    with pytest.raises(ValueError, match="wrong shape"):
        network(torch.zeros(1))


def test_a_run_that_cannot_compile_trains_all_the_same(store: Store, tmp_path: Path, monkeypatch) -> None:
    def fail(*_: object, **__: object) -> object:
        raise RuntimeError("no compiler")

    monkeypatch.setattr(torch, "compile", lambda call, **_: fail)
    for name, chosen in (("plain", []), ("compiled", ["training.compile=true"])):
        train(load_config("demo", [*SMALL, *SHORT, *chosen]), store, tmp_path / name)
    one, other = (load_method(tmp_path / name / LAST).method.state_dict() for name in ("plain", "compiled"))
    for name, tensor in one.items():
        torch.testing.assert_close(other[name], tensor, rtol=0, atol=0)
