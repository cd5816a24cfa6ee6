"""The exceptions medcycle raises on purpose.

    MedcycleError
    ├── UsageError              the call or the configuration is wrong      (exit status 2)
    │   └── ConfigError         a key or a value of a configuration
    └── DataError               the data or the run failed                  (exit status 1)
        ├── UnreadableFile      torn, empty, or not what its name says
        ├── DefectiveSeries     a DICOM series that is not one sound volume
        ├── WrongModality       an MR where a CT belongs, or the reverse
        ├── EmptyFolder         no usable volume where some were expected
        ├── GridMismatch        two volumes that should share a grid do not
        ├── RegistrationFailed  two volumes that can't be brought onto each other
        ├── BadCheckpoint       not a checkpoint of medcycle, or a damaged one
        ├── TrainingFailed      the optimisation cannot go on
        ├── ExportFailed        a network that can't be written in another format
        ├── CaseFailed          one case of many, of memory, a disk or a fault
        ├── InUse               another process writes there
        └── WorkerLost          no worker process stays alive

Every message says what is wrong, where, and what to do, in one line.
"""

__all__ = [
    "BadCheckpoint",
    "CaseFailed",
    "ConfigError",
    "DataError",
    "DefectiveSeries",
    "EmptyFolder",
    "ExportFailed",
    "GridMismatch",
    "InUse",
    "MedcycleError",
    "RegistrationFailed",
    "TrainingFailed",
    "UnreadableFile",
    "UsageError",
    "WorkerLost",
    "WrongModality",
    "WrongRegion",
]


class MedcycleError(Exception):
    """Base of all errors that medcycle raises on purpose."""

    exit_status = 1


class UsageError(MedcycleError):
    """The call is wrong: a path that is not there, options that exclude each other."""

    exit_status = 2


class ConfigError(UsageError):
    """A configuration has an unknown key or a value that can't be used."""


class RemovedVariant(ConfigError):
    """What a stored configuration has can't be made any more."""


class DataError(MedcycleError):
    """The data can't be used, or the run failed on it."""


class UnreadableFile(DataError):
    """A file that is torn, empty, or not what its name says."""


class DefectiveSeries(DataError):
    """A DICOM series that is not one sound volume."""


class WrongModality(DataError):
    """A volume of another modality than the one asked for."""


class WrongRegion(DataError):
    """A scan shows another region of the body than a model was trained on."""


class EmptyFolder(DataError):
    """A folder without a single usable volume."""


class GridMismatch(DataError):
    """Volumes that should lie on one grid do not."""


class RegistrationFailed(DataError):
    """Two volumes that can't be brought onto each other."""


class BadCheckpoint(DataError):
    """A file that is not a checkpoint of medcycle, or a damaged one."""


class TrainingFailed(DataError):
    """The optimisation cannot go on, as when a loss is no longer finite."""


class ExportFailed(DataError):
    """A network that can't be written in another format, or gives other values in it."""


class CaseFailed(DataError):
    """One case of many that failed of something else than what it holds, as memory, a disk or a fault of medcycle."""


class InUse(DataError):
    """A run, a store or an output that another process is writing to."""


class WorkerLost(DataError):
    """No worker process stays alive to do anything."""
