"""The space of one architecture: the same network, weights and costs as the subnet."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from predictors import Macs, Params, compile_cost
from search_spaces import get_space
from search_spaces.single import single
from search_spaces.supernet import Supernet
from tests.small_spaces import SMALL


@pytest.mark.parametrize("name", SMALL)
def test_a_supernet_of_one_architecture_is_its_subnet(name: str) -> None:
    space = get_space(name, **SMALL[name])
    row = space.canonical(space.sample(1, np.random.default_rng(5)))[0]
    architecture = space.decode(row)
    only = single(space, architecture)
    assert only.size == 1
    assert only.id_of(architecture) == space.id_of(architecture)
    for cost in (Macs(), Params()):
        expected = compile_cost(space, cost).of(architecture)
        assert compile_cost(only, cost).minimum().value == expected
    supernet = Supernet(space, seed=2).eval()
    subnet = supernet.subnet(architecture)
    alone = Supernet(only).eval()
    weights = subnet.state_dict()
    alone.load_state_dict({key: weights[key] for key in alone.state_dict()})
    images = torch.randn(2, *space.input_shape_of(architecture))
    with torch.no_grad():
        assert torch.equal(alone(images, architecture), subnet(images))
