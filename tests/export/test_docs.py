"""The page about exported models names all that is in their descriptions."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medcycle.export.description import describe
from medcycle.export.wrapper import sizes_of
from tests.export.test_formats import untrained

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "exported-models.md"

NYUL = "data.mr_normalisation=nyul"
VOLUMES = ["network.spatial_dims=3", "data.patch_size=[32, 32, 32]"]


def keys_of(told: Any) -> Iterator[str]:
    if isinstance(told, dict):
        for key, value in told.items():
            yield key
            if key != "parameters":  # as of `to_dict`, different for every map
                yield from keys_of(value)
    elif isinstance(told, list):
        for item in told:
            yield from keys_of(item)


@pytest.mark.parametrize("overrides", [["method.name=munit", NYUL], VOLUMES, ["data.mr_normalisation=z-score"]])
@pytest.mark.parametrize("to", ["ct", "mr"])
def test_every_key_is_described(overrides: list[str], to: str) -> None:
    saved = untrained(*overrides)
    sizes = sizes_of(saved, to, style_input=True)
    told = describe(saved, to, sizes, file="m.onnx", model_format="onnx", checkpoint={"file": "c.pt", "sha256": "0"})
    named = set(re.findall(r"[\w-]+", " ".join(re.findall(r"`([^`\n]+)`", PAGE.read_text(encoding="utf-8")))))
    assert set(keys_of(told)) <= named
