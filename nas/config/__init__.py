"""Configuration: TOML files read into frozen, typed sections, with all errors told at once."""

from nas.config.limits import Limit, Sweep, parse_limit, parse_sweep
from nas.config.loading import changed_keys, load_config, parse_config, parse_value
from nas.config.models import (
    Config,
    EvaluateConfig,
    ExportConfig,
    LatencyConfig,
    MpcConfig,
    NniConfig,
    OptunaConfig,
    PredictorConfig,
    SearchConfig,
    SpaceConfig,
)
from nas.config.section import default_values
from nas.config.train import MAY_CHANGE, StageConfig, TrainConfig

__all__ = [
    "MAY_CHANGE",
    "Config",
    "EvaluateConfig",
    "ExportConfig",
    "LatencyConfig",
    "Limit",
    "MpcConfig",
    "NniConfig",
    "OptunaConfig",
    "PredictorConfig",
    "SearchConfig",
    "SpaceConfig",
    "StageConfig",
    "Sweep",
    "TrainConfig",
    "changed_keys",
    "default_values",
    "load_config",
    "parse_config",
    "parse_limit",
    "parse_sweep",
    "parse_value",
]
