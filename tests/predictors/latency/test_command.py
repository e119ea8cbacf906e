"""Boards without Python: a command that prints milliseconds, alone and through adb."""

from __future__ import annotations

import dataclasses
import re

import pytest

from predictors import MeasurementError, TableError, compile_cost
from predictors.latency import (
    Adb,
    Command,
    LutOptions,
    build_table,
    describe_table,
    load_table,
    measure_further,
)
from predictors.latency.runner.commands import CommandSample, command_of, parse_printed

OPTIONS = LutOptions(rounds=3, calibration_nets=4, validation_nets=2)
# Stands in for a benchmark program: a file takes a millisecond for every 1000 bytes.
BENCH = """\
#!/bin/sh
test -f "$1" || { echo "no such model: $1" >&2; exit 3; }
echo "warming up"
echo "median: $(( $(wc -c < "$1") * 1000 / 1000 )) us"
"""
# Stands in for adb and the device behind it: the device's files are under $0.device.
ADB = """\
#!/bin/sh
root="$0.device"
test "$1" = -s || exit 9
test "$2" = emulator-5554 || { echo "adb: device '$2' not found" >&2; exit 1; }
shift 2
case "$1" in
  shell)
    shift
    case "$*" in
      "getprop ro.product.model") echo "Pixel 8" ;;
      "getprop ro.build.version.release") echo 15 ;;
      "uname -m") echo aarch64 ;;
      "cat /proc/cpuinfo") printf 'processor: 0\\nFeatures: asimd\\nprocessor: 1\\n' ;;
      *) eval "$(echo "$*" | sed "s#/data/local/tmp#$root#g")" ;;
    esac ;;
  push) cp -r "$3" "$(echo "$4" | sed "s#/data/local/tmp#$root#")/" ;;
esac
"""


@pytest.fixture
def bench(tmp_path):
    return _script(tmp_path / "bench", BENCH)


def _script(path, text):
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def _converter():
    pytest.importorskip("onnx")


def _table_of(space, tmp_path, target):
    path = tmp_path / "t.lut.json"
    table = build_table(space, OPTIONS, path, target=target)
    assert sorted(p.name for p in tmp_path.glob("t.lut*")) == ["t.lut.json"]
    for row in table.rows:
        assert row.timing.latency_ms > 0.1
        assert row.timing.spread == pytest.approx(0, abs=1e-9)
    assert table.validation.estimate.spearman > 0.9
    return table


def test_a_table_by_a_command(small_space, bench, tmp_path):
    template = f"{bench} {{model}}"
    table = _table_of(small_space, tmp_path, Command(template, "Cortex-M55 board 3"))
    assert str(table.device) == "Cortex-M55 board 3"
    assert template in table.conditions.runtime_version


def test_a_table_through_adb(small_space, tmp_path):
    adb = _script(tmp_path / "adb", ADB)
    device = tmp_path / "adb.device"
    device.mkdir()
    _script(device / "bench", BENCH)
    target = Adb("/data/local/tmp/bench {model}", "emulator-5554", str(adb))
    table = _table_of(small_space, tmp_path, target)
    assert table.device.cpu == "Pixel 8"
    assert (table.device.cores, table.device.machine) == (2, "aarch64")
    assert (table.device.system, table.device.os) == ("Android", "Android 15")
    assert not list(device.glob("nas-lut/*"))  # nothing stays on the device


def test_a_table_of_energy_by_a_command(small_space, tmp_path):
    """The same way with another metric: its unit is in the file and in the cost."""
    meter = _script(tmp_path / "meter", BENCH.replace(" us", " mJ"))
    path, target = tmp_path / "t.lut.json", Command(f"{meter} {{model}}", "board")
    options = dataclasses.replace(OPTIONS, metric="energy_mj")
    table = build_table(small_space, options, path, target=target)
    assert load_table(path) == table
    assert table.metric == "energy_mj"
    assert table.validation.estimate.spearman > 0.9
    text = path.read_text()
    assert '"energy_mj": ' in text
    assert not re.search(r"latency_ms|_ms\b", text)
    assert re.search(r"calibration .* mJ\b", describe_table(table))
    cost = compile_cost(small_space, table.cost_model(small_space))
    assert cost.metric == "energy_mj"
    net = table.networks[-1]
    assert cost.of(net.architecture) == pytest.approx(net.estimated_ms, rel=1e-4)
    with pytest.raises(TableError, match="with metric = 'energy_mj', not 'latency_ms'"):
        build_table(small_space, OPTIONS, path, target=target)
    again, drift = measure_further(path, "validation", 3, options=OPTIONS, target=target)
    assert (again.metric, drift) == ("energy_mj", pytest.approx(1.0))


def test_runtimes_measure_latency_only(small_space, tmp_path):
    options = dataclasses.replace(OPTIONS, metric="energy_mj")
    with pytest.raises(MeasurementError, match=r"measures latency_ms, not energy_mj.*--command"):
        build_table(small_space, options, tmp_path / "t.lut.json")
    with pytest.raises(MeasurementError, match="its unit at the end"):
        LutOptions(metric="energy")


def test_adb_failures_are_said(small_space, tmp_path):
    adb = _script(tmp_path / "adb", ADB)
    path = tmp_path / "t.lut.json"
    with pytest.raises(MeasurementError, match=r"device 'other' not found.*adb devices"):
        build_table(small_space, OPTIONS, path, target=Adb("bench {model}", "other", str(adb)))
    with pytest.raises(MeasurementError, match="platform tools"):
        build_table(small_space, OPTIONS, path, target=Adb("bench {model}", "", "/no/adb"))


def test_a_command_that_fails_keeps_what_was_measured(small_space, bench, tmp_path):
    target = Command(f"{bench} {{model}}", "board")
    count = tmp_path / "count"
    fails_later = BENCH.replace(
        'echo "warming', f'echo x >> {count}; test $(wc -l < {count}) -gt 60 && exit 7\necho "w'
    )
    _script(bench, fails_later)
    with pytest.raises(MeasurementError, match=r"exit code 7.*kept"):
        build_table(small_space, OPTIONS, tmp_path / "t.lut.json", target=target)
    journal = tmp_path / "t.lut.json.partial" / "runner.journal"
    kept = journal.read_text().splitlines()
    assert len(kept) == 2
    _script(bench, BENCH)
    table = build_table(small_space, OPTIONS, tmp_path / "t.lut.json", target=target)
    assert table.rounds == OPTIONS.rounds


def test_other_metrics_are_printed_in_their_unit():
    assert parse_printed("energy 12.5 mJ", "energy_mj") == 12.5
    assert parse_printed("energy 12.5", "energy_mj") == 12.5
    assert parse_printed("energy 12.5 J", "energy_mj") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12.5", 12.5),
        ("warm-up 3 runs\nlatency: 1.25 ms\n", 1.25),
        ("avg 830us", 0.83),
        ("avg = 830 µs.", 0.83),
        ("took 0.002 s", 2.0),
        ("1e-3", 1e-3),
        ("no number", None),
        ("", None),
        ("0", None),
        ("-3 ms", None),
        ("5 bananas", None),
    ],
)
def test_milliseconds_at_the_end(text, expected):
    assert parse_printed(text) == (None if expected is None else pytest.approx(expected))


def test_templates():
    words = command_of("run --m='{model}' -t {threads}", model="/a b/m.onnx", threads=4)
    assert words == ["run", "--m=/a b/m.onnx", "-t", "4"]
    with pytest.raises(MeasurementError, match="must say where"):
        command_of("./bench", model="m", threads=1)
    with pytest.raises(MeasurementError, match="cannot be split"):
        command_of("./bench '{model}", model="m", threads=1)


def test_outputs_and_programs_that_are_none():
    with pytest.raises(
        MeasurementError, match="must print latency_ms at its end, above zero, in ms"
    ):
        CommandSample(["echo", "done"]).sample()
    with pytest.raises(MeasurementError, match="Cannot run `/no/program m`"):
        CommandSample(["/no/program", "m"]).sample()


def test_a_command_needs_the_name_of_its_device(small_space, bench, tmp_path):
    with pytest.raises(MeasurementError, match="--device"):
        build_table(
            small_space,
            OPTIONS,
            tmp_path / "t.lut.json",
            target=Command(f"{bench} {{model}}", ""),
        )
