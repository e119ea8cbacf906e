"""GOLD-NAS: one level, gradual pruning, and a series of ever smaller architectures."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch

from nas.chosen import read_chosen
from nas.config import GoldConfig
from nas.data import AugmentConfig
from nas.errors import ConfigError
from nas.training import STRATEGIES
from nas.training.state import TrainState
from nas.training.step import Recipe, training_step
from nas.training.strategies.gold_nas import Penalty, next_penalty
from predictors import Macs, compile_cost
from search_spaces.supernet import Supernet
from tests.nas.training.jobs import (
    moment,
    operation_space,
    present_space,
    run_folder,
    tiny_config,
    tiny_space,
    tiny_splits,
    train_run,
)


def begun(**section: object) -> tuple[Recipe, TrainState]:
    config = tiny_config(strategy="gold_nas", gold_nas=section, warmup_epochs=0).train
    splits, space = tiny_splits(), present_space()
    strategy = STRATEGIES["gold_nas"](space, config, 4)
    recipe = Recipe(config, AugmentConfig(), 0, splits, strategy, torch.device("cpu"))
    state = TrainState.begin(Supernet(space, seed=0), config)
    (prepare,) = strategy.phases[0].prepare
    prepare(state)
    return recipe, state


def step(recipe: Recipe, state: TrainState) -> list[tuple[str, float]]:
    images = recipe.splits.train
    return training_step(recipe, state, images.images[:16], images.labels[:16])


def test_equal_gates_are_the_architecture_of_all_operations() -> None:
    recipe, state = begun()
    (member,) = recipe.strategy.phases[0].draw(moment(0, state=state))
    assert set(member.architecture.values()) == {"yes"}
    state.supernet.eval()
    x = torch.randn(4, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    mixed = state.supernet.mixture(x, member.architecture, member.gates)
    torch.testing.assert_close(mixed, state.supernet(x, member.architecture))


def test_weights_and_gates_learn_in_the_same_step_from_the_same_loss() -> None:
    recipe, state = begun(gate_learning_rate=0.5)
    state.step = 1  # preparations are done
    weight = state.supernet.get_parameter("blocks.stem.conv.weight")
    before = weight.detach().clone()
    step(recipe, state)
    moved = state.gates["alpha"].detach().clone()
    assert not torch.equal(before, weight.detach())
    assert (moved != 0).all()
    # A gate takes from the others of its node: the moves of a node add up to nothing at equality.
    assert moved.view(2, 3).sum(1).tolist() == pytest.approx([0.0, 0.0], abs=1e-6)


def test_the_penalty_alone_shuts_the_dear_operations_first() -> None:
    recipe, state = begun()
    costs = compile_cost(present_space(), Macs())
    state.step = 1
    state.gates["penalty"][0] = 100.0
    step(recipe, state)
    by_node = state.gates["alpha"].detach().view(2, 3)
    assert costs.maximum().value > costs.minimum().value
    for skip, small, large in by_node.tolist():  # a skip costs nothing, 5x5 more than 3x3
        assert skip > small > large


def test_the_schedule_of_the_penalty_by_hand() -> None:
    config = GoldConfig(penalty_step=1e-5, prune_at_once=4)
    told = [next_penalty(Penalty(), 0, config)]
    for pruned in (0, 3, 4, 0, 5):
        told.append(next_penalty(told[-1], pruned, config))
    assert [(p.weight, p.step, p.quiet) for p in told] == [
        (pytest.approx(1e-5), pytest.approx(1e-5), 1),
        (pytest.approx(3e-5), pytest.approx(2e-5), 2),
        (pytest.approx(7e-5), pytest.approx(4e-5), 0),
        (pytest.approx(3.5e-5), pytest.approx(1e-5), 0),
        (pytest.approx(5.5e-5), pytest.approx(2e-5), 1),
        (pytest.approx(2.75e-5), pytest.approx(1e-5), 0),
    ]


def test_dead_and_weak_gates_are_pruned_behind_an_epoch_and_never_a_whole_node() -> None:
    recipe, state = begun(prune_at_once=1, weak_share=0.3, dead_share=0.01)
    with torch.no_grad():
        # Shares of the first node: about 0.001, 0.23 and 0.77; of the second 0.04, 0.04, 0.92.
        state.gates["alpha"].copy_(torch.logit(torch.tensor([9e-4, 0.2, 0.67, 0.04, 0.035, 0.9])))
    state.step = 2
    step(recipe, state)
    assert state.gates["open"].tolist() == [1.0] * 6
    with torch.no_grad():
        state.gates["alpha"].copy_(torch.logit(torch.tensor([9e-4, 0.2, 0.67, 0.04, 0.035, 0.9])))
    recipe_slow, _ = begun(prune_at_once=1, weak_share=0.3, gate_learning_rate=1e-9)
    step(recipe_slow, state)
    assert state.gates["open"].tolist() == [0.0, 1.0, 1.0, 1.0, 0.0, 1.0]
    (member,) = recipe.strategy.phases[0].draw(moment(4, state=state))
    assert set(member.gates) == {"1_3", "1_5", "2_0", "2_5"}
    for node in "12":
        gates = [gate.weights.detach() for name, gate in member.gates.items() if name[0] == node]
        assert float(sum(gates)) == pytest.approx(2.0)


def test_one_run_gives_a_series_of_nested_architectures_from_large_to_small(
    tmp_path: Path,
) -> None:
    section = {"penalty_step": 0.02, "settled_epochs": 1, "weak_share": 0.25, "prune_at_once": 1}
    run = run_folder(tmp_path / "run", strategy="gold_nas", gold_nas=section, epochs=14)
    train_run(run)
    space = present_space()
    chosen = read_chosen(run.path, space)
    macs = compile_cost(space, Macs())
    costs = [macs.of(architecture) for architecture in chosen]
    assert len(chosen) >= 3
    assert costs == sorted(costs, reverse=True)
    for larger, smaller in pairwise(chosen):
        assert larger != smaller
        assert all(larger[c] == "yes" for c in smaller if smaller[c] == "yes")
    for architecture in chosen:  # no node is empty
        for node in "12":
            assert "yes" in {o for c, o in architecture.items() if c[0] == node}


def test_pruning_ends_at_the_least_cost(tmp_path: Path) -> None:
    space = present_space()
    macs = compile_cost(space, Macs())
    limit = 0.7 * macs.maximum().value
    section = {"penalty_step": 0.05, "settled_epochs": 1, "least_macs": limit}
    run = run_folder(tmp_path / "run", strategy="gold_nas", gold_nas=section, epochs=10)
    train_run(run)
    costs = [macs.of(a) for a in read_chosen(run.path, space)]
    assert min(costs) > macs.minimum().value
    assert costs[-1] <= limit


def test_a_space_of_other_choices_is_refused() -> None:
    config = tiny_config(strategy="gold_nas").train
    with pytest.raises(ConfigError, match="does not go with it: The blocks of slot 'first'"):
        STRATEGIES["gold_nas"](tiny_space(), config, 4)
    with pytest.raises(ConfigError, match="'first' of 'operations' is another choice"):
        STRATEGIES["gold_nas"](operation_space(), config, 4)
