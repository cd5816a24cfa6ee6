"""A site's file: what its planning system wants of a DICOM series."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, ValidationError

from medcycle.config.bounds import Hounsfield, Section
from medcycle.config.plain import read_yaml
from medcycle.errors import ConfigError
from medcycle.io.dicom.site import Couch, Outline, Site
from medcycle.io.files import require_exists
from medcycle.words import meant, quoted

__all__ = ["read_site"]

ShortText = Annotated[str, Field(max_length=16, pattern=r"^[ -\[\]-~]*$")]
"""What a short string of DICOM (SH) holds: no backslash, letters of ASCII."""

LongText = Annotated[str, Field(max_length=64, pattern=r"^[ -\[\]-~]*$")]


class _Couch(Section):
    width: float = Field(530.0, ge=50, le=1000)
    thickness: float = Field(50.0, ge=2, le=300)
    shell: float = Field(2.0, gt=0, le=50)
    shell_hu: Hounsfield = -300.0
    core_hu: Hounsfield = -960.0
    gap: float = Field(0.0, ge=0, le=200)


class _Site(Section):
    station_name: ShortText = ""
    device_serial_number: LongText = ""
    convolution_kernel: ShortText = ""
    institution_name: LongText = ""
    kvp: float | None = Field(None, ge=10, le=500)
    square_matrix: bool = False
    slice_spacing: float | None = Field(None, ge=0.2, le=20)
    outlines: tuple[Outline, ...] = ()
    couch: _Couch | None = None
    overrides: dict[str, Hounsfield] = Field(default_factory=dict)


def read_site(path: Path) -> Site:
    """A site's file, in YAML.

    Args:
        path: with keys as the arguments of `medcycle.io.dicom.site.Site`.

    Raises:
        UsageError: if there is no such file.
        ConfigError: if it is not YAML, or a key or value is wrong.
    """
    require_exists(path, "a site's file in YAML")
    try:
        values = read_yaml(path)
        if not isinstance(values, dict):
            raise ConfigError(f"{path}: no keys and values; write such as station_name: CT_SIM_1")
        found = _Site.model_validate(values)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a text in YAML ({' '.join(str(error).split())}); correct it") from error
    except ValidationError as error:
        raise ConfigError(f"{path}: {_explained(error)}") from error
    couch = Couch(**found.couch.model_dump()) if found.couch else None
    return Site(**(found.model_dump() | {"couch": couch}))


def _explained(error: ValidationError) -> str:
    """The first fault, in words."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        return f"{key}: {first['msg']}, not {quoted(first['input'])}"
    known = list((_Couch if len(first["loc"]) > 1 else _Site).model_fields)
    return f"unknown key {key}; {meant(str(first['loc'][-1]), known) or f'there are {chr(44).join(known)}'}"
