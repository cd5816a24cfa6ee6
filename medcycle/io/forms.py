"""The two affines of a NIfTI header, and which of them is taken."""

from __future__ import annotations

import logging
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from nibabel.spatialimages import HeaderDataError

from medcycle.errors import DataError, UnreadableFile
from medcycle.volume import Grid

__all__ = ["MILLIMETRES", "affine_of", "forms_of", "is_valid"]

log = logging.getLogger(__name__)

MILLIMETRES = {"unknown": 1.0, "mm": 1.0, "meter": 1000.0, "micron": 0.001}

FORMS_AGREE = 0.05
"""of a voxel, that qform and sform may place a voxel apart: headers round them."""

Header = Any  # of nibabel, which is not typed


def affine_of(path: Path, image: Any) -> npt.NDArray[np.float64]:
    """The valid affine of an image, RAS+ mm, with a warning where the header leaves room for another."""
    header = image.header
    if "sform_code" not in header:  # Analyze: no more than an origin
        log.warning("%s: an Analyze header gives no orientation; left and right are assumed, not known", path)
        return np.asarray(image.affine, dtype=np.float64)
    try:
        scale = MILLIMETRES[header.get_xyzt_units()[0]]
    except KeyError as error:
        raise UnreadableFile(f"{path}: an unknown unit of length, code {error}; correct the header") from error
    forms = forms_of(header)
    valid = {name: form for name, form in forms.items() if is_valid(form)}
    if forms and not valid:
        raise UnreadableFile(f"{path}: neither sform nor qform is a valid affine; correct the header")
    if not forms:
        log.warning("%s: the header gives no orientation; left and right are assumed, not known", path)
    for name in forms.keys() - valid.keys():
        log.warning("%s: its %s is not a valid affine; the %s is used", path, name, *valid)
    if len(valid) == 2:
        _compare(path, valid["sform"], valid["qform"], image.shape[:3])
    return np.diag([scale, scale, scale, 1.0]) @ next(iter(valid.values()), header.get_base_affine())


def forms_of(header: Header) -> dict[str, npt.NDArray[np.float64]]:
    """Sform and qform, those that have a code, in the file's units."""
    forms = {}
    if header["sform_code"] > 0:
        forms["sform"] = np.asarray(header.get_sform(), dtype=np.float64)
    if header["qform_code"] > 0:
        try:
            forms["qform"] = np.asarray(header.get_qform(), dtype=np.float64)
        except (ValueError, HeaderDataError):
            forms["qform"] = np.full((4, 4), np.nan)
    return forms


def is_valid(affine: npt.NDArray[np.float64]) -> bool:
    """Whether a grid can have this affine."""
    try:
        Grid((1, 1, 1), affine)
    except DataError:
        return False
    return True


def _compare(path: Path, sform: npt.NDArray[np.float64], qform: npt.NDArray[np.float64], shape: Any) -> None:
    """Warn, with both places, if two forms put the corners of an image elsewhere."""
    corners = np.array([[*corner, 1] for corner in product(*((0, n - 1) for n in shape))], dtype=np.float64)
    apart = float(np.linalg.norm((corners @ (sform - qform).T)[:, :3], axis=1).max())
    voxel = float(np.linalg.norm(sform[:3, :3], axis=0).min())
    if apart > FORMS_AGREE * voxel:
        middle = (np.array(shape) - 1) / 2
        places = ["({:.1f}, {:.1f}, {:.1f})".format(*(form @ [*middle, 1])[:3]) for form in (sform, qform)]
        log.warning(
            "%s: sform and qform place it up to %.3g apart: its centre at %s or at %s. The sform is taken; check which "
            "is right, other programs may take the qform",
            path,
            apart,
            *places,
        )
