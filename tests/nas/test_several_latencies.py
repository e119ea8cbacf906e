"""Latencies of several devices in one configuration: named sections, tables, limits, margins."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.config import Config, load_config, parse_config
from nas.errors import ConfigError
from nas.problems import build_problem, space_of
from predictors.latency import Device, LatencyTable
from tests.nas.report.conftest import latency_table

BASE: dict[str, Any] = {
    "space": {"name": "mobile_small", "options": {"channels": 1, "resolutions": [16]}},
    "data": {"format": "digits", "validation": 300},
    "train": {"epochs": 1, "batch_size": 8, "learning_rate": 0.1},
}
TWO = {"phone": {"table": "phone.lut.json"}, "gpu": {"runtime": "torch", "threads": 2}}


def config_with(latency: Any = TWO, **search: Any) -> Config:
    return parse_config({**BASE, "latency": latency, "search": search}, source="test")


def slower(table: LatencyTable, factor: float, name: str) -> LatencyTable:
    """Return the table of another device, on which everything takes longer."""

    def scaled(timing: Any) -> Any:
        times = {key: getattr(timing, key) * factor for key in ("latency_ms", "median_ms")}
        return dataclasses.replace(timing, **times)

    rows = tuple(dataclasses.replace(row, timing=scaled(row.timing)) for row in table.rows)
    networks = tuple(
        dataclasses.replace(
            net,
            timing=dataclasses.replace(
                net.timing, latency_ms=net.estimated_ms * (1.02 if i % 2 else 1.3)
            ),
        )
        for i, net in enumerate(table.networks)
    )
    identity = dataclasses.replace(table.identity, device=Device(name, 8, "aarch64", "Android"))
    return dataclasses.replace(table, identity=identity, rows=rows, networks=networks)


@pytest.fixture(scope="module")
def tables() -> dict[str, LatencyTable]:
    table = latency_table(space_of(config_with()))
    return {"phone_latency_ms": slower(table, 9.0, "Pixel"), "gpu_latency_ms": table}


def test_each_section_gives_a_cost_of_its_name() -> None:
    config = config_with()
    assert list(config.latencies) == ["phone_latency_ms", "gpu_latency_ms"]
    assert config.latencies["gpu_latency_ms"].threads == 2
    again = parse_config(config.to_json(), source="config.json")
    assert again == config
    assert again.config_hash == config.config_hash


def test_one_section_is_what_it_was() -> None:
    config = config_with({"threads": 2})
    assert list(config.latencies) == ["latency_ms"]
    assert config.to_json()["latency"]["threads"] == 2
    assert config_with({}).latencies["latency_ms"].runtime == "onnxruntime"


def test_paths_of_named_tables_are_of_the_file_s_folder(tmp_path: Path) -> None:
    path = tmp_path / "two.toml"
    path.write_text(
        "[space]\nname = 'mobile_small'\n[data]\nformat = 'digits'\nvalidation = 300\n"
        "[train]\nepochs = 1\nbatch_size = 8\nlearning_rate = 0.1\n"
        "[latency.phone]\ntable = 'phone.lut.json'\n",
        encoding="utf-8",
    )
    config = load_config(path)
    assert config.latencies["phone_latency_ms"].table == str(tmp_path / "phone.lut.json")


@pytest.mark.parametrize(
    ("latency", "message"),
    [
        ({"threads": 2, "phone": {}}, r"latency\.threads = 2: it stands beside sections"),
        ({"Pixel 4": {}}, "latency.Pixel 4 = {}: a name must be small letters"),
        ({"table": {}}, "latency.table = {}: this is a key of the section"),
        ({"phone": {"thread": 2}}, r"latency\.phone\.thread = 2: unknown key.*'threads'"),
        ({"phone": {"threads": 0}}, r"latency\.phone\.threads = 0: must be greater than"),
        ({"thread": 2}, r"latency\.thread = 2: unknown key.*'threads'"),
        (3, r"latency = 3: must be a section \[latency\]"),
    ],
)
def test_wrong_sections_are_refused(latency: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config_with(latency)


def test_a_latency_without_its_section_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"watch_latency_ms = 3: a latency needs .*\[latency\.w"):
        config_with(limits={"watch_latency_ms": 3})
    with pytest.raises(ConfigError, match="there are give phone_latency_ms, gpu_latency_ms"):
        config_with(limits={"latency_ms": 3})
    config = config_with(minimize=["watch_latency_ms"], searcher="nsga2")
    with pytest.raises(ConfigError, match=r"minimize names watch_latency_ms: a latency needs"):
        build_problem(config, space_of(config))


def test_limits_and_margins_are_each_of_its_own_table(tables: dict[str, LatencyTable]) -> None:
    config = config_with(
        limits={
            "phone_latency_ms": "<= 4 @ 80%",
            "gpu_latency_ms": "50% @ 80%",
            "peak_memory_bytes": "300 KiB",
        }
    )
    problem = build_problem(config, space_of(config), tables)
    phone, gpu, memory = problem.limits
    assert phone.value == pytest.approx(4 / (1 + tables["phone_latency_ms"].margin(0.8)))
    assert phone.margin > gpu.margin > 0 == memory.margin
    rows = problem.space.sample(200, np.random.default_rng(0))
    values = problem.cost_values(rows)
    assert (values["phone_latency_ms"] > 2 * values["gpu_latency_ms"]).all()
    assert problem.costs["phone_latency_ms"].provenance.device != (
        problem.costs["gpu_latency_ms"].provenance.device
    )
    within = problem.feasible(rows)
    assert 0 < within.sum() < len(rows)
    for limit in problem.limits:
        assert (values[limit.metric][within] <= limit.largest).all()


def test_limits_of_tables_that_are_not_there_yet_are_left_out(
    tables: dict[str, LatencyTable],
) -> None:
    config = config_with(limits={"phone_latency_ms": 4, "gpu_latency_ms": 1, "macs": "50%"})
    first = {"phone_latency_ms": tables["phone_latency_ms"]}
    problem = build_problem(config, space_of(config), first)
    assert [limit.metric for limit in problem.limits] == ["phone_latency_ms", "macs"]
