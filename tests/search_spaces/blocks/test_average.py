"""The mean of several networks' outputs."""

from __future__ import annotations

import pytest
import torch

from predictors import Macs, Params
from predictors.mpc.program import Operator, operators_of
from search_spaces import SpaceError
from search_spaces.blocks import Average, Tape
from search_spaces.modules import build_block, build_elastic


def test_it_is_the_mean_and_costs_next_to_nothing() -> None:
    block = Average((10,), 3)
    assert block.in_shapes == ((10,),) * 3
    assert block.out_shape == (10,)
    assert Macs()(block) == Params()(block) == 0
    inputs = torch.randn(3, 5, 10)
    assert torch.allclose(build_block(block)(*inputs), inputs.mean(0))
    assert torch.allclose(build_elastic([block])(*inputs, block), inputs.mean(0))
    assert not list(build_elastic([block]).state_dict())


def test_in_private_inference_it_is_one_scaling() -> None:
    assert operators_of(Average((10,), 2)) == (Operator("scale", (10,)),)


def test_inputs_of_different_shapes_have_no_mean() -> None:
    tape = Tape((10,), (9,))
    with pytest.raises(SpaceError, match="of one shape"):
        tape.mean(-1, -2)
