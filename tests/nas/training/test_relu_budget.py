"""AutoReP and SNL: indicators, parabolas, the knapsack, and whole runs within a budget."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import softplus

from nas.chosen import read_chosen
from nas.errors import ConfigError, InfeasibleError, NasError
from nas.training import build_strategy, load_supernet
from nas.training.losses import Targets, label_and_soft_loss
from nas.training.strategies import Moment
from nas.training.strategies.autorep import indicator, with_hysteresis
from nas.training.strategies.relu_budget import everywhere, kept_within, sites_of
from predictors import CostTable, compile_cost
from predictors.mpc import (
    NETWORKS,
    ActivationCount,
    Laws,
    ReluCount,
    get_protocol,
    private_costs,
)
from search_spaces import Architecture, SearchSpace, get_space
from search_spaces.modules.rectified import nearest_parabola
from tests.nas.training.jobs import (
    run_folder,
    tiny_config,
    tiny_resnet,
    tiny_space,
    tiny_vit,
    train_run,
)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.7, 0.4), (-1.2, 2.0)])
def test_the_parabola_is_the_least_squares_fit_under_a_gaussian(mean: float, std: float) -> None:
    x = np.linspace(mean - 10 * std, mean + 10 * std, 20_001)
    root = np.exp(-0.25 * ((x - mean) / std) ** 2)  # square root of the density
    powers = np.stack([np.ones_like(x), x, x**2], axis=1)
    fitted, *_ = np.linalg.lstsq(powers * root[:, None], np.maximum(x, 0) * root, rcond=None)
    closed = nearest_parabola(*(torch.tensor([v], dtype=torch.float64) for v in (mean, std)))
    np.testing.assert_allclose(closed[:, 0].numpy(), fitted, rtol=1e-5, atol=1e-7)


def test_an_indicator_is_hard_and_its_gradient_is_softplus() -> None:
    m = torch.tensor([-0.5, 0.2, 1.0], requires_grad=True)
    made = indicator(m, torch.tensor([False, True, True]))
    assert made.tolist() == [0.0, 1.0, 1.0]
    made.backward(torch.tensor([1.0, 2.0, 3.0]))
    assert m.grad is not None
    torch.testing.assert_close(m.grad, torch.tensor([1.0, 2.0, 3.0]) * softplus(m.detach()))


def test_an_indicator_changes_only_beyond_the_hysteresis() -> None:
    kept = torch.tensor([True, True, False, False])
    m = torch.tensor([-0.05, -0.2, 0.05, 0.2])
    assert with_hysteresis(m, kept, width=0.1).tolist() == [True, False, False, True]


def test_a_budget_keeps_the_best_scores_that_the_options_allow() -> None:
    space = tiny_resnet()
    sites = sites_of(space)
    torch.manual_seed(0)
    scores = {site.slot: torch.randn(site.shape) for site in sites}
    budget = 500
    relus = compile_cost(space, ReluCount())
    found = kept_within(space, scores, relus, float(budget), rest="identity")
    assert relus.of(found) <= budget
    shares = {c.name: c.options for c in space.choices}
    ranked = [scores[site.slot].flatten().sort(descending=True).values for site in sites]

    def worth(kept: tuple[float, ...]) -> tuple[int, float]:
        counts = [
            max(round(k * math.prod(s.shape)), 1 if k else 0)
            for k, s in zip(kept, sites, strict=True)
        ]
        total = sum(float(r[:n].sum()) for r, n in zip(ranked, counts, strict=True))
        return sum(counts), total

    combinations = itertools.product(*(shares[site.kept] for site in sites))
    best = max(total for count, total in map(worth, combinations) if count <= budget)
    _, reached = worth(tuple(found[site.kept] for site in sites))
    assert reached == pytest.approx(best, rel=1e-3)


@pytest.mark.parametrize("strategy", ["autorep", "snl"])
def test_a_run_ends_within_its_budget_and_keeps_what_scored_best(
    strategy: str, tmp_path: Path
) -> None:
    run = run_folder(tmp_path / "run", strategy=strategy)
    train_run(run)
    space = tiny_resnet()
    (found,) = read_chosen(run.path, space)
    relus = compile_cost(space, ReluCount()).of(found)
    assert 75 < relus <= 150
    phases = list(dict.fromkeys(row["phase"] for row in run.read_metrics()))
    assert phases == ["full", "masks", "kept"]
    subnet = load_supernet(run, space).subnet(found)
    masks = [buffer for key, buffer in subnet.named_buffers() if key.endswith("mask")]
    assert sum(int(mask.sum()) for mask in masks) == relus


@pytest.mark.parametrize("strategy", ["autorep", "snl"])
def test_tokens_keep_their_gelu_within_a_budget(strategy: str, tmp_path: Path) -> None:
    """MPCViT+: 34 tokens of 16 features each; the budget is of 15 and a half tokens."""
    relus = {"budget": 248, "full_epochs": 1, "mask_epochs": 2, "gate_learning_rate": 0.1}
    run = run_folder(tmp_path / "run", strategy=strategy, relus=relus)
    space = tiny_vit()
    train_run(run, space=space)
    (found,) = read_chosen(run.path, space)
    count = compile_cost(space, ActivationCount())
    assert 128 < count.of(found) <= 248
    supernet = load_supernet(run, space)
    masks = [
        buffer for key, buffer in supernet.subnet(found).named_buffers() if key.endswith("mask")
    ]
    assert sum(int(mask.sum()) for mask in masks) * 16 == count.of(found)
    gates = load_file(max(run.checkpoints.glob("step-*.safetensors")))
    for layer in ("mlp1", "mlp2"):
        trained = supernet.get_buffer(f"blocks.{layer}.act.scores")
        assert torch.equal(trained, gates[f"gates/alpha/{layer}"])
        assert len(trained.unique()) > 1


@pytest.mark.parametrize(
    ("strategy", "penalty"),
    [("snl", (17 + 0.25 * 17) / 34), ("autorep", (17 + 4) / 34 - 248 / (34 * 16))],
)
def test_what_is_added_to_the_loss_by_hand(strategy: str, penalty: float) -> None:
    """One layer takes all of its GELU; of the other, alphas are 0.25 or 4 tokens are kept."""
    relus = {"budget": 248, "weight": 3.0}
    config = tiny_config(strategy=strategy, relus=relus).train
    gates = {"alpha/mlp1": torch.ones(17, 1), "alpha/mlp2": torch.full((17, 1), 0.25)}
    kept = {"kept/mlp1": torch.ones(17, 1) > 0, "kept/mlp2": torch.arange(17)[:, None] < 4}
    seen = Moment(0, 5, lambda architecture: 0.0, gates={**gates, **kept})
    (member,) = build_strategy(tiny_vit(), config, 4).phases[1].draw(seen)
    targets = Targets(torch.tensor([1, 2]), torch.randn(2, 4))
    logits = torch.randn(2, 4)
    taught = label_and_soft_loss(config.label_smoothing, config.teacher_weight)
    added = member.loss(logits, targets) - taught(logits, targets)
    assert float(added.detach()) == pytest.approx(3.0 * penalty, rel=1e-5)


def test_a_score_of_a_token_weighs_as_many_elements_as_it_decides_for() -> None:
    space = tiny_vit()
    sites = sites_of(space)
    assert [(site.slot, site.shape, site.width) for site in sites] == [
        ("mlp1", (17, 1), 16),
        ("mlp2", (17, 1), 16),
    ]
    scores = {"mlp1": torch.arange(17.0)[:, None], "mlp2": torch.full((17, 1), -1.0)}
    scores["mlp2"][3] = 100.0
    count = compile_cost(space, ActivationCount())
    found = kept_within(space, scores, count, 8 * 16.0, rest="identity")
    assert (found["kept_1"], found["kept_2"]) == (0.25, 0.25)
    found = kept_within(space, scores, count, 8 * 16 - 1.0, rest="identity")
    assert (found["kept_1"], found["kept_2"]) == (0.0, 0.25)


def test_within_a_limit_on_seconds_few_layers_keep_much() -> None:
    """The rounds of a layer's GELU are paid for one token as for all of them."""
    space = tiny_vit()
    scores = {"mlp1": torch.full((17, 1), 1.0), "mlp2": torch.full((17, 1), 0.9)}
    scores["mlp2"][:4] = 1.1
    seconds = seconds_of(space)
    spread = Architecture({**everywhere(space, 0.0, "identity"), "kept_1": 0.25, "kept_2": 0.25})
    count = compile_cost(space, ActivationCount())
    assert kept_within(space, scores, count, count.of(spread), rest="identity") == spread
    found = kept_within(space, scores, seconds, 0.999 * seconds.of(spread), rest="identity")
    assert (found["kept_1"], found["kept_2"]) == (1.0, 0.0)
    assert seconds.of(found) <= 0.999 * seconds.of(spread)


def seconds_of(space: SearchSpace) -> CostTable:
    models = private_costs(Laws(get_protocol("semi2k")), NETWORKS["wan"])
    return compile_cost(space, next(m for m in models if m.metric == "mpc_online_s"))


def test_a_run_ends_within_a_limit_on_seconds(tmp_path: Path) -> None:
    relus = {"cost": "mpc_online_s", "within": "85%", "full_epochs": 1, "mask_epochs": 2}
    run = run_folder(tmp_path / "run", strategy="snl", relus=relus)
    space = tiny_vit()
    seconds = seconds_of(space)
    train_run(run, space=space, costs={"mpc_online_s": seconds})
    (found,) = read_chosen(run.path, space)
    assert seconds.of(found) <= 0.85 * seconds.maximum().value
    assert sorted((found["kept_1"], found["kept_2"])) == [0.0, 1.0]


@pytest.mark.parametrize(
    ("cost", "within", "error", "said"),
    [
        ("latency_ms", 3.0, ConfigError, "names the cost 'latency_ms', which this run"),
        ("macs", 3.0, InfeasibleError, "No architecture of mpc_vit meets macs <= 3"),
    ],
)
def test_a_limit_is_refused_before_the_first_step(
    cost: str, within: float, error: type[NasError], said: str, tmp_path: Path
) -> None:
    relus = {"cost": cost, "within": within, "full_epochs": 1}
    run = run_folder(tmp_path / "run", strategy="snl", relus=relus)
    with pytest.raises(error, match=said):
        train_run(run, space=tiny_vit())
    assert not run.read_metrics()


@pytest.mark.parametrize(
    ("relus", "said"),
    [
        ({"within": "70%"}, "relus.within = .*: limits a cost; name it by cost"),
        ({"cost": "macs"}, "relus.cost = .*: is what within limits; set within too"),
        ({"cost": "mpc_online_s", "within": "3 kg"}, "has the unit 'kg'"),
    ],
)
def test_half_a_limit_is_refused(relus: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        tiny_config(strategy="snl", relus={**relus, "full_epochs": 1})


@pytest.mark.parametrize(
    ("space", "said"),
    [
        (tiny_space, "No block of 'tiny' activates part"),
        (partial(tiny_vit, (1.0,)), "No block of 'mpc_vit' activates part"),
        (partial(tiny_vit, (0.5, 1.0)), "0 and 1 must be among them"),
        (
            partial(get_space, "mpc_vit", token_shares=(0.0, 1.0)),
            r"'attention_1_1' of 'mpc_vit' has the options .* Leave one",
        ),
    ],
)
def test_another_space_is_refused(space: Callable[[], SearchSpace], said: str) -> None:
    config = tiny_config(strategy="snl").train
    with pytest.raises(ConfigError, match=said):
        build_strategy(space(), config, 4)


def test_epochs_must_be_left_for_what_was_kept() -> None:
    relus: dict[str, Any] = {"full_epochs": 3.0, "mask_epochs": 1.0}
    with pytest.raises(ConfigError, match="must leave some of the epochs"):
        tiny_config(strategy="snl", relus=relus)
