"""AutoReP and SNL: indicators, parabolas, the knapsack, and whole runs within a budget."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import softplus

from nas.chosen import read_chosen
from nas.errors import ConfigError
from nas.training import build_strategy, load_supernet
from nas.training.strategies.autorep import indicator, with_hysteresis
from nas.training.strategies.relu_budget import kept_within, sites_of
from predictors import compile_cost
from predictors.mpc import ReluCount
from search_spaces.modules.rectified import nearest_parabola
from tests.nas.training.jobs import run_folder, tiny_config, tiny_resnet, tiny_space, train_run


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
    found = kept_within(space, scores, budget, rest="identity")
    relus = compile_cost(space, ReluCount())
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


def test_another_space_is_refused() -> None:
    config = tiny_config(strategy="snl").train
    with pytest.raises(ConfigError, match="No block of 'tiny' rectifies part"):
        build_strategy(tiny_space(), config, 4)


def test_epochs_must_be_left_for_what_was_kept() -> None:
    relus: dict[str, Any] = {"full_epochs": 3.0, "mask_epochs": 1.0}
    with pytest.raises(ConfigError, match="must leave some of the epochs"):
        tiny_config(strategy="snl", relus=relus)
