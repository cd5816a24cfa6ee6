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

__all__ = ["CouchSection", "SiteSection", "read_site"]

ShortText = Annotated[str, Field(max_length=16, pattern=r"^[ -\[\]-~]*$")]
"""What a short string of DICOM (SH) holds: no backslash, letters of ASCII."""

LongText = Annotated[str, Field(max_length=64, pattern=r"^[ -\[\]-~]*$")]


class CouchSection(Section):
    """A flat couch."""

    width: float = Field(530.0, ge=50, le=1000, description="width of the couch, right to left")
    thickness: float = Field(50.0, ge=2, le=300, description="thickness of shell and core together")
    shell: float = Field(2.0, gt=0, le=50, description="thickness of the shell")
    shell_hu: Hounsfield = Field(-300.0, description="CT number of the shell")
    core_hu: Hounsfield = Field(-960.0, description="CT number of the core")
    gap: float = Field(0.0, ge=0, le=200, description="distance between patient and couch")


class SiteSection(Section):
    """All keys of a site's file."""

    station_name: ShortText = Field("", description="StationName; planning systems choose the density table by it")
    device_serial_number: LongText = Field("", description="DeviceSerialNumber, for the same purpose")
    convolution_kernel: ShortText = Field("", description="ConvolutionKernel, for the same purpose")
    institution_name: LongText = Field("", description="InstitutionName")
    kvp: float | None = Field(None, ge=10, le=500, description="KVP; empty by default, since no tube made the CT")
    square_matrix: bool = Field(False, description="add air on both sides until there are as many columns as rows")
    slice_spacing: float | None = Field(
        None, ge=0.2, le=20, description="spacing to average thinner slices to; null: keep the slices"
    )
    outlines: tuple[Outline, ...] = Field((), description="contours to write into outlines.dcm")
    couch: CouchSection | None = Field(None, description="a couch to add; null for none")
    overrides: dict[str, Hounsfield] = Field(
        default_factory=dict, description="CT number for all voxels of each of these structures of --rtstruct"
    )


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
        found = SiteSection.model_validate(values)
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
    known = list((CouchSection if len(first["loc"]) > 1 else SiteSection).model_fields)
    return f"unknown key {key}; {meant(str(first['loc'][-1]), known) or f'there are {chr(44).join(known)}'}"
