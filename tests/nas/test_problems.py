"""From a configuration to a search problem: which costs are compiled, and limits in numbers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from nas.config import Config, parse_config
from nas.errors import ConfigError
from nas.problems import build_problem, space_of
from predictors import INT8_PEAK_MEMORY, TableError, compile_cost
from predictors.mpc import Laws, MpcTable, get_protocol, save_mpc_table
from predictors.mpc.measure import operators_of_space


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


def private_config(limits: dict[str, str], /, **mpc: object) -> Config:
    return parse_config(
        {
            "space": {"name": "mobile_small", "options": {"resolutions": [24]}},
            "data": {"format": "digits", "validation": 100},
            "train": {"epochs": 1, "batch_size": 8, "learning_rate": 0.1},
            "mpc": mpc,
            "search": {"limits": limits},
        },
        source="test",
    )


def test_private_inference_is_priced_and_limited_for_a_network() -> None:
    wan = private_config({"mpc_online_s": "2.5 s", "mpc_rounds": "90%"}, network="wan")
    space = space_of(wan)
    problem = build_problem(wan, space, None)
    assert {limit.metric: limit.said for limit in problem.limits} == {
        "mpc_online_s": "2.5 s",
        "mpc_rounds": "90%",
    }
    lan = build_problem(private_config({}, network="lan"), space, None)
    near = build_problem(private_config({}, network="wan", rtt_ms=0.0), space, None)
    row = problem.costs["macs"].minimum().architecture
    slowest, fastest = (p.costs["mpc_online_s"].of(row) for p in (problem, lan))
    assert fastest < near.costs["mpc_online_s"].of(row) < slowest
    sent = problem.costs["mpc_online_bytes"]
    assert sent.of(row) == lan.costs["mpc_online_bytes"].of(row)
    assert "semi2k" in sent.provenance.source


def test_a_private_limit_needs_to_know_the_protocol() -> None:
    with pytest.raises(ConfigError, match=r"mpc_rounds.*needs a section \[mpc\]"):
        config_with(mpc_rounds="100")
    with pytest.raises(ConfigError, match=r"mpc\.protocol"):
        private_config({}, protocol="cheeta")
    config = private_config({}, protocol="cheetah")
    with pytest.raises(TableError, match=r"ships .* lacks .* under cheetah.*nas mpc measure"):
        build_problem(config, space_of(config), None)


def test_several_protocols_and_networks_in_one_problem(tmp_path: Path) -> None:
    """Sections [mpc.NAME], each with costs of its own; one priced by a table."""
    operators = operators_of_space(space_of(private_config({})))
    laws = Laws(get_protocol("semi2k"))
    rows = {op: dataclasses.replace(laws(op), cpu_s=0.25) for op in operators}
    path = tmp_path / "t.mpc.json"
    save_mpc_table(MpcTable(laws.protocol, "device", {}, "2026-11-27", rows), path)
    limits = {"far_mpc_online_s": "3 s", "three_mpc_rounds": "100%"}
    config = private_config(
        limits,
        far={"network": "wan"},
        three={"network": "lan", "protocol": "aby3"},
        timed={"network": "wan", "table": str(path)},
    )
    problem = build_problem(config, space_of(config), None)
    row = problem.costs["macs"].minimum().architecture
    far, three, timed = (problem.costs[f"{n}_mpc_online_s"] for n in ("far", "three", "timed"))
    assert far.of(row) > three.of(row)
    assert (timed.of(row) - far.of(row)) % 0.25 == pytest.approx(0, abs=1e-9)
    assert "aby3" in three.provenance.source
    assert timed.provenance.kind == "table"
    assert {limit.metric for limit in problem.limits} == set(limits)
    assert "mpc_online_s" not in problem.costs

    with pytest.raises(ConfigError, match=r"needs a section \[mpc\.near\].*far, three"):
        private_config({"near_mpc_rounds": "9"}, far={}, three={})
    wrong = private_config({}, three={"protocol": "aby3", "table": str(path)})
    with pytest.raises(ConfigError, match="table of semi2k, and protocol is 'aby3'"):
        build_problem(wrong, space_of(wrong), None)


def test_a_share_is_of_the_largest_cost_where_macs_tell_none_apart() -> None:
    space = {"name": "mpc_resnet", "options": {"resolution": 8, "widths": [4], "depths": [1]}}
    document = private_config({"mpc_rounds": "50%"}).to_json() | {"space": space}
    config = parse_config(document, source="test")
    problem = build_problem(config, space_of(config), None)
    (limit,) = problem.limits
    assert limit.value == problem.costs["mpc_rounds"].maximum().value / 2
