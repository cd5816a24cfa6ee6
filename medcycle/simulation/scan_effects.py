"""What a CBCT scan has that a CT has not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["ScanEffects"]


@dataclass(frozen=True)
class ScanEffects:
    """What one simulated CBCT scan has.

    Args:
        views: projections over 180 degrees.
        scatter: scatter-to-primary ratio behind the middle of the patient. Without a grid it is about 1 for heads and
            2 or more for a pelvis (Siewerdsen & Jaffray 2001, "Cone-beam computed tomography with a flat-panel imager:
            magnitude and effects of x-ray scatter", Med. Phys. 28:220).
        corrected: the fraction of the mean scatter that the scanner subtracts, as a constant.
        hardening: b of p − b p², the line integral that a polychromatic beam measures in place of p.
        photons: per detector pixel and view, unattenuated.
        rings: standard deviation of detector pixels' errors, in line integrals.
        bands: the same of errors that neighbouring pixels share.
        shift: mm (right-left, front-back, foot-head) by which the patient moves during the scan.
        moves_at: when, as a fraction of the scan; from then on the movement is complete.
        moves_for: how long it takes, as a fraction of the scan.
        metal: number of pieces of metal.
        field_of_view: diameter over that of the smallest circle about the patient; 1 or more is no truncation.
        beyond: mm over which the scanner extrapolates truncated projections to zero.
        blur: mm, standard deviation of focal spot and detector.
        kernel: the filter of the reconstruction, one of scikit-image's.
        gain: what HU + 1000 are multiplied by.
        offset: HU that are added.
    """

    views: int = 300
    scatter: float = 0.0
    corrected: float = 0.0
    hardening: float = 0.0
    photons: float = 1e6
    rings: float = 0.0
    bands: float = 0.0
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    moves_at: float = 0.5
    moves_for: float = 0.1
    metal: int = 0
    field_of_view: float = 1.0
    beyond: float = 40.0
    blur: float = 0.0
    kernel: str = "ramp"
    gain: float = 1.0
    offset: float = 0.0

    @classmethod
    def drawn(cls, random: np.random.Generator) -> ScanEffects:
        """Those of a scan as clinics have them; motion in 4 of 10, truncation in 3, metal in 2."""

        def between(low: float, high: float) -> float:
            return float(random.uniform(low, high))

        def in_some(share: float, value: float, otherwise: float) -> float:
            return value if random.random() < share else otherwise

        moves = in_some(0.4, 1.0, 0.0)
        return cls(
            views=int(random.integers(180, 361)),
            scatter=between(0.1, 1.5),
            corrected=between(0.4, 1.0),
            hardening=between(0.0, 0.02),
            photons=float(np.exp(between(np.log(2e4), np.log(4e5)))),
            rings=in_some(0.5, between(0.001, 0.006), 0.0005),
            bands=in_some(0.5, between(0.001, 0.006), 0.0005),
            shift=(moves * between(-3, 3), moves * between(-3, 3), moves * between(-2, 2)),
            moves_at=between(0.1, 0.8),
            moves_for=between(0.02, 0.3),
            metal=int(in_some(0.2, float(random.integers(1, 5)), 0.0)),
            field_of_view=in_some(0.3, between(0.65, 1.0), 1.1),
            beyond=between(15, 80),
            blur=between(0.2, 0.8),
            kernel=str(random.choice(["ramp", "shepp-logan", "cosine", "hann"])),
            gain=between(0.95, 1.05),
            offset=between(-40, 40),
        )
