"""Analytic MACs against fvcore, an independent counter that traces the extracted network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from predictors import Macs, Params, compile_cost
from search_spaces import get_space
from search_spaces.registry import list_spaces
from search_spaces.supernet import build_network
from tests.small_spaces import SMALL

fvcore_nn = pytest.importorskip("fvcore.nn", reason="fvcore, the independent counter, is missing")

OPTIONS: dict[str, dict[str, Any]] = {
    **SMALL,
    "ofa_mobilenet_v3": {"resolutions": (64, 100)},
    "spos_shufflenet_v2": {"resolution": 64},
}
# fvcore also counts batch norm, pooling and activations, which MACs leave out.
COUNTED = ("conv", "linear", "addmm", "matmul", "bmm", "einsum")


def counted_macs(network: torch.nn.Module, shape: tuple[int, ...]) -> int:
    counter = fvcore_nn.FlopCountAnalysis(network, torch.zeros(1, *shape))
    counter.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    by_operator = counter.by_operator()
    return sum(int(by_operator[operator]) for operator in COUNTED if operator in by_operator)


@pytest.mark.parametrize("name", list_spaces())
def test_macs_of_random_architectures_are_those_fvcore_counts(name: str) -> None:
    space = get_space(name, **OPTIONS.get(name, {}))
    macs, params = compile_cost(space, Macs()), compile_cost(space, Params())
    rng = np.random.default_rng(0)
    for architecture in space.decode_all(space.sample(3, rng)):
        network = build_network(space, architecture).eval()
        shape = space.input_shape_of(architecture)
        assert counted_macs(network, shape) == macs.of(architecture)
        assert sum(p.numel() for p in network.parameters()) == params.of(architecture)
