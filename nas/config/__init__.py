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
from nas.config.strategies import (
    GoldConfig,
    MpcVitConfig,
    NetAugConfig,
    ProxylessConfig,
    ReluConfig,
    StageConfig,
    StoredTeacherConfig,
)
from nas.config.train import MAY_CHANGE, TrainConfig

__all__ = [
    "MAY_CHANGE",
    "Config",
    "EvaluateConfig",
    "ExportConfig",
    "GoldConfig",
    "LatencyConfig",
    "Limit",
    "MpcConfig",
    "MpcVitConfig",
    "NetAugConfig",
    "NniConfig",
    "OptunaConfig",
    "PredictorConfig",
    "ProxylessConfig",
    "ReluConfig",
    "SearchConfig",
    "SpaceConfig",
    "StageConfig",
    "StoredTeacherConfig",
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
