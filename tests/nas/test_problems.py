"""From a configuration to a search problem: which costs are compiled, and limits in numbers."""

from __future__ import annotations

import pytest

from nas.config import Config, parse_config
from nas.errors import ConfigError
from nas.problems import build_problem, space_of
from predictors import INT8_PEAK_MEMORY, compile_cost


def config_with(**limits: str) -> Config:
    return parse_config(
        {
            "space": {"name": "mcunet", "options": {"widths": [0.3], "classes": 10}},
            "data": {"format": "digits", "validation": 100},
            "train": {"epochs": 1, "batch_size": 8, "learning_rate": 0.1},
            "search": {"limits": limits},
        },
        source="test",
    )


def test_int8_memory_is_a_cost_where_a_limit_names_it() -> None:
    config = config_with(int8_peak_memory_bytes="64 KiB", macs="20M")
    space = space_of(config)
    problem = build_problem(config, space, None)
    assert set(problem.costs) == {"macs", "params", "peak_memory_bytes", "int8_peak_memory_bytes"}
    assert [(limit.metric, limit.value) for limit in problem.limits] == [
        ("int8_peak_memory_bytes", 65536.0),
        ("macs", 20e6),
    ]
    row = compile_cost(space, INT8_PEAK_MEMORY).minimum().architecture
    assert problem.costs["int8_peak_memory_bytes"].of(row) < 65536.0


def test_other_searches_do_not_record_it() -> None:
    config = config_with(macs="50%")
    problem = build_problem(config, space_of(config), None)
    assert "int8_peak_memory_bytes" not in problem.costs
    (limit,) = problem.limits
    assert limit.value == problem.costs["macs"].maximum().value / 2


def test_an_unknown_cost_names_the_nearest() -> None:
    config = config_with(int8_peak_memory="64")
    with pytest.raises(ConfigError, match="Did you mean 'int8_peak_memory_bytes'"):
        build_problem(config, space_of(config), None)
