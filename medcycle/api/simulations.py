"""Simulated images."""

from __future__ import annotations

from medcycle.volume import Volume

__all__ = ["simulate_cbct"]


def simulate_cbct(ct: Volume, *, seed: int = 0) -> tuple[Volume, Volume]:
    """Simulate a CBCT of a CT: scatter, beam hardening, noise, rings, motion, metal and a small field of view.

    Slices are projected along parallel rays and reconstructed by filtered back-projection; artefacts of the cone angle
    are missing. A seed decides what the scan has.

    Args:
        ct: HU; any orientation of axial slices, with square pixels.
        seed: the same gives the same CBCT.

    Returns:
        The CBCT in HU, -1024 outside its field of view, and the CT that it shows, with metal if there is any; both on
        the grid of the CT in RAS+ orientation.

    Raises:
        DataError: if slices are not axial, or pixels are not square.
    """
    from medcycle.simulation.cbct import simulate_cbct as simulate

    pair = simulate(ct.to_ras(), seed)
    return pair.cbct, pair.ct
