"""Generated heads with a known answer: MR and CT of one anatomy, sampled on any grid, and written as files.

A head is a list of signed distances (mm, negative inside) in continuous patient space, painted one over the other from
the skin inwards. A distance becomes a partial volume by the box average of a half-space across one voxel, so edges are
as soft as the voxel is wide. Canonical head space is RAS+ mm with the origin in the middle of the cranium; each patient
is a random size, pose and shape of it. No torch.
"""

from medcycle.phantom.generated_cohort import write_cohort
from medcycle.phantom.head import HeadPhantom, head_grid
from medcycle.phantom.tissue import (
    PROPERTIES,
    T1_FAT_SUPPRESSED,
    T1_GRADIENT_ECHO,
    T2_FLAIR,
    T2_SPIN_ECHO,
    MrProtocol,
    Tissue,
)

__all__ = [
    "PROPERTIES",
    "T1_FAT_SUPPRESSED",
    "T1_GRADIENT_ECHO",
    "T2_FLAIR",
    "T2_SPIN_ECHO",
    "HeadPhantom",
    "MrProtocol",
    "Tissue",
    "head_grid",
    "write_cohort",
]
