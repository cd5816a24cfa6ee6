"""CT volumes in, what other programs calculate with out."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from medcycle.body import OUTSIDE
from medcycle.cohort.vetting import METAL_HU, vet
from medcycle.converting.attenuation import linear_attenuation
from medcycle.converting.description import SKULL_FILES, describe, of_mu_map, of_skull, of_table
from medcycle.converting.onto import averaged_onto, smoothed
from medcycle.converting.skull import skull_model
from medcycle.converting.surface import write_stl
from medcycle.converting.wanted import MuMap, Relative, Skull, Wanted, wanted
from medcycle.errors import DataError, GridMismatch, UsageError
from medcycle.evaluation.case_folders import volumes_in
from medcycle.io.dicom.writer import require_new
from medcycle.io.discover import VOLUME_SUFFIXES, Source, one_source
from medcycle.io.files import atomic_path, require_absent, require_exists, require_writable
from medcycle.io.limits import require_voxels
from medcycle.io.nifti import write_nifti
from medcycle.resample import respace
from medcycle.volume import Volume

__all__ = ["FILE_NAMES", "convert"]

log = logging.getLogger(__name__)

FILE_NAMES = {
    "mu-map": "mu_511keV_per_cm.nii.gz",
    "red": "red_relative_to_water.nii.gz",
    "spr": "spr_relative_to_water.nii.gz",
}
"""What volumes are called in a folder; a skull's are in `SKULL_FILES`."""

SKULL_DESCRIPTION = "skull.json"

NIFTI = (".nii", ".nii.gz")

AIR = OUTSIDE["ct"]


def convert(
    ct: Path,
    output: Path,
    *,
    to: str,
    like: Path | None = None,
    resample_irregular: bool = False,
    ct_offset: float = 0.0,
    on_written: Callable[[Path], None] = lambda _: None,
    **options: Any,
) -> list[Path]:
    """Convert CT in Hounsfield units to what other programs calculate with.

    Args:
        ct: a volume, a DICOM series, or a folder of cases, as `medcycle synthesize` writes it.
        output: a folder, new or empty, that gets a folder a case if `ct` is a folder of cases; or for one volume of
            another target than `skull` a file ending in `.nii` or `.nii.gz`. A description in JSON lies beside it.
        to: one of `TARGETS`.
        like: a volume whose grid the result gets.
        resample_irregular: resample series with gaps or uneven slice spacing instead of refusing them.
        ct_offset: subtracted from CT stored with an offset, HU.
        on_written: called with every volume, mask or surface that was written.
        options: those of `MuMap` and `Skull`, and `hlut`, the file of a table; None is the default.

    Returns:
        The volumes, masks and surfaces, without their descriptions.

    Raises:
        UsageError: if the call is wrong, or there is something at `output` already.
        DataError: if a CT can't be used; of several cases the others are converted all the same.
    """
    how = wanted(to, {**options, "like": like})
    cases = _cases(ct)
    single = "" in cases
    if like and not single:
        raise UsageError(f"{ct}: a folder of cases, but --like is of one patient; convert them one by one")
    _require_place(output, several=not single or isinstance(how, Skull))
    target = one_source(require_exists(like, "a volume with the grid that is wanted")) if like else None
    written: list[Path] = []
    failed: list[str] = []
    for name, path in cases.items():
        try:
            source = one_source(path, resample_irregular=resample_irregular, ct_offset=ct_offset)
            made = _convert_case(source, output / name, to, how, target)
        except DataError as error:
            if single:
                raise
            failed.append(str(error))
            continue
        written += made
        for file in made:
            on_written(file)
    if failed:
        raise DataError(f"{len(failed)} of {len(cases)} failed, the others are done; first failure: {failed[0]}")
    return written


def _require_place(output: Path, *, several: bool) -> None:
    """Raise `UsageError` if something is there already, or if it is one file for several."""
    if output.name.lower().endswith(NIFTI):
        if several:
            raise UsageError(f"{output}: one file, but there are several to write; give a folder")
        require_absent(output)
        require_absent(_description_of(output))
    elif output.name.lower().endswith(VOLUME_SUFFIXES):
        raise UsageError(f"{output}: NIfTI is written; give a name that ends in .nii.gz, or a folder")
    else:
        require_new(output)
    require_writable(output)


def _cases(path: Path) -> dict[str, Path]:
    """The volumes by case; a single one, or the folder of one case, has an empty name."""
    require_exists(path, "a CT, or a folder of cases")
    if path.is_dir() and (path / "sct.nii.gz").is_file():
        return {"": path / "sct.nii.gz"}
    found = volumes_in(path, ("sct",))
    return {"": path} if list(found.values()) == [path] else found


def _convert_case(source: Source, output: Path, to: str, how: Wanted, like: Source | None) -> list[Path]:
    """Write one case, all of its files or none; the files without their descriptions."""
    volume = source.read()
    vet(source, volume, "ct")
    ct = volume.with_array(np.clip(volume.array, AIR, METAL_HU, dtype=np.float32))  # as `vet` says
    if isinstance(how, Skull):
        return _write_skull(source, ct, output, how)
    warnings: list[str] = []
    made, of_it = _map(ct, how, warnings)
    copied = source.path
    if like:
        copied = like.path
        made, of_it["like"] = _onto(made, like, source, warnings, background=_map_of_air(how))
    for warning in warnings:
        log.warning("%s: %s", source.path, warning)
    made = made.with_array(made.array.astype(np.float32))
    if output.name.lower().endswith(NIFTI):
        _write_map(made, output, source, of_it, warnings, copied)
        return [output]
    with atomic_path(output) as folder:
        folder.mkdir(parents=True)
        file = folder / FILE_NAMES[to]
        _write_map(made, file, source, of_it, warnings, copied)
    return [output / FILE_NAMES[to]]


def _map(ct: Volume, how: MuMap | Relative, warnings: list[str]) -> tuple[Volume, dict[str, Any]]:
    """The converted volume on the grid of the CT, and its description."""
    if isinstance(how, MuMap):
        made = ct.with_array(linear_attenuation(ct.array, how.kvp).astype(np.float32))
        return smoothed(made, how.fwhm) if how.fwhm else made, of_mu_map(how)
    beyond = float(np.mean(ct.array > how.by.hu[-1]))
    if beyond:
        warnings.append(
            f"{beyond:.2g} of the voxels lie above {how.by.hu[-1]:g} HU, where the table {how.by.name} ends, and get "
            "its last value"
        )
    return ct.with_array(how.by.of(ct.array).astype(np.float32)), of_table(how)


def _map_of_air(how: MuMap | Relative) -> float:
    return 0.0 if isinstance(how, MuMap) else float(how.by.of(AIR))


def _onto(
    made: Volume, like: Source, source: Source, warnings: list[str], *, background: float
) -> tuple[Volume, dict[str, Any]]:
    grid = like.grid()
    require_voxels(like.path, grid.shape)
    try:
        made, outside = averaged_onto(made, grid, background)
    except GridMismatch as error:
        raise GridMismatch(f"{source.path} and {like.path}: {error}") from error
    if outside:
        warnings.append(
            f"{outside:.1%} of the voxels of {like.path.name} lie outside the field of view of the CT, and are taken "
            "for air"
        )
    return made, {"file": like.path.name, "outside_of_ct": round(outside, 4)}


def _write_map(
    made: Volume, file: Path, source: Source, of_it: Mapping[str, Any], warnings: list[str], like: Path
) -> None:
    """A volume and its description, both or neither."""
    text = _json(describe(source, made.grid, [file.name], of_it, warnings))
    with atomic_path(file) as image, atomic_path(_description_of(file)) as words:
        write_nifti(made, image, like=like)
        words.write_text(text, encoding="utf-8")


def _write_skull(source: Source, ct: Volume, output: Path, how: Skull) -> list[Path]:
    if how.spacing:
        sizes = [int(np.ceil(length / how.spacing)) for length in ct.grid.field_of_view]
        require_voxels(source.path, sizes, 16)
        ct = respace(ct, [how.spacing] * 3)
    model = skull_model(ct, how.threshold, how.acoustics)
    volumes = (model.bone, *(ct.with_array(values) for values in vars(model.maps).values()))
    names = [name for name in SKULL_FILES if not name.endswith(".stl")]
    with atomic_path(output) as folder:
        folder.mkdir(parents=True)
        for name, volume in zip(names, volumes, strict=True):
            write_nifti(volume, folder / name, like=source.path)
        write_stl(model.surface, folder / "skull_ras_mm.stl")
        text = _json(describe(source, ct.grid, list(SKULL_FILES), of_skull(how, model), []))
        (folder / SKULL_DESCRIPTION).write_text(text, encoding="utf-8")
    return [output / name for name in SKULL_FILES]


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=1, allow_nan=False)


def _description_of(volume: Path) -> Path:
    """Beside a volume, with `.json` for the suffix of NIfTI, as BIDS has it."""
    name = volume.name.removesuffix(".gz").removesuffix(".nii")
    return volume.with_name(f"{name}.json")
