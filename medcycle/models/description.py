"""What is known of a model that is two files, a description and its weights."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medcycle.errors import BadCheckpoint, UsageError
from medcycle.io.files import sha256_of
from medcycle.io.opening import read_text
from medcycle.shipped import MODEL_SUFFIX, MODELS, shipped_names
from medcycle.words import meant

__all__ = [
    "FORMAT",
    "SUFFIX",
    "Description",
    "Figure",
    "TrainingData",
    "Weights",
    "model_in",
    "require_unaltered",
    "shipped_file",
    "shipped_names",
]

FORMAT = "medcycle model 1"

SUFFIX = MODEL_SUFFIX
"""Of descriptions; the weights beside them end in .safetensors."""

AGAIN = "install medcycle again, or copy both files again"
"""What to do about a file that is not as it was."""

Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Text = Annotated[str, Field(min_length=1, max_length=2000)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Weights(_Part):
    """The file of the weights.

    Args:
        file: its name, in the folder of the description.
        sha256: of its bytes.
        dtype: of its tensors.
        difference_hu: how far synthetic CT of generated heads is from that of float32 weights, HU: mean and largest.
    """

    file: Annotated[str, Field(pattern=r"^[\w.-]+\.safetensors$", max_length=200)]
    sha256: Hash
    dtype: Literal["float16", "float32"]
    difference_hu: tuple[float, float]


class TrainingData(_Part):
    """Scans that a model was trained on.

    Args:
        name: of the scan or data set.
        what: modality, region, resolution.
        licence: its licence.
        attribution: whom to name.
        source: where it is from.
    """

    name: Text
    what: Text
    licence: Text
    attribution: Text
    source: Text


class Figure(_Part):
    """What a model scored.

    Args:
        on: the data, none of which was trained on.
        mae_hu: mean absolute error in the body, HU.
        bone_dice: overlap of bone.
    """

    on: Text
    mae_hu: float = Field(ge=0)
    bone_dice: float | None = Field(None, ge=0, le=1)


class Description(_Part):
    """All that is known of a model but its weights.

    Args:
        format: `FORMAT`.
        name: what commands call it.
        summary: a sentence.
        licence: of the weights.
        medcycle: the version that wrote it.
        made_by: the script that trained it.
        training_data: what it was trained on.
        figures: what it scored.
        limits: what it can't do, a sentence each.
        model: configuration, intensity maps, steps, profiles, calibration: a checkpoint without weights.
        weights: its weights.
        sha256: of the description itself.
    """

    format: Literal["medcycle model 1"]
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=60)]
    summary: Text
    licence: Text
    medcycle: Text
    made_by: Text
    training_data: list[TrainingData]
    figures: list[Figure]
    limits: list[Text]
    model: dict[str, Any]
    weights: Weights
    sha256: Hash

    @classmethod
    def read(cls, path: Path) -> Self:
        """That in a file.

        Raises:
            BadCheckpoint: if it is damaged or describes no model.
            UnreadableFile, OSError: if it can't be read.
        """
        try:
            found = cls.model_validate_json(read_text(path))
        except UnicodeDecodeError:
            raise _foreign(path, "not text") from None
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise _foreign(path, f"{place}: {first['msg']}" if place else first["msg"]) from None
        if found.sha256 != found.digest():
            raise BadCheckpoint(f"{path}: altered or damaged (its SHA-256 does not fit); {AGAIN}")
        return found

    def digest(self) -> str:
        """The SHA-256 of all but itself, in hexadecimal digits."""
        values = self.model_dump(mode="json", exclude={"sha256"})
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    @classmethod
    def sealed(cls, **values: Any) -> Self:
        """Of all values but `format` and `sha256`, which are found here. Raises `ValidationError` as pydantic does."""
        open_one = cls(format=FORMAT, sha256="0" * 64, **values)
        # once through JSON, so that what is hashed is what will be read
        read = cls.model_validate_json(open_one.model_dump_json())
        return read.model_copy(update={"sha256": read.digest()})


def _foreign(path: Path, reason: str) -> BadCheckpoint:
    return BadCheckpoint(
        f"{path}: not the description of a medcycle model ({reason}); give a run, a checkpoint, or a .json file that "
        "`medcycle models export` wrote"
    )


def shipped_file(name: str) -> Path:
    """The description of a model that ships with medcycle.

    Raises:
        UsageError: if there is none of that name.
    """
    names = shipped_names()
    if name in names:
        return MODELS / name / f"{name}{SUFFIX}"
    hint = meant(name, names) or f"there are: {', '.join(names) or 'none'}"
    raise UsageError(f"{name}: no model of that name ships with medcycle; {hint}")


def model_in(folder: Path) -> Path | None:
    """The description of the one model in a folder; None if there is none, or several."""
    found = [path.with_suffix(SUFFIX) for path in folder.glob("*.safetensors")]
    return found[0] if len(found) == 1 and found[0].is_file() else None


def require_unaltered(path: Path, description: Description) -> Path:
    """The file of a model's weights, which has to be the one that was described.

    Raises:
        BadCheckpoint: if it is missing, or any byte of it differs.
    """
    weights = path.with_name(description.weights.file)
    if not weights.is_file():
        raise BadCheckpoint(f"{weights}: missing; {path.name} describes a model whose weights are in this file")
    if (found := sha256_of(weights)) != description.weights.sha256:
        raise BadCheckpoint(
            f"{weights}: not the file that {path.name} describes (SHA-256 {found[:12]}…, not "
            f"{description.weights.sha256[:12]}…); {AGAIN}"
        )
    return weights
