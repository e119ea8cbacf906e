from __future__ import annotations

import itertools
from math import factorial
from typing import Any, get_args

import numpy as np
import pytest

from nas.config import TrainConfig
from nas.training import STRATEGIES, build_strategy
from nas.training.losses import soft_label_loss
from nas.training.schedule import warmup_cosine
from nas.training.state import TrainState
from nas.training.strategies.bins import CostBins
from predictors import Macs, compile_cost
from search_spaces import Architecture, SpaceBuilder
from search_spaces.blocks import Conv
from search_spaces.supernet import Supernet
from tests.nas.training.jobs import OPTIONS, moment, space_for, tiny_config, tiny_space

STEPS = 3000


def members(strategy: str, steps: int, **options: object) -> list[list[tuple[str, Architecture]]]:
    config = tiny_config(strategy=strategy, **options).train
    phases = build_strategy(space_for(strategy), config, steps).phases
    state = TrainState.begin(Supernet(space_for(strategy), seed=0), config)
    for prepare in (prepare for phase in phases for prepare in phase.prepare):
        prepare(state)
    return [
        [(m.role, m.architecture) for m in phases[-1].draw(moment(s, state=state))]
        for s in range(steps)
    ]


def test_single_path_draws_every_option_of_every_choice_equally_often() -> None:
    chisquare = pytest.importorskip("scipy.stats").chisquare
    drawn = members("single_path", STEPS)
    assert all([role for role, _ in step] == ["path"] for step in drawn)
    for choice in tiny_space().choices:
        options = [step[0][1][choice.name] for step in drawn]
        counts = [options.count(option) for option in choice.options]
        assert sum(counts) == STEPS
        assert chisquare(counts).pvalue > 1e-4, choice.name


def test_single_path_draws_every_path_equally_often() -> None:
    chisquare = pytest.importorskip("scipy.stats").chisquare
    drawn = [step[0][1] for step in members("single_path", STEPS)]
    paths = itertools.product(*(choice.options for choice in tiny_space().choices))
    names = [choice.name for choice in tiny_space().choices]
    counts = [drawn.count(Architecture(dict(zip(names, path, strict=True)))) for path in paths]
    assert sum(counts) == STEPS
    assert chisquare(counts).pvalue > 1e-4


def test_sandwich_holds_the_exact_extremes_and_random_subnets() -> None:
    space = tiny_space()
    macs = compile_cost(space, Macs())
    everything = np.array(
        list(itertools.product(*map(range, space.option_counts))), dtype=np.int16
    )
    costs = macs(everything)
    drawn = members("sandwich", 50, random_subnets=3)
    for step in drawn:
        assert [role for role, _ in step] == ["largest", "smallest", *["random"] * 3]
        assert macs.of(step[0][1]) == costs.max()
        assert macs.of(step[1][1]) == costs.min()
    assert len({architecture for step in drawn for _, architecture in step[2:]}) > 20


def test_sandwich_teaches_all_but_the_largest_by_soft_labels() -> None:
    draw = STRATEGIES["sandwich"](tiny_space(), tiny_config().train, 4).phases[0].draw
    largest, *others = draw(moment(0))
    assert largest.loss is not soft_label_loss
    assert all(member.loss is soft_label_loss for member in others)


@pytest.mark.parametrize("strategy", OPTIONS)
def test_the_members_of_a_step_depend_on_seed_and_step_alone(strategy: str) -> None:
    drawn = members(strategy, 9)
    assert drawn == members(strategy, 9)
    if strategy not in ("gold_nas", "autorep", "snl"):  # which end with one network
        assert len(set(map(tuple, drawn))) > 1


def test_fair_uses_every_option_of_every_choice_once_in_each_of_its_cycles() -> None:
    builder = SpaceBuilder("uneven")
    a, b = builder.choice("a", (1, 2)), builder.choice("b", (1, 2, 3))
    builder.slot("s", reads=(a, b), block=lambda a, b: Conv(a, b, 8))
    space = builder.build()
    config = tiny_config(strategy="fair").train
    draw = STRATEGIES["fair"](space, config, 60).phases[0].draw
    steps = [[m.architecture for m in draw(moment(step))] for step in range(60)]
    assert {len(step) for step in steps} == {3}
    paths = [path for step in steps for path in step]
    for name, options in (("a", 2), ("b", 3)):
        cycles = [paths[i : i + options] for i in range(0, len(paths), options)]
        assert all(len({path[name] for path in cycle}) == options for cycle in cycles)
        assert len({tuple(path[name] for path in cycle) for cycle in cycles}) == factorial(options)


def test_single_path_by_cost_draws_every_bin_and_every_path_in_it_equally_often() -> None:
    chisquare = pytest.importorskip("scipy.stats").chisquare
    space = tiny_space()
    macs = compile_cost(space, Macs())
    bins = CostBins(macs, 5)
    drawn = [step[0][1] for step in members("single_path", STEPS, cost_bins=5)]
    rows = space.encode_all(drawn)
    where = bins.of(macs(rows))
    everything = space.unique(np.array(list(itertools.product(*map(range, space.option_counts)))))
    counts = np.bincount(bins.of(macs(everything)), minlength=5)
    assert set(bins.filled) == set(np.flatnonzero(counts))
    assert chisquare([np.sum(where == bin) for bin in bins.filled]).pvalue > 1e-4
    keys = space.keys(rows)
    for bin in bins.filled:
        _, often = np.unique(keys[where == bin], return_counts=True)
        assert len(often) == counts[bin]
        assert len(often) == 1 or chisquare(often).pvalue > 1e-4


@pytest.mark.parametrize(("prefer", "pick"), [("best", min), ("worst", max)])
def test_attentive_trains_the_best_or_the_worst_of_its_candidates(prefer: str, pick: Any) -> None:
    space = tiny_space()
    macs = compile_cost(space, Macs())
    bins = CostBins(macs, 4)
    config = tiny_config(strategy="attentive", prefer=prefer, candidates=3).train
    draw = STRATEGIES["attentive"](space, config, 4).phases[0].draw
    asked: list[Architecture] = []

    def loss(architecture: Architecture) -> float:
        asked.append(architecture)
        return int(space.id_of(architecture), 16)

    targets = []
    for step in range(1500):
        asked.clear()
        largest, smallest, chosen = draw(moment(step, label_loss=loss))
        assert (largest.role, smallest.role, chosen.role) == ("largest", "smallest", "random")
        assert len(asked) == 3
        assert chosen.architecture == pick(asked, key=lambda a: int(space.id_of(a), 16))
        (target,) = set(bins.of(macs(space.encode_all(asked))).tolist())
        targets.append(target)
    # A bin is aimed at as often as uniform draws fall into it.
    uniform = bins.of(macs(space.sample(20_000, np.random.default_rng(0))))
    expected = np.bincount(uniform, minlength=4) / 20_000
    assert np.bincount(targets, minlength=4) / 1500 == pytest.approx(expected, abs=0.05)


def test_delayed_trains_the_largest_alone_and_then_raises_the_others() -> None:
    config = tiny_config(
        strategy="delayed", full_epochs=2, ramp_epochs=1, warmup_epochs=0, learning_rate=0.1
    ).train
    strategy = STRATEGIES["delayed"](tiny_space(), config, 4)
    full, shrink = strategy.phases
    assert (full.steps, shrink.steps) == (8, 8)
    assert [m.role for m in full.draw(moment(7))] == ["largest"]
    rates = [strategy.at(step)[0].learning_rate(step) for step in range(16)]
    assert rates == [warmup_cosine(s, peak=0.1, warmup_steps=0, total_steps=16) for s in range(16)]
    felt = []
    for step in range(8, 16):
        largest, *others = shrink.draw(moment(step))
        assert largest.weight == 1.0
        (weight,) = {member.weight for member in others}
        felt.append(weight * rates[step])
    # The rate that the others feel rises in equal parts to the one at the end of the ramp.
    assert felt[:4] == pytest.approx([rates[12] * part / 5 for part in (1, 2, 3, 4)])
    assert felt[4:] == rates[12:]


def test_every_strategy_of_a_configuration_is_tested_here() -> None:
    assert set(STRATEGIES) == {*OPTIONS, "finetune"}
    assert set(STRATEGIES) == set(get_args(TrainConfig.model_fields["strategy"].annotation))
