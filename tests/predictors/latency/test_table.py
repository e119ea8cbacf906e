"""LatencyTable: coverage, conditions, device, prices."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from predictors import TableError, compile_cost
from predictors.latency import build_table, describe_table, device_identity, table_summary
from search_spaces import SpaceBuilder
from search_spaces.blocks import Conv, Head


@pytest.fixture
def table(tiny_space, virtual, quick, tmp_path):
    return build_table(tiny_space, quick, tmp_path / "t.lut.json")


def test_covers_its_space_and_every_part_of_it(table, tiny_space, make_space):
    table.check(tiny_space)
    table.check(make_space(resolutions=(12,)))


def test_training_only_fields_do_not_matter(table):
    builder = SpaceBuilder("tiny")
    w = builder.choice("width", (8, 16))
    builder.slot("stem", reads=(w,), block=lambda w: Conv(3, w, 8, kernel=3))
    builder.slot("head", reads=(w,), block=lambda w: Head(w, 4, 8, hidden=8, dropout=0.5))
    table.check(builder.build())


def test_other_resolution(table, make_space):
    with pytest.raises(TableError) as raised:
        table.check(make_space(resolutions=(8, 16)))
    message = str(raised.value)
    assert "lacks 12 of the 24 different blocks" in message
    assert "inputs of shape 3x8x8, 3x12x12; the space also takes 3x16x16" in message
    assert "nas lut build --space tiny --runtime virtual --threads 1 --batch 1" in message


def test_other_space(table, make_space):
    with pytest.raises(TableError, match="another space, 'tiny'"):
        table.check(make_space(resolutions=(16,), name="other"))


def test_other_options(table, make_space):
    with pytest.raises(TableError, match=r"built for options.*'classes': 4.*'classes': 5"):
        table.check(make_space(classes=5))


def test_missing_block_names_it_when_priced(table):
    model = table.cost_model()
    with pytest.raises(TableError, match=r"24 blocks, but not Conv\(cin=3, cout=99"):
        model(Conv(3, 99, 8))


def test_cost_model_checks_a_space_up_front(table, make_space):
    with pytest.raises(TableError, match="lacks 12"):
        table.cost_model(make_space(resolutions=(8, 16)))


def test_compiled_cost_is_the_sum_of_prices(table, tiny_space):
    cost = compile_cost(tiny_space, table.cost_model(tiny_space))
    assert cost.metric == "latency_ms"
    for net in table.networks:
        assert cost.of(net.architecture) == pytest.approx(net.estimated_ms, rel=1e-4)
    assert cost.minimum().value > 0


def test_provenance_says_where_prices_come_from(table):
    said = table.cost_model().provenance
    assert said.kind == "table"
    assert "t.lut.json" in said.source
    assert said.runtime == "virtual 1.0, 1 thread, batch 1"
    assert str(device_identity().cores) in said.device
    assert said.date == table.finished


@pytest.mark.parametrize("asked", [{"runtime": "torch"}, {"threads": 4}, {"batch_size": 8}])
def test_other_conditions(table, asked):
    table.check_conditions(runtime="virtual", threads=1, batch_size=1)
    name, value = next(iter(asked.items()))
    with pytest.raises(TableError, match=f"measured with {name} = .*, not {value!r}"):
        table.check_conditions(**asked)


def test_other_device(table):
    table.check_device()
    with pytest.raises(TableError, match=r"another device: cpu .* against 'Cortex'"):
        table.check_device(dataclasses.replace(device_identity(), cpu="Cortex"))


def test_suspicious_rows_are_reported(table):
    assert table.suspicious() == ()
    rows = list(table.rows)
    largest = max(range(len(rows)), key=lambda i: rows[i].timing.latency_ms)
    for latency, reason in ((table.call_ms / 2, "no more than an empty call"), (0.004, "smaller")):
        timing = dataclasses.replace(rows[largest].timing, latency_ms=latency)
        rows[largest] = dataclasses.replace(rows[largest], timing=timing)
        damaged = dataclasses.replace(table, rows=tuple(rows))
        found = damaged.suspicious()
        assert any(s.block == rows[largest].block and reason in s.reason for s in found)
        assert "look at" in describe_table(damaged)
        assert damaged.cost_model()(rows[largest].block) > 0


def test_description_says_what_and_how_good(table):
    text = describe_table(table)
    for part in ("24 blocks of tiny at 8, 12 px", "virtual 1.0", "Spearman", "ceiling", "12 netw"):
        assert part in text
    summary = table_summary(table)
    assert summary["validation"]["ceiling"]["nets"] == summary["validation"]["nets"] == 8
    assert set(summary["validation"]) >= {"spearman", "kendall", "bias", "within_10_percent"}
    assert summary["blocks"] == 24


def _with_errors(table, errors):
    """Return the table with held-out networks that take so much longer than estimated."""
    nets = [
        dataclasses.replace(net, role="validation", estimated_ms=net.timing.latency_ms / (1 + e))
        for net, e in zip(table.networks, errors, strict=False)
    ]
    assert len(nets) == len(errors)
    return dataclasses.replace(table, networks=tuple(nets))


def test_margin_is_the_conformal_quantile_of_held_out_errors(table):
    errors = [e / 100 for e in (-3, 4, 1, -2, 9, 2, 3, 5, -1)]
    known = _with_errors(table, errors)
    assert known.margin(0.9) == pytest.approx(0.09)  # the largest of nine
    assert known.margin(0.8) == pytest.approx(0.05)
    assert known.margin(0.1) == 0.0  # never below the estimate
    with pytest.raises(TableError, match=r"has 9 held-out.*needs 19 or more.*--nets 50"):
        known.margin(0.95)


def test_margin_holds_for_networks_to_come(table):
    """Nine networks more of ten stay within the margin, on the average over many tables."""
    rng = np.random.default_rng(0)
    kept = []
    for _ in range(400):
        known = _with_errors(table, rng.normal(0.05, 0.05, 14).tolist())
        kept.append((rng.normal(0.05, 0.05, 200) <= known.margin(0.9)).mean())
    assert 0.88 < np.mean(kept) < 0.96
