"""MR to CT and CT to MR synthesis, from hospital folders to volumes in real units.

Research use only: nothing this package writes is fit for treating a patient.
"""

__version__ = "0.1.0"
