"""Blocks of traced models in ONNX: any window, several inputs, several pieces."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from predictors import Macs, compile_cost
from predictors.latency.models import ArchitectureModel, BlockModel
from search_spaces import SearchSpace
from search_spaces.blocks import (
    BlockSpec,
    GeneralConcat,
    GeneralConv,
    GeneralLinear,
    GeneralPool,
    Join,
    Pointwise,
    Reshape,
)
from search_spaces.modules import build_block
from tests.predictors.latency.test_onnx_graph import _counted_macs, _run
from tests.search_spaces.traced.models import DenseNet, Functional, MobileNet, small_resnet

onnx = pytest.importorskip("onnx")

WITH_WEIGHTS = [
    GeneralConv((3,), 8, (9, 12), (3, 5), (2, 1), (1, 0), bias=True, norm=False),
    GeneralConv((4, 2), 8, (9, 9), (3, 3), padding=(1, 1), act="relu"),
    GeneralConv((4, 2), 12, (9, 9), (3, 3), padding=(2, 2), dilation=(2, 2), depthwise=True),
    GeneralConv((8,), 4, (6, 6), (2, 2), (2, 2), groups=2),
    GeneralLinear((6, 4), 5, norm=True, act="gelu"),
    Pointwise((6, 4), (5, 4), norm=True, act="swish", dropout=0.1),
]
WITHOUT_WEIGHTS = [
    GeneralPool(4, (9, 8), "max", (3, 2), (2, 2), (1, 0)),
    GeneralPool(4, (8, 8), "max", (3, 3), (2, 2), ceil=True),
    GeneralPool(4, (9, 9), "max", (3, 3), (1, 1), (1, 1), dilation=(2, 2)),
    GeneralPool(4, (8, 6), "average", (2, 3), (2, 3), (1, 1), count_padding=True),
    GeneralPool(4, (8, 6), "average", (3, 3), (2, 2), (1, 1)),
    GeneralPool(4, (8, 6), "global"),
    Join(4, (5, 6), act="relu"),
    Join(4, (5, 6), "sub"),
    Join(4, (5, 6), "mul", gate=True),
    GeneralConcat((4, 2, 3), (5, 6)),
    GeneralConcat((4, 2), ()),
    Reshape(4, (5, 6)),
    Reshape(4, (), to_map=True),
    Pointwise((4,), (5, 6), act="h_swish"),
]


@pytest.mark.parametrize("block", WITH_WEIGHTS, ids=str)
def test_blocks_give_the_shape_of_their_spec(block: BlockSpec) -> None:
    data = BlockModel(block, 2).onnx()
    onnx.checker.check_model(data, full_check=True)
    assert _run(data, (2, *block.in_shape)).shape == (2, *block.out_shape)
    assert _counted_macs(data) == Macs()(block)
    made = build_block(block).eval()(torch.zeros(2, *block.in_shape))
    assert tuple(made.shape[1:]) == block.out_shape


@pytest.mark.parametrize("block", WITHOUT_WEIGHTS, ids=str)
def test_blocks_without_weights_compute_what_torch_does(block: BlockSpec) -> None:
    data = BlockModel(block, 2).onnx()
    onnx.checker.check_model(data, full_check=True)
    shapes = [(2, *shape) for shape in block.in_shapes]
    rng = np.random.default_rng(0)
    inputs = [torch.tensor(rng.normal(size=shape).astype(np.float32)) for shape in shapes]
    expected = build_block(block).eval()(*inputs)
    assert tuple(expected.shape) == (2, *block.out_shape)
    np.testing.assert_allclose(_run(data, *shapes), expected.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [small_resnet, MobileNet, DenseNet, Functional])
def test_traced_networks_do_the_work_that_is_counted(make) -> None:
    space = SearchSpace.from_module(make(), divisor=1)
    macs = compile_cost(space, Macs())
    for architecture in space.decode_all(space.sample(2, np.random.default_rng(0))):
        data = ArchitectureModel(space, architecture).onnx()
        onnx.checker.check_model(data, full_check=True)
        assert _counted_macs(data) == macs.of(architecture)
        assert np.isfinite(_run(data, (1, *space.input_shape_of(architecture)))).all()
