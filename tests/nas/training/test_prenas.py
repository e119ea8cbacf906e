"""PreNAS's scores and its choice, against sums and orders made by hand."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from nas.chosen import read_chosen
from nas.errors import ConfigError
from nas.rng import torch_stream
from nas.training import STRATEGIES
from nas.training.strategies.prenas import preferred, score_table
from predictors import CostTable, Macs, Params, compile_cost
from predictors.zero_cost import saliencies
from search_spaces import get_space
from search_spaces.modules.elastic import hull
from search_spaces.supernet import Supernet
from tests.nas.training.jobs import newest, run_folder, tiny_config, tiny_space, train_run

pytest.importorskip("scipy", reason="the extra exact finds the preferred subnets")


@pytest.fixture(scope="module")
def scores() -> CostTable:
    return score_table(Supernet(tiny_space(), seed=3))


def test_a_score_is_the_sum_over_the_kept_weights(scores: CostTable) -> None:
    supernet, space = Supernet(tiny_space(), seed=3), tiny_space()
    largest = compile_cost(space, Macs()).maximum().architecture
    noise = torch.randn((64, 1, 12, 12), generator=torch_stream(0, "prenas"))
    with torch.random.fork_rng():
        torch.manual_seed(0)  # for dropout
        supernet(noise, largest).sum().backward()  # type: ignore[no-untyped-call]
    by_name = dict(supernet.named_parameters())
    assert scores.maximum().value > 0
    for architecture in space.decode_all(space.enumerated):
        plain = supernet.subnet(architecture)
        by_hand = 0.0
        for name, weight in plain.named_parameters():
            entangled = by_name[name]
            assert entangled.grad is not None
            cut = [slice(0, size) for size in weight.shape]
            for axis in (2, 3) if weight.dim() == 4 else ():  # kernels are cut around the centre
                margin = (entangled.shape[axis] - weight.shape[axis]) // 2
                cut[axis] = slice(margin, margin + weight.shape[axis])
            by_hand += float((entangled.detach() * entangled.grad).abs()[tuple(cut)].sum())
        # A kernel of 3 learns a transform of its own, which the largest network does not use.
        assert scores.of(architecture) == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize("intervals", [2, 5])
def test_the_best_of_every_interval_is_chosen(scores: CostTable, intervals: int) -> None:
    space = tiny_space()
    params = compile_cost(space, Params())
    rows = space.enumerated
    sizes, values = params(rows), scores(rows)
    edges = np.linspace(sizes.min(), sizes.max(), intervals + 1)
    inside = [(sizes > low) & (sizes <= high) for low, high in pairwise(edges)]
    inside[0] |= sizes == sizes.min()
    by_hand = [(values[i].max(), sizes[i][values[i].argmax()]) for i in inside if i.any()]
    chosen = preferred(scores, intervals)
    found = [(scores.of(a), params.of(a)) for a in chosen]
    assert np.array(found) == pytest.approx(np.array(by_hand))
    assert {a["resolution"] for a in chosen} == {12}


class _ByHand(nn.Module):
    """Two layers without bias on ones, so that every gradient is easy to see."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(2, 2, bias=False), nn.Linear(2, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.second(self.first(x))
        return y


def test_saliencies_of_a_net_that_is_worked_out_by_hand() -> None:
    net = _ByHand()
    with torch.no_grad():
        net.first.weight.copy_(torch.tensor([[1.0, -2.0], [3.0, 0.5]]))
        net.second.weight.copy_(torch.tensor([[2.0, -1.0]]))
    # The sum of outputs is 2 (w11 + 2 w12) - (w21 + 2 w22) for the input (1, 2).
    found = saliencies(net, torch.tensor([[1.0, 2.0]]))
    assert found["first.weight"].tolist() == [[2.0, 8.0], [3.0, 1.0]]
    assert found["second.weight"].tolist() == [[6.0, 4.0]]


def test_only_preferred_subnets_are_trained_and_listed(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", strategy="prenas", epochs=1)
    supernet = Supernet(tiny_space(), seed=0)
    before = {name: weight.clone() for name, weight in supernet.state_dict().items()}
    train_run(run)
    chosen = read_chosen(run.path, tiny_space())
    params = compile_cost(tiny_space(), Params())
    assert 2 <= len(chosen) <= 3
    assert sorted(map(params.of, chosen)) == list(map(params.of, chosen))
    trained = load_file(newest(run))
    used = hull(supernet.active_parameters(architecture) for architecture in chosen)
    for name, _ in supernet.named_parameters():
        unused = torch.ones(before[name].shape, dtype=torch.bool)
        if name in used:
            unused[used[name]] = False
        assert torch.equal(trained[f"model/{name}"][unused], before[name][unused]), name


def test_a_space_of_separate_weights_is_refused() -> None:
    config = tiny_config(strategy="prenas").train
    with pytest.raises(ConfigError, match="share no weights"):
        STRATEGIES["prenas"](get_space("nasbench201"), config, 4)
