"""Waiting for a hot device, with a temperature and a clock of our own."""

from __future__ import annotations

import types

import pytest

from predictors import MeasurementError
from predictors.latency import build_table
from predictors.latency import target as target_module
from predictors.latency.runner import thermal as thermal_module
from predictors.latency.runner.thermal import Cooler, hottest_celsius


@pytest.fixture
def clock(monkeypatch):
    """Put a clock that only sleeping advances in the place of time."""
    now = [100.0]

    def sleep(seconds):
        now[0] += seconds

    fake = types.SimpleNamespace(monotonic=lambda: now[0], sleep=sleep)
    monkeypatch.setattr(thermal_module, "time", fake)
    return now


def test_the_hottest_plausible_zone_counts(tmp_path):
    assert hottest_celsius(tmp_path) is None
    for number, text in enumerate(["41500\n", "63000\n", "-274000\n", "999000\n", "broken\n"]):
        zone = tmp_path / f"thermal_zone{number}"
        zone.mkdir()
        (zone / "temp").write_text(text)
    assert hottest_celsius(tmp_path) == 63.0


def test_waits_until_it_is_five_degrees_cooler(clock):
    readings = iter([79.0, 84.0, 81.0, 77.0, 74.0])
    cooler, told = Cooler(80.0, lambda: next(readings)), []
    cooler.wait(told.append)
    assert not told
    cooler.wait(told.append)  # asked a moment ago: not read again
    clock[0] += 2
    cooler.wait(told.append)
    assert told == [f"hot: {t} °C, waiting for 75 °C" for t in (84, 81, 77)]
    assert cooler.hottest == 84.0


def test_a_device_that_stays_hot(clock):
    with pytest.raises(MeasurementError, match=r"still at 90 °C.*--max-celsius"):
        Cooler(80.0, lambda: 90.0).wait(lambda text: None)


def test_no_thermometer_no_waiting(clock):
    cooler = Cooler(80.0, lambda: None)
    cooler.wait(pytest.fail)
    assert cooler.hottest is None


def test_a_build_waits(tiny_space, virtual, quick, tmp_path, monkeypatch, clock):
    readings = iter([90.0, 70.0])
    hot = lambda limit: Cooler(limit, lambda: next(readings, 70.0))  # noqa: E731
    monkeypatch.setattr(target_module, "Cooler", hot)
    seen = []
    build_table(
        tiny_space, quick, tmp_path / "t.lut.json", progress=lambda *call: seen.append(call[2])
    )
    assert "hot: 90 °C, waiting for 75 °C" in seen
