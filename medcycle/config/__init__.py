"""The configuration, checked when it is read.

A configuration is a YAML file of the sections of `Config`; a recipe also has variants for other choices of method,
dimensions and device. Unknown keys are errors, and so are keys that do nothing:
those of another method or network, and those that other values leave without effect.
"""

from medcycle.config.choice import Choice, DeviceKind
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
    load_config,
    load_stored,
    parse_config,
    parse_override,
    parse_planned,
    parse_stored,
)
from medcycle.config.recipe import config_names, read_recipe
from medcycle.config.sections import Config, DataConfig, RandomizeConfig
from medcycle.config.summary import told_briefly
from medcycle.config.training import TrainingConfig

__all__ = [
    "METHODS",
    "NETWORKS",
    "AnyNetwork",
    "Choice",
    "Config",
    "CutConfig",
    "CycleGanBaseConfig",
    "CycleGanConfig",
    "DataConfig",
    "DeviceKind",
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
    "read_recipe",
    "told_briefly",
]
