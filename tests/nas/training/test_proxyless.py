"""ProxylessNAS: gradients of binary gates, the expected cost, and what comes to be chosen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy

from nas.chosen import read_chosen
from nas.errors import ConfigError
from nas.training import build_strategy
from nas.training.strategies.proxyless import gate_gradient
from search_spaces import Architecture
from search_spaces.supernet import Gate, Supernet
from tests.nas.training.jobs import (
    newest,
    operation_space,
    run_folder,
    tiny_config,
    tiny_space,
    train_run,
)


def images() -> torch.Tensor:
    return torch.randn(6, 1, 12, 12, generator=torch.Generator().manual_seed(0))


def test_a_mixture_with_one_gate_open_is_that_architecture() -> None:
    space = operation_space()
    supernet = Supernet(space, seed=0).eval()
    base = Architecture({"first": "k7", "second": "k3"})
    for architecture in space.decode_all(space.enumerated):
        row = space.encode(architecture)
        gates = {
            name: Gate((0, 1, 2), torch.eye(3)[row[i]].clone())
            for i, name in enumerate(("first", "second"))
        }
        mixed = supernet.mixture(images(), base, gates)
        torch.testing.assert_close(mixed, supernet(images(), architecture), rtol=0, atol=1e-6)


def test_the_gradient_of_a_gate_is_that_of_the_sum_times_its_output() -> None:
    supernet = Supernet(operation_space(), seed=0).eval()
    base = Architecture({"first": "k3", "second": "skip"})
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    weights = torch.tensor([1.0, 0.0], requires_grad=True)
    loss = cross_entropy(
        supernet.mixture(images(), base, {"first": Gate((0, 2), weights)}), labels
    )
    (found,) = torch.autograd.grad(loss, weights)
    # By hand: run the layers one after another and keep the sum as a leaf.
    blocks = [space_block(base), space_block(Architecture({**base, "first": "k7"}))]
    stem = supernet.blocks["stem"](images(), supernet.space.blocks(base)["stem"])
    outputs = [supernet.blocks["first"](stem, block).detach() for block in blocks]
    summed = outputs[0].clone().requires_grad_()
    logits = supernet.blocks["head"](summed, supernet.space.blocks(base)["head"])
    (by_sum,) = torch.autograd.grad(cross_entropy(logits, labels), summed)
    by_hand = torch.stack([(by_sum * output).sum() for output in outputs])
    torch.testing.assert_close(found, by_hand)
    assert all(p.grad is None for p in supernet.parameters())


def space_block(architecture: Architecture) -> object:
    return operation_space().blocks(architecture)["first"]


def test_the_gradient_of_two_parameters_by_hand() -> None:
    alphas, by_gate = torch.tensor([0.3, -0.4]), torch.tensor([2.0, -1.0])
    p = np.exp([0.3, -0.4]) / np.exp([0.3, -0.4]).sum()
    by_hand = [
        sum(g * p[j] * ((i == j) - p[i]) for j, g in enumerate((2.0, -1.0))) for i in (0, 1)
    ]
    assert gate_gradient(alphas, by_gate).tolist() == pytest.approx(by_hand)


def probabilities(run: Path) -> dict[str, torch.Tensor]:
    stored = load_file(run)
    start = "gates/alpha/"
    return {n.removeprefix(start): t.softmax(0) for n, t in stored.items() if n.startswith(start)}


def test_a_heavy_cost_makes_the_cheapest_operations_likely_and_chosen(tmp_path: Path) -> None:
    section = {"weight_epochs": 0, "every": 1, "gate_learning_rate": 0.3, "cost_weight": 50.0}
    run = run_folder(tmp_path / "run", strategy="proxyless", proxyless=section, epochs=8)
    train_run(run)
    (chosen,) = read_chosen(run.path, operation_space())
    assert dict(chosen) == {"first": "k3", "second": "skip"}
    found = probabilities(newest(run))
    assert found["first"].argmax() == 0
    assert found["second"].argmax() == 2
    costs = [row["loss_cost"] for row in run.read_metrics()]
    assert costs[-1] < costs[0]


def test_gates_are_trained_when_it_is_their_turn(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", strategy="proxyless", epochs=2, checkpoint_every_s=0)
    seen = []

    def remember(done: int, total: int, text: str) -> None:
        if done > 1:
            seen.append(probabilities(newest(run))["first"])

    train_run(run, progress=remember)
    seen.append(probabilities(newest(run))["first"])
    uniform = torch.full((3,), 1 / 3)
    # Half an epoch of two steps is for the weights alone.
    assert all(torch.equal(p, uniform) for p in seen[:2])
    assert len({tuple(p.tolist()) for p in seen[1:]}) == len(seen) - 1
    assert all(float(p.sum()) == pytest.approx(1) for p in seen)


def test_choices_that_change_shapes_are_refused() -> None:
    config = tiny_config(strategy="proxyless").train
    with pytest.raises(ConfigError, match="cannot be mixed: they map"):
        build_strategy(tiny_space(), config, 4)


def test_slots_that_read_several_choices_are_mixed_by_the_product(tmp_path: Path) -> None:
    section = {"choices": ["kernel", "expand"], "every": 1, "weight_epochs": 0}
    section |= {"cost_weight": 50.0, "gate_learning_rate": 0.3}
    run = run_folder(tmp_path / "run", strategy="proxyless", proxyless=section, epochs=6)
    train_run(run, space=tiny_space())
    (chosen,) = read_chosen(run.path, tiny_space())
    assert (chosen["kernel"], chosen["expand"]) == (3, 1)
