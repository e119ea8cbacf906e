"""MPCViT: mean costs, what its alphas keep, and that heads are packed within a limit."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from nas.chosen import read_chosen
from nas.errors import ConfigError
from nas.training import build_strategy
from nas.training.gates import expected_cost, require_sum
from nas.training.strategies.mpcvit import keep_largest, keep_within
from predictors import PeakMemory, compile_cost
from predictors.mpc import Laws, get_protocol, private_costs
from search_spaces import Architecture, get_space
from tests.nas.training.jobs import run_folder, tiny_config, tiny_space, train_run


def test_expected_cost_is_the_mean_over_all_combinations() -> None:
    """Of the rounds of a private transformer, which depend on all heads of a layer at once."""
    space = get_space("mpc_vit", dim=16, heads=(2,), depths=(2,), patch=8)
    rounds = next(
        model
        for model in private_costs(Laws(get_protocol("semi2k")))
        if model.metric == "mpc_rounds"
    )
    cost = compile_cost(space, rounds)
    base = space.decode(space.sample(1, np.random.default_rng(0))[0])
    names = ["attention_1_1", "attention_1_2", "attention_2_2", "act_1"]
    options = {choice.name: choice.options for choice in space.choices if choice.name in names}
    torch.manual_seed(0)
    probabilities = {
        name: torch.rand(len(options[name]), dtype=torch.float64).softmax(0) for name in names
    }
    mean = 0.0
    for chosen in itertools.product(*(range(len(options[name])) for name in names)):
        some = {name: options[name][i] for name, i in zip(names, chosen, strict=True)}
        share = np.prod([float(probabilities[n][i]) for n, i in zip(names, chosen, strict=True)])
        mean += share * cost.of(Architecture({**base, **some}))
    found = expected_cost(cost, base, probabilities)
    assert float(found) == pytest.approx(mean, rel=1e-9)


def test_a_maximum_has_no_mean_in_a_loss() -> None:
    cost = compile_cost(tiny_space(), PeakMemory())
    with pytest.raises(ConfigError, match="cost = 'peak_memory_bytes' is no sum over blocks"):
        require_sum(cost, "train.mpcvit.cost")


def test_the_largest_alphas_keep_the_dear_option() -> None:
    space = get_space(
        "mpc_vit",
        dim=16,
        heads=(2,),
        depths=(2,),
        patch=8,
        attention=("relu_softmax", "scale_attention"),
    )
    choices = [choice for choice in space.choices if choice.name.startswith("attention")]
    values = (0.2, 1.3, 0.7, 0.1)
    alphas = {c.name: torch.tensor(v) for c, v in zip(choices, values, strict=True)}
    found = keep_largest(space, choices, alphas, 0.5)
    kept = [found[choice.name] == "relu_softmax" for choice in choices]
    assert kept == [False, True, True, False]


def test_mpcvit_wants_two_options() -> None:
    space = get_space("mpc_vit", dim=16, heads=(2,), depths=(2,), patch=8)
    config = tiny_config(strategy="mpcvit", mpcvit={"choices": ["attention_*"]}).train
    with pytest.raises(ConfigError, match="'attention_1_1' of 'mpc_vit' has"):
        build_strategy(space, config, 4)


@pytest.mark.parametrize("cost", [None, "macs"])
def test_mpcvit_chooses_one_architecture_for_each_share_kept(
    cost: str | None, tmp_path: Path
) -> None:
    section = {"choices": ["kernel", "expand"], "keep": [0.0, 0.5, 1.0], "cost": cost}
    run = run_folder(tmp_path / "run", strategy="mpcvit", mpcvit=section)
    train_run(run)
    kept = [(a["kernel"] == 3) + (a["expand"] == 1) for a in read_chosen(run.path, tiny_space())]
    assert kept == [0, 1, 2]


def test_a_cost_that_the_run_lacks_is_refused_before_the_first_step(tmp_path: Path) -> None:
    section = {"choices": ["kernel"], "cost": "latency_ms"}
    run = run_folder(tmp_path / "run", strategy="mpcvit", mpcvit=section)
    with pytest.raises(ConfigError, match="names the cost 'latency_ms', which this run of 'tiny'"):
        train_run(run)
    assert not run.read_metrics()


def test_within_a_limit_heads_are_packed_so_that_layers_share_rounds() -> None:
    space = get_space(
        "mpc_vit", dim=16, heads=(2,), depths=(2,), patch=8, activations=("linear",),
        attention=("relu_softmax", "scale_attention"),
    )  # fmt: skip
    models = private_costs(Laws(get_protocol("semi2k")))
    seconds = compile_cost(space, next(m for m in models if m.metric == "mpc_online_s"))
    choices = [choice for choice in space.choices if choice.name.startswith("attention")]
    values = (1.0, 0.8, 0.9, 0.1)  # the two largest lie in different layers
    alphas = {c.name: torch.tensor(v) for c, v in zip(choices, values, strict=True)}
    limit = 0.999 * seconds.of(keep_largest(space, choices, alphas, 0.5))
    packed = keep_within(space, choices, alphas, seconds, limit)

    def worth(architecture: Architecture) -> float:
        kept = [architecture[choice.name] == "relu_softmax" for choice in choices]
        return sum(v for v, k in zip(values, kept, strict=True) if k)

    possible = map(space.decode, space.enumerated)
    assert seconds.of(packed) <= limit
    assert worth(packed) == max(worth(a) for a in possible if seconds.of(a) <= limit)
    assert packed["attention_1_1"] == packed["attention_1_2"] == "relu_softmax"
