"""Numbers and tables as people read them."""

from __future__ import annotations

import pytest

from nas.text import axis_unit, columns, in_sentence, moment, plain_number, quantity, title


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("macs", 2_345_678, "2.35 M"),
        ("macs", 999, "999"),
        ("params", 12_345, "12.35 k"),
        ("macs", 5.66e9, "5.66 G"),
        ("accuracy", 0.9731, "97.31%"),
        ("exported_accuracy_onnx", 1.0, "100.00%"),
        ("latency_ms", 0.31, "0.310 ms"),
        ("latency_ms_measured", 5.0, "5.00 ms"),
        ("latency_ms", 123.456, "123.5 ms"),
        ("energy_mj", 14.9571, "14.96 mJ"),
        ("peak_memory_bytes", 100 * 1024, "100.0 KiB"),
        ("peak_memory_bytes", 3 * 2**20, "3.00 MiB"),
        ("difference_onnx", 1.23456e-8, "1.23e-08"),
        ("mpc_online_s", 3.25, "3.25 s"),
        ("anything", 12.5, "12.5"),
    ],
)
def test_a_number_has_the_unit_of_its_metric(metric: str, value: float, text: str) -> None:
    assert quantity(metric, value) == text


def test_a_moment_is_written_to_the_minute() -> None:
    assert moment("2026-11-27T02:46:45+00:00") == "2026-11-27 02:46 UTC"
    assert moment("2026-11-27T02:46:45") == "2026-11-27 02:46"
    assert moment("yesterday") == "yesterday"


def test_titles() -> None:
    assert title("macs") == "MACs"
    assert title("exported_accuracy_pt2") == "Accuracy, pt2 file"
    assert title("mpc_online_s") == "Private inference time"
    assert title("other_energy_s") == "Other energy"
    assert in_sentence("macs") == "MACs"
    assert in_sentence("latency_ms") == "predicted latency"


@pytest.mark.parametrize(
    ("metric", "largest", "unit", "factor"),
    [
        ("macs", 7e6, "millions", 1e6),
        ("macs", 1.5e6, "thousands", 1e3),
        ("params", 100, "", 1.0),
        ("accuracy", 0.9, "%", 0.01),
        ("latency_ms", 3.0, "ms", 1.0),
        ("mpc_online_s", 3.0, "s", 1.0),
        ("energy_mj", 3.0, "mJ", 1.0),
        ("peak_memory_bytes", 2e5, "KiB", 1024.0),
        ("peak_memory_bytes", 5e6, "MiB", 2.0**20),
    ],
)
def test_the_unit_of_an_axis(metric: str, largest: float, unit: str, factor: float) -> None:
    assert axis_unit(metric, largest) == (unit, factor)


def test_plain_numbers() -> None:
    assert [plain_number(v) for v in (0.0, 0.25, 1500.0, 0.1 + 0.2)] == [
        "0",
        "0.25",
        "1,500",
        "0.3",
    ]


def test_columns_are_aligned() -> None:
    table = columns(["name", "n"], [["a", "1"], ["long name", "1,000"]])
    assert table.splitlines() == [
        "name           n",
        "---------  -----",
        "a              1",
        "long name  1,000",
    ]
