"""The plan: what must be measured, and which networks."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from predictors import Macs, MeasurementError, compile_cost
from predictors.latency import LutOptions, make_plan
from predictors.latency.graph import alone, executed, network, weight_megabytes
from predictors.latency.plan import choose_networks, distinct_work
from search_spaces import SpaceBuilder, get_space
from search_spaces.blocks import INPUT, Concat, Conv, Head, MBConv, NodeSum, Select


def test_blocks_that_run_the_same_are_measured_once():
    builder = SpaceBuilder("same")
    d = builder.choice("dropout", (0.1, 0.5))
    builder.slot("stem", block=lambda: Conv(3, 8, 8))
    builder.slot("head", reads=(d,), block=lambda d: Head(8, 4, 8, dropout=d))
    assert len(distinct_work(builder.build())) == 2


def test_mobile_small_has_443_blocks_to_measure():
    assert len(distinct_work(get_space("mobile_small"))) == 443


def test_execution_ignores_training_only_fields():
    assert executed(Head(8, 4, 8, dropout=0.5)) == executed(Head(8, 4, 8))
    assert executed(Head(8, 4, 8)) != executed(Head(8, 5, 8))


def test_execution_ignores_which_inputs_are_read():
    assert executed(Concat(4, 8, (0, 2))) == executed(Concat(4, 8, (1, 3)))
    assert executed(Concat(4, 8, (0, 2))) == executed(Concat(4, 8, (0, 1)))
    assert executed(Concat(4, 8, (2, 0))) != executed(Concat(4, 8, (0, 2)))
    assert executed(Concat(4, 8, (0, 2))) != executed(Concat(4, 8, (0, 1, 2)))


def test_a_selection_is_wired_and_not_measured():
    builder = SpaceBuilder("selection")
    source = builder.choice("source", (0, 1))
    builder.slot("a", block=lambda: Conv(3, 4, 8))
    builder.slot("b", block=lambda: Conv(4, 4, 8, kernel=3))
    inputs = ("a", "b")
    builder.slot("pick", reads=(source,), inputs=inputs, block=lambda s: Select((4, 4), (8, 8), s))
    builder.slot("sum", inputs=("pick", "b"), block=lambda: NodeSum(4, 8))
    space = builder.build()
    assert len(distinct_work(space)) == 3
    for chosen in (0, 1):
        placed = network(space, space.decode([chosen]))
        assert [step.inputs for step in placed] == [(INPUT,), (0,), (chosen, 1)]


def test_networks_are_spread_over_macs_and_disjoint():
    space = get_space("mobile_small")
    options = LutOptions(calibration_nets=12, validation_nets=20)
    calibration, validation = choose_networks(space, options)
    assert (len(calibration), len(validation)) == (12, 20)
    ids = [space.id_of(a) for a in calibration + validation]
    assert len(set(ids)) == 32
    macs = compile_cost(space, Macs())
    wide = macs.maximum().value - macs.minimum().value
    for chosen in (calibration, validation):
        costs = np.sort(macs(space.encode_all(chosen)))
        assert costs[-1] - costs[0] > 0.5 * wide
        assert np.diff(costs)[:-1].max() < 0.25 * wide


def test_a_small_space_is_shared_between_both_sets(tiny_space):
    options = LutOptions(calibration_nets=100, validation_nets=100)
    calibration, validation = choose_networks(tiny_space, options)
    assert len(calibration) + len(validation) == tiny_space.size
    assert abs(len(calibration) - len(validation)) <= 1


def test_a_space_of_one_network():
    builder = SpaceBuilder("one")
    w = builder.choice("width", (8,))
    builder.slot("stem", reads=(w,), block=lambda w: Conv(3, w, 8))
    calibration, validation = choose_networks(builder.build(), LutOptions())
    assert (len(calibration), len(validation)) == (1, 0)


def test_plan_is_the_same_every_time_and_says_so(tiny_space, quick):
    first, second = make_plan(tiny_space, quick), make_plan(tiny_space, quick)
    assert first.digest == second.digest
    for change in ({"seed": 1}, {"calibration_nets": 3}, {"loaded_megabytes": 0.02}):
        assert make_plan(tiny_space, dataclasses.replace(quick, **change)).digest != first.digest


@pytest.mark.parametrize("megabytes", [512.0, 0.05, 1e-9])
def test_parts_hold_every_item_once_and_each_the_empty_call(tiny_space, quick, megabytes):
    plan = make_plan(tiny_space, dataclasses.replace(quick, loaded_megabytes=megabytes))
    call = len(plan.items) - 2
    assert all(part[-1] == call and len(part) > 1 for part in plan.parts)
    measured = [i for part in plan.parts for i in part[:-1]]
    assert sorted(measured) == list(range(call))
    assert (len(plan.parts) == 1) == (megabytes == 512.0)


def test_parts_have_equal_shares_of_every_role(tiny_space, quick):
    plan = make_plan(tiny_space, dataclasses.replace(quick, loaded_megabytes=0.02))
    assert len(plan.parts) > 2
    for role in ("block", "calibration", "validation"):
        counts = [sum(plan.items[i].role == role for i in part) for part in plan.parts]
        assert max(counts) - min(counts) <= 1


def test_networks_keep_the_wiring():
    builder = SpaceBuilder("branch")
    d = builder.choice("depth", (1, 2))
    builder.slot("stem", block=lambda: Conv(3, 8, 8))
    builder.slot("a", reads=(d,), block=lambda d: Conv(8, 8, 8) if d > 1 else None)
    builder.slot("b", inputs=("stem",), block=lambda: Conv(8, 8, 8, kernel=3))
    builder.slot("c", inputs=("a",), block=lambda: Conv(8, 8, 8, kernel=5))
    space = builder.build()
    for depth, reads in ((2, [(INPUT,), (0,), (0,), (1,)]), (1, [(INPUT,), (0,), (0,)])):
        architecture = space.decode(space.encode({"depth": depth}))
        assert [step.inputs for step in network(space, architecture)] == reads


def test_weights_of_a_block():
    block = MBConv(8, 8, 16, 4, kernel=3, shortcut=True)
    assert weight_megabytes(block) == pytest.approx(4e-6 * (8 * 16 + 16 * 9 + 16 * 8))
    assert alone(block)[0].inputs == (INPUT,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 0}, "threads must be at least 1"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"rounds": 0}, "rounds must be at least 1"),
        ({"dtype": "float16"}, "float32 only, not 'float16'"),
        ({"confidence": 0.0}, "confidence must be above 0"),
        ({"sample_ms": -1.0}, "sample_ms must be above 0"),
        ({"validation_nets": -1}, "validation_nets must not be negative"),
    ],
)
def test_impossible_options(options, message):
    with pytest.raises(MeasurementError, match=message):
        LutOptions(**options)
