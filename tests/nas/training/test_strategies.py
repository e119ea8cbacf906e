from __future__ import annotations

import itertools

import numpy as np
import pytest

from nas.rng import stream
from nas.training import STRATEGIES
from nas.training.losses import soft_label_loss
from predictors import Macs, compile_cost
from search_spaces import Architecture
from tests.nas.training.jobs import tiny_config, tiny_space

STEPS = 3000


def members(strategy: str, steps: int, **options: object) -> list[list[tuple[str, Architecture]]]:
    config = tiny_config(strategy=strategy, **options).train
    draw = STRATEGIES[strategy](tiny_space(), config)
    return [
        [(m.role, m.architecture) for m in draw(stream(0, "strategy", step))]
        for step in range(steps)
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
    draw = STRATEGIES["sandwich"](tiny_space(), tiny_config().train)
    largest, *others = draw(np.random.default_rng(0))
    assert largest.loss is not soft_label_loss
    assert all(member.loss is soft_label_loss for member in others)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_members_of_a_step_depend_on_seed_and_step_alone(strategy: str) -> None:
    assert members(strategy, 5) == members(strategy, 5)
    assert members(strategy, 5)[3] != members(strategy, 5)[4]
