"""The configuration, checked when it is read.

A configuration is a YAML file of the sections of `Config`. Unknown keys are errors.
"""

from medcycle.config.method import MethodConfig
from medcycle.config.reading import check_override, config_names, load_config, parse_config, parse_override
from medcycle.config.sections import (
    Config,
    DataConfig,
    NetworkConfig,
    RandomizeConfig,
)
from medcycle.config.training import TrainingConfig

__all__ = [
    "Config",
    "DataConfig",
    "MethodConfig",
    "NetworkConfig",
    "RandomizeConfig",
    "TrainingConfig",
    "check_override",
    "config_names",
    "load_config",
    "parse_config",
    "parse_override",
]
