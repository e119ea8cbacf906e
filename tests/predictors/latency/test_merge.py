"""Two tables as one, and compared."""

from __future__ import annotations

import dataclasses

import pytest

from predictors import TableError
from predictors.latency import build_table, compare_tables, merge_tables
from predictors.latency.table import Row


@pytest.fixture
def tables(tiny_space, virtual, quick, tmp_path):
    """Return two measurements; the machine was 10 % slower in the second."""
    first = build_table(tiny_space, quick, tmp_path / "a.lut.json")
    virtual.factor = 1.1
    second = build_table(tiny_space, dataclasses.replace(quick, rounds=6), tmp_path / "b.lut.json")
    return first, dataclasses.replace(second, finished="2099-01-01T00:00:00+00:00")


def test_merging_averages_at_the_faster_state_of_the_machine(tables, tiny_space):
    first, second = tables
    for one, other in ((first, second), (second, first)):
        merged = merge_tables(tiny_space, one, other)
        assert merged.rounds == 10
        assert merged.reference.latency_ms == pytest.approx(first.reference.latency_ms)
        assert (merged.started, merged.finished) == (first.started, second.finished)
        assert len(merged.rows) == len(first.rows)
        for row, before in zip(first.rows, merged.rows, strict=True):
            assert before.timing.latency_ms == pytest.approx(row.timing.latency_ms, rel=1e-3)
            assert before.timing.runs > row.timing.runs
        assert merged.validation.estimate.within_5_percent == 1


def test_a_network_never_calibrates_and_validates(tables, tiny_space):
    first, second = tables
    swapped = {"calibration": "validation", "validation": "calibration"}
    second = dataclasses.replace(
        second,
        networks=tuple(
            dataclasses.replace(net, role=swapped[net.role]) for net in second.networks
        ),
    )
    merged = merge_tables(tiny_space, first, second)
    assert {net.role for net in merged.networks} == {"calibration"}
    assert len(merged.networks) == len(first.networks)
    assert merged.validation is None


def test_what_is_not_merged(tables, tiny_space):
    first, second = tables
    with pytest.raises(TableError, match="the same measurement"):
        merge_tables(tiny_space, first, first)
    conditions = dataclasses.replace(second.conditions, threads=2)
    identity = dataclasses.replace(second.identity, conditions=conditions)
    with pytest.raises(TableError, match=r"threads 1 against 2.*never mixed"):
        merge_tables(tiny_space, first, dataclasses.replace(second, identity=identity))
    published = dataclasses.replace(second, reference=None)
    with pytest.raises(TableError, match="published by others"):
        merge_tables(tiny_space, first, published)


def test_contradictory_rows_are_named(tables, tiny_space):
    first, second = tables
    row = second.rows[3]
    rows = [*second.rows]
    rows[3] = Row(row.block, row.timing.scaled(2.0))
    with pytest.raises(TableError, match=rf"contradict each other in 1 of {len(rows)} rows"):
        merge_tables(tiny_space, first, dataclasses.replace(second, rows=tuple(rows)))


def test_comparing_tables(tables, tiny_space):
    first, second = tables
    found = compare_tables(first, second)
    assert found.identity == ()
    assert (found.common, found.only_first, found.only_second) == (len(first.rows), 0, 0)
    assert found.ratio_quantiles == pytest.approx((1.1, 1.1, 1.1), rel=1e-2)
    assert found.spearman == pytest.approx(1)
    rows = [Row(row.block, row.timing) for row in second.rows[1:]]
    rows[4] = Row(rows[4].block, rows[4].timing.scaled(3.0))
    device = dataclasses.replace(second.device, cpu="Cortex-A76")
    identity = dataclasses.replace(second.identity, device=device)
    other = dataclasses.replace(second, rows=tuple(rows), identity=identity)
    found = compare_tables(first, other)
    assert (found.common, found.only_first) == (len(rows), 1)
    assert found.largest[0].block == rows[4].block
    assert "'Cortex-A76'" in found.identity[0]
    assert found.to_json()["largest"][0]["block"] == rows[4].block.to_json()


def test_tables_without_a_common_block(tables):
    first, second = tables
    found = compare_tables(first, dataclasses.replace(second, rows=()))
    assert (found.common, found.only_first, found.largest) == (0, len(first.rows), ())
