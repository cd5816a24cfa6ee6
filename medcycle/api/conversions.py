"""CT as what other programs calculate with."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from medcycle.api.images import path_or_none

__all__ = ["convert"]


def convert(
    ct: Path | str,
    output: Path | str,
    *,
    to: Literal["mu-map", "red", "spr", "skull"],
    kvp: int | None = None,
    like: Path | str | None = None,
    fwhm: float | None = None,
    hlut: Path | str | None = None,
    spacing: float | None = None,
    threshold: float | None = None,
    acoustics: Literal["kwave", "aubry", "marsac"] | None = None,
    resample_irregular: bool = False,
    ct_offset: float = 0.0,
) -> list[Path]:
    """Convert CT, synthetic or real, to maps for PET, dose or ultrasound, as `medcycle convert` does.

    Args:
        ct: a volume in HU, a DICOM series, or a folder of cases, as `medcycle synthesize` writes it.
        output: a folder, new or empty, with a folder for each case if `ct` is a folder of cases; or for one volume of
            another target than `skull` a `.nii.gz` file. A description in JSON is written beside.
        to: `mu-map`, linear attenuation at 511 keV in cm⁻¹; `red`, electron density relative to water; `spr`, proton
            stopping power relative to water; `skull`, its mask, its surface (STL, RAS+ mm), density (kg/m³), sound
            speed (m/s) and attenuation (dB/(cm·MHz)).
        kvp: for `mu-map`: tube voltage of the CT, 80, 100, 110, 120, 130 or 140; None for 120.
        like: not for `skull`: a volume whose grid the result gets, such as the PET.
        fwhm: for `mu-map`: full width at half maximum of a Gaussian to smooth by, mm, 0.5 to 20; None for none.
        hlut: for `red` and `spr`: a table of HU and values; None for the generic one, which only `red` has.
        spacing: for `skull`: size of isotropic voxels, mm, 0.1 to 5; None for the CT's own grid.
        threshold: for `skull`: HU from which on tissue is bone, 100 to 1500; None for 250.
        acoustics: for `skull`: how density and sound speed follow from HU; None for `kwave`.
        resample_irregular: resample series with gaps or uneven slice spacing instead of refusing them.
        ct_offset: subtracted from CT stored with an offset, such as 1024.

    Returns:
        The volumes, masks and surfaces written.

    Raises:
        UsageError: if the call is wrong, or there is something at `output` already.
        DataError: if a CT can't be used; of several cases the others are converted all the same.
    """
    from medcycle.converting import convert as converted

    return converted(
        Path(ct),
        Path(output),
        to=to,
        like=path_or_none(like),
        kvp=kvp,
        fwhm=fwhm,
        hlut=path_or_none(hlut),
        spacing=spacing,
        threshold=threshold,
        acoustics=acoustics,
        resample_irregular=resample_irregular,
        ct_offset=ct_offset,
    )
