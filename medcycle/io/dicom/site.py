"""What a department's planning system wants of a synthetic CT series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydicom import Dataset

from medcycle.io.dicom.values import decimal_string

__all__ = ["Couch", "Outline", "Site"]

Outline = Literal["external", "bone", "air"]


@dataclass(frozen=True)
class Couch:
    """A flat treatment couch below the patient: a core within a shell.

    Args:
        width: mm, from left to right.
        thickness: mm, of all.
        shell: mm, of each side of the shell.
        shell_hu: HU of it.
        core_hu: HU of the core.
        gap: mm between the patient and the couch.
    """

    width: float
    thickness: float
    shell: float
    shell_hu: float
    core_hu: float
    gap: float = 0.0


@dataclass(frozen=True)
class Site:
    """What is written into a series, and how.

    Args:
        station_name: StationName, by which RayStation and others choose the table of densities.
        device_serial_number: DeviceSerialNumber.
        convolution_kernel: ConvolutionKernel.
        institution_name: InstitutionName.
        kvp: KVP, peak kilovoltage; None for an empty value.
        square_matrix: add columns or rows of air, as many on both sides, until there are as many of both.
        slice_spacing: distance of slices, mm, if that is more than the volume's: slices are averaged.
        outlines: contours of the synthetic CT that a structure set gets.
        couch: put below the patient; None for none.
        overrides: HU by the name of a structure, which all its voxels get.
    """

    station_name: str = ""
    device_serial_number: str = ""
    convolution_kernel: str = ""
    institution_name: str = ""
    kvp: float | None = None
    square_matrix: bool = False
    slice_spacing: float | None = None
    outlines: tuple[Outline, ...] = ()
    couch: Couch | None = None
    overrides: Mapping[str, float] = field(default_factory=dict)

    @property
    def names_equipment(self) -> bool:
        """Whether it tells where the series is from."""
        return bool(self.station_name or self.device_serial_number or self.institution_name)

    def header(self) -> Dataset:
        """Attributes of every slice."""
        result = Dataset()
        texts = {
            "StationName": self.station_name,
            "DeviceSerialNumber": self.device_serial_number,
            "ConvolutionKernel": self.convolution_kernel,
            "InstitutionName": self.institution_name,
        }
        for keyword, text in texts.items():
            if text:
                setattr(result, keyword, text)
        if self.kvp is not None:
            result.KVP = decimal_string(self.kvp)
        return result
