"""Models as a description and weights: read back as written, refused where anything was altered."""

from __future__ import annotations

import hashlib
import json
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from medcycle.body import body_mask
from medcycle.errors import BadCheckpoint, UsageError
from medcycle.methods.checkpoint import checkpoint_of, load_method, state_of, told_of
from medcycle.methods.model_file import CARD, copy_model, write_model
from medcycle.models import Description, card_of, shipped_file, shipped_names
from medcycle.phantom import T1_GRADIENT_ECHO, T2_SPIN_ECHO, HeadPhantom, head_grid
from medcycle.volume import Volume
from tests.bone_shift import bone_shift
from tests.synthesized import synthesize

FREE = {"public domain; no licence needed since 2019", "CC BY 4.0", "CC0"}
"""Licences under which weights may be given away."""

ABOUT: dict[str, Any] = {
    "name": "small",
    "summary": "A model for tests.",
    "licence": "Apache-2.0",
    "made_by": "tests",
    "training_data": [
        {"name": "one", "what": "CT | of a head", "licence": "CC0", "attribution": "nobody", "source": "here"}
    ],
    "figures": [{"on": "generated heads", "mae_hu": 123.4, "bone_dice": None}],
    "limits": ["It has learned nothing."],
}


@pytest.fixture
def model(checkpoint: Path, tmp_path: Path) -> Path:
    state = state_of(load_method(checkpoint))
    return write_model(tmp_path / "small", state, as_half=False, difference_hu=(0.0, 0.0), **ABOUT)


def test_what_is_written_is_read_back(model: Path, checkpoint: Path) -> None:
    assert checkpoint_of(model) == model
    one, other = load_method(checkpoint), load_method(model)
    assert other.config == one.config
    assert other.intensity == one.intensity
    assert (other.step, other.profiles, other.learned) == (one.step, one.profiles, one.learned)
    weights = one.method.state_dict()
    assert weights
    for name, tensor in other.method.state_dict().items():
        assert torch.equal(tensor, weights[name]), name


def test_half_precision_is_half_the_size_and_read_as_float32(model: Path, checkpoint: Path, tmp_path: Path) -> None:
    state = state_of(load_method(checkpoint))
    small = write_model(tmp_path / "half", state, as_half=True, difference_hu=(0.1, 0.4), **ABOUT)
    sizes = [path.with_suffix(".safetensors").stat().st_size for path in (small, model)]
    assert sizes[0] < 0.6 * sizes[1]
    for name, tensor in load_method(small).method.state_dict().items():
        assert tensor.dtype == state["method"][name].dtype
        torch.testing.assert_close(tensor, state["method"][name], rtol=1e-3, atol=1e-6)


def test_altered_weights_are_refused(model: Path) -> None:
    weights = model.with_suffix(".safetensors")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(BadCheckpoint, match=r"small\.safetensors: not the file that small\.json describes"):
        load_method(model)
    weights.unlink()
    with pytest.raises(BadCheckpoint, match="missing"):
        load_method(model)


@pytest.mark.parametrize("key", ["step", "config", "intensity"])
def test_an_altered_description_is_refused(model: Path, key: str) -> None:
    values = json.loads(model.read_text())
    values["model"][key] = {"step": 10**6, "config": {}, "intensity": {}}[key]
    model.write_text(json.dumps(values))
    with pytest.raises(BadCheckpoint, match="altered or damaged"):
        load_method(model)


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"[]", b"{", b'{"format": "medcycle model 2"}', b"[" * 100_000, b"null", b'{"format": NaN}'],
)
def test_what_is_no_description_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.json"
    path.write_bytes(content)
    with pytest.raises(BadCheckpoint, match="not the description of a medcycle model"):
        load_method(path)


@pytest.mark.parametrize("file", ["../small.safetensors", "/etc/passwd.safetensors", "a/b.safetensors", "small.pt"])
def test_weights_lie_beside_their_description(model: Path, file: str) -> None:
    values = json.loads(model.read_text())
    del values["format"], values["sha256"]
    values["weights"]["file"] = file
    with pytest.raises(ValidationError):
        Description.sealed(**values)


def test_weights_that_are_no_safetensors_are_refused(model: Path) -> None:
    weights = model.with_suffix(".safetensors")
    weights.write_bytes(b"\x00" * 64)
    values = json.loads(model.read_text())

    values["weights"]["sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    del values["format"], values["sha256"]
    model.write_text(Description.sealed(**values).model_dump_json())
    with pytest.raises(BadCheckpoint, match="not a safetensors file"):
        load_method(model)


def test_a_copy_is_the_same(model: Path, tmp_path: Path) -> None:
    written = copy_model(model, tmp_path / "copy")
    assert sorted(path.name for path in written) == sorted([CARD, "small.json", "small.safetensors"])
    assert load_method(tmp_path / "copy" / "small.json").step == load_method(model).step
    assert checkpoint_of(tmp_path / "copy") == tmp_path / "copy" / "small.json"
    (tmp_path / "copy" / "other.safetensors").touch()
    with pytest.raises(UsageError, match="no such checkpoint"):
        checkpoint_of(tmp_path / "copy")


def test_the_card_tells_all(model: Path) -> None:
    card = (model.parent / CARD).read_text()
    assert card == card_of(Description.read(model))
    for text in ("small", "CT \\| of a head", "CC0", "nobody", "123", "It has learned nothing.", "For research only"):
        assert text in card


def test_an_unknown_name_is_told_with_those_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no model of that name ships"):
        shipped_file("heda")
    with pytest.raises(UsageError, match="heda: no such checkpoint"):
        checkpoint_of(Path("heda"))


@pytest.mark.parametrize("name", shipped_names())
def test_a_name_alone_is_a_shipped_model(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = shipped_file(name)
    assert checkpoint_of(Path(name)) == path
    (tmp_path / name).mkdir()  # a folder of scans, say, and no run
    assert checkpoint_of(Path(name)) == path
    assert told_of(path) == f"{name}, which ships with medcycle"
    with pytest.raises(UsageError, match="no such checkpoint"):
        checkpoint_of(tmp_path / name)


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_models_are_whole_and_small(name: str) -> None:
    path = shipped_file(name)
    described = Description.read(path)
    assert described.name == name
    assert (path.parent / CARD).read_text() == card_of(described)
    assert sum(file.stat().st_size for file in path.parent.parent.rglob("*.safetensors")) <= 25 * 2**20
    saved = load_method(path)
    assert saved.step > 0
    assert saved.config.data.split_file is None
    assert {one.licence for one in described.training_data} <= FREE


CONTRASTS = {"T1": T1_GRADIENT_ECHO, "T2": T2_SPIN_ECHO}


@pytest.fixture(scope="module")
def head_ct() -> dict[str, list[tuple[Volume, Volume]]]:
    """True CT of two generated heads, and what the shipped model makes of their MR, by contrast."""
    saved, grid = load_method(shipped_file("head")), head_grid(spacing=(2.0, 2.0, 3.0))
    heads = [HeadPhantom.random(seed) for seed in (200, 201)]
    return {
        name: [(head.ct(grid), synthesize(head.mr(grid, protocol), saved, "ct").volume) for head in heads]
        for name, protocol in CONTRASTS.items()
    }


def test_the_head_model_has_learned(head_ct: dict[str, list[tuple[Volume, Volume]]]) -> None:
    """It is a third better than one CT number for all of the body."""
    for real, made in chain(*head_ct.values()):
        body = body_mask(real, "ct").array
        inside = real.array[body]
        assert np.abs(made.array[body] - inside).mean() < 0.67 * np.abs(inside - inside.mean()).mean()


def test_bone_lies_where_it_is(head_ct: dict[str, list[tuple[Volume, Volume]]]) -> None:
    """In the mean of heads and contrasts, along every axis."""
    shifts = [bone_shift(*pair) for pair in chain(*head_ct.values())]
    assert np.abs(np.mean(shifts, axis=0)).max() < 0.3


@pytest.mark.xfail(reason="in T2, bone of the vertex lies too far out", strict=True)
def test_bone_lies_where_it_is_in_t2(head_ct: dict[str, list[tuple[Volume, Volume]]]) -> None:
    assert np.abs(np.mean([bone_shift(*pair) for pair in head_ct["T2"]], axis=0)).max() < 0.3
