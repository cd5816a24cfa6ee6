"""Files to `Volume` and back."""

from medcycle.io.discover import Source, discover, read_volume
from medcycle.io.nifti import write_nifti

__all__ = ["Source", "discover", "read_volume", "write_nifti"]
