"""The configuration, checked when it is read.

A configuration is a YAML file of the sections of `Config`. Unknown keys are errors, and so are keys that do nothing:
those of another method or network, and those that other values leave without effect.
"""

from medcycle.config.method import (
    METHODS,
    CutConfig,
    CycleGanBaseConfig,
    CycleGanConfig,
    HybridConfig,
    MethodConfig,
    MunitConfig,
    PartlyRegisteredConfig,
    Pix2PixConfig,
    RandomizedConfig,
    RegCycleGanConfig,
    SupervisedConfig,
    UnitConfig,
    UnpairedConfig,
)
from medcycle.config.network import (
    NETWORKS,
    AnyNetwork,
    MonaiConfig,
    NetworkConfig,
    ResnetConfig,
    UnetConfig,
)
from medcycle.config.reading import (
    check_override,
    config_names,
    load_config,
    load_stored,
    parse_config,
    parse_override,
    parse_planned,
    parse_stored,
)
from medcycle.config.sections import Config, DataConfig, RandomizeConfig
from medcycle.config.training import TrainingConfig

__all__ = [
    "METHODS",
    "NETWORKS",
    "AnyNetwork",
    "Config",
    "CutConfig",
    "CycleGanBaseConfig",
    "CycleGanConfig",
    "DataConfig",
    "HybridConfig",
    "MethodConfig",
    "MonaiConfig",
    "MunitConfig",
    "NetworkConfig",
    "PartlyRegisteredConfig",
    "Pix2PixConfig",
    "RandomizeConfig",
    "RandomizedConfig",
    "RegCycleGanConfig",
    "ResnetConfig",
    "SupervisedConfig",
    "TrainingConfig",
    "UnetConfig",
    "UnitConfig",
    "UnpairedConfig",
    "check_override",
    "config_names",
    "load_config",
    "load_stored",
    "parse_config",
    "parse_override",
    "parse_planned",
    "parse_stored",
]
