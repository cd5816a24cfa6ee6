"""Plans: how beams come in, and what they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from pydicom import Dataset
from pydicom.uid import RTIonPlanStorage, RTPlanStorage

from medcycle.errors import DataError, UnreadableFile, UsageError
from medcycle.io.dicom.parsing import read_object

__all__ = ["Plan", "Radiation", "default_plan", "read_plan"]

Radiation = Literal["photons", "protons"]

ANGLES: MappingProxyType[Radiation, tuple[float, ...]] = MappingProxyType(
    {"photons": (0.0, 51.0, 103.0, 154.0, 206.0, 257.0, 309.0), "protons": (60.0, 180.0, 300.0)}
)
"""Gantry angles of a plan that nobody has given, degrees: as even as seven or three beams can be."""

ARC_STEP = 20.0
"""Degrees between the beams that stand for an arc."""


@dataclass(frozen=True)
class Plan:
    """How a target is treated.

    Args:
        radiation: photons of 6 MV, or protons.
        gantry: angles of the beams, degrees (IEC 61217).
        couch: likewise, one a beam.
        isocentre: LPS+ mm; None for the target's centre of mass.
        dose: Gy in all.
        fractions: how many give it.
        source: what it was made from.
    """

    radiation: Radiation
    gantry: tuple[float, ...]
    couch: tuple[float, ...]
    isocentre: tuple[float, float, float] | None
    dose: float
    fractions: int
    source: str

    def __post_init__(self) -> None:
        if not 0 < self.dose <= 500 or not 1 <= self.fractions <= 100:
            raise UsageError(
                f"{self.dose:g} Gy in {self.fractions} fractions is no plan; give up to 500 Gy and 100 fractions"
            )


def default_plan(radiation: Radiation = "photons", dose: float | None = None, fractions: int | None = None) -> Plan:
    """Seven photon beams or three proton beams around the target's centre, of 60 Gy in 30 fractions.

    Raises:
        UsageError: for an absurd dose or number of fractions.
    """
    gantry = ANGLES[radiation]
    given = 60.0 if dose is None else dose, 30 if fractions is None else fractions
    return Plan(radiation, gantry, (0.0,) * len(gantry), None, *given, "default")


def read_plan(path: Path, dose: float | None = None, fractions: int | None = None) -> Plan:
    """The beams of a DICOM RT Plan or RT Ion Plan.

    Angles, isocentre, dose and fractions are taken, an arc as beams every 20°. Leaves, spots and weights are not, since
    they are of another machine than the generic one that the dose is calculated for: the fluence is optimised again.

    Args:
        path: the file.
        dose: Gy in all; None for the plan's prescription to its target.
        fractions: None for the plan's.

    Raises:
        UsageError: if there is no such file, or it has no prescription and none is given.
        UnreadableFile: if it is no plan.
        DataError: if it has no treatment beam, or beams of electrons or other particles.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file; give the RT Plan that was made on the real CT")
    wanted = "neither an RT Plan nor an RT Ion Plan; give the plan that was made on the real CT"
    dataset = read_object(path, {RTPlanStorage, RTIonPlanStorage}, wanted, pixels=False)
    try:
        return _plan_of(dataset, path, dose, fractions)
    except (AttributeError, TypeError, ValueError, IndexError) as error:
        raise UnreadableFile(f"{path}: an incomplete plan ({error}); export it again") from error


def _plan_of(dataset: Dataset, path: Path, dose: float | None, fractions: int | None) -> Plan:
    protons = dataset.SOPClassUID == RTIonPlanStorage
    beams = [
        beam
        for beam in dataset.get("IonBeamSequence" if protons else "BeamSequence") or ()
        if str(beam.get("TreatmentDeliveryType") or "TREATMENT") == "TREATMENT"
    ]
    kinds = {str(beam.get("RadiationType") or "") for beam in beams}
    if kinds != {"PROTON" if protons else "PHOTON"}:
        raise DataError(f"{path}: beams of {', '.join(sorted(kinds)) or 'nothing'}; give a plan of photons or protons")
    directions = {one: None for beam in beams for one in _directions(_control_points(beam))}  # each once, in order
    isocentres = {tuple(round(float(mm), 1) for mm in _control_points(beam)[0].IsocenterPosition) for beam in beams}
    if len(isocentres) > 1:
        raise DataError(f"{path}: beams with {len(isocentres)} isocentres; give a plan with one")
    x, y, z = isocentres.pop()
    references = [one.get("TargetPrescriptionDose") for one in dataset.get("DoseReferenceSequence") or ()]
    total = max((float(one) for one in references if one), default=0.0) if dose is None else dose
    if dose is None and not total:
        raise UsageError(f"{path}: the plan has no prescription to a target; give --dose")
    group = (dataset.get("FractionGroupSequence") or [Dataset()])[0]
    return Plan(
        radiation="protons" if protons else "photons",
        gantry=tuple(gantry for gantry, _ in directions),
        couch=tuple(couch for _, couch in directions),
        isocentre=(x, y, z),
        dose=total,
        fractions=int(group.get("NumberOfFractionsPlanned") or 1) if fractions is None else fractions,
        source=path.name,
    )


def _control_points(beam: Dataset) -> Sequence[Dataset]:
    found: Sequence[Dataset] = beam.get("ControlPointSequence") or beam.get("IonControlPointSequence") or ()
    if not found:
        raise ValueError("a beam without control points")
    return found


def _directions(points: Sequence[Dataset]) -> list[tuple[float, float]]:
    """Gantry and couch angle of a beam, or of those that stand for an arc, degrees."""
    couch = float(points[0].get("PatientSupportAngle") or 0) % 360
    angle, direction = float(points[0].GantryAngle), "CW"
    angles, turned = [angle], 0.0  # since the last one taken
    for before, point in pairwise(points):
        direction = str(before.get("GantryRotationDirection") or direction)
        if point.get("GantryAngle") is None:
            continue
        step = float(point.GantryAngle) - angle
        angle, turned = float(point.GantryAngle), turned + (step if direction != "CC" else -step) % 360
        if turned >= ARC_STEP:
            angles.append(angle)
            turned = 0.0
    return [(round(angle % 360, 1), round(couch, 1)) for angle in angles]
