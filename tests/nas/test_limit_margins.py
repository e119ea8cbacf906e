"""From a configuration to the problem: limits that are kept with a confidence."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from nas.config import Config, parse_config
from nas.errors import ConfigError
from nas.problems import build_problem, space_of
from predictors import TableError
from predictors.latency import LatencyTable
from tests.nas.report.conftest import latency_table

BASE: dict[str, Any] = {
    "space": {"name": "mobile_small", "options": {"channels": 1, "resolutions": [16]}},
    "data": {"format": "digits", "validation": 300},
    "train": {"epochs": 1, "batch_size": 8, "learning_rate": 0.1},
    "latency": {},
}


def config_with(**limits: Any) -> Config:
    return parse_config({**BASE, "search": {"limits": limits}}, source="test")


@pytest.fixture(scope="module")
def table() -> LatencyTable:
    return latency_table(space_of(config_with()))


def test_a_confidence_lowers_the_limit_by_the_table_s_error(table: LatencyTable) -> None:
    margin = table.margin(0.8)
    assert margin > 0
    config = config_with(latency_ms="<= 2 @ 80%", macs="60%")
    (limit, plain) = build_problem(config, space_of(config), {"latency_ms": table}).limits
    assert limit.value == pytest.approx(2 / (1 + margin))
    assert limit.margin == margin
    assert f"<= 2 @ 80%: predictions may be {margin:.1%} too low" in limit.remark
    assert not limit.is_share
    assert (plain.margin, plain.remark, plain.is_share) == (0, " (60%)", True)


def test_a_share_with_a_confidence(table: LatencyTable) -> None:
    share, sure = config_with(latency_ms="50%"), config_with(latency_ms="50% @ 80%")
    values = [
        build_problem(c, space_of(c), {"latency_ms": table}).limits[0] for c in (share, sure)
    ]
    assert values[1].value == pytest.approx(values[0].value / (1 + table.margin(0.8)))
    assert values[1].is_share


def test_confidences_that_cannot_be_had(table: LatencyTable) -> None:
    config = config_with(latency_ms="2 @ 99%")
    with pytest.raises(TableError, match="nas lut validate"):
        build_problem(config, space_of(config), {"latency_ms": table})
    config = config_with(macs="5M @ 95%")
    with pytest.raises(ConfigError, match="counted exactly"):
        build_problem(config, space_of(config), {"latency_ms": table})
    without = dataclasses.replace(table, networks=())
    config = config_with(latency_ms="2 @ 50%")
    with pytest.raises(TableError, match="0 held-out networks"):
        build_problem(config, space_of(config), {"latency_ms": without})
