"""Names of the structure sets that lie beside a series that medcycle wrote."""

from __future__ import annotations

__all__ = ["OUTLINES", "STRUCTURE_SET"]

STRUCTURE_SET = "rtstruct.dcm"
"""The source's, referring to the synthetic slices."""

OUTLINES = "outlines.dcm"
"""The synthetic CT's own outlines."""
