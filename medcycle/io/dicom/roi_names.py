"""Names of regions of interest that tell of nobody: those of AAPM's Task Group 263 (report 263, 2018)."""

from __future__ import annotations

import re
from functools import cache

from medcycle.io.dicom.confidentiality import lines_of

__all__ = ["is_standard"]

SIDE = r"(_?[LR])?"

MARGIN = r"(_?PRV(_?\d{1,2})?)?"
"""A planning organ at risk volume, with its margin in mm."""

TARGETS = r"[IP]?(GTV|CTV|ITV|PTV)"

KINDS = r"([npv]|sb|par|vas)?(\d{1,2})?"
"""Nodal, primary, vascular, surgical bed, parenchymal; the number among several."""

IMAGES = r"(_((CT|MR|PT|SP)\d{1,2})+)?"

DOSE = r"(_(High|Mid\d{0,2}|Low|\d{2,3}([.p]\d{1,2})?(Gy)?|\d{4}(cGy)?)(x\d{1,2})?)?"
"""A relative level, Gy, or cGy, with the number of fractions."""

MARKS = r"(-\d{1,2})?!?"
"""Cropped from the skin by so many mm, and edited."""

LONGEST = 64
"""Characters of a ROIName."""


def is_standard(name: str) -> bool:
    """Whether a name is made by the rules of TG-263, in capitals or not.

    An organ of the list, with a side, a margin, and minus a target; or a target, with a kind, a number, the images it
    was drawn on, an organ, and a dose; a `z` or `_` before it says that it is not for evaluation. What TG-263 leaves to
    the user, behind `^`, is not standard.

    >>> is_standard("Parotid_L"), is_standard("CTVn2_5400"), is_standard("GTV Smith")
    (True, False, False)
    """
    name = name.strip()
    return len(name) <= LONGEST and bool(_standard().fullmatch(name))


@cache
def _standard() -> re.Pattern[str]:
    bases = sorted(map(re.escape, lines_of("tg263.txt")), key=len, reverse=True)
    organ = f"({'|'.join(bases)})~?{SIDE}{MARGIN}{SIDE}"
    target = f"{TARGETS}{KINDS}{IMAGES}(_{organ})?{DOSE}{MARKS}"
    ring = r"Ring(_\d{1,2})?|Bolus(_\d{1,2}mm)?|(E-)?PTV(_Ev\d\d)?(_\d{4})?"
    return re.compile(rf"[z_]?({organ}(-{target})?|{target}|{ring})", re.IGNORECASE)
