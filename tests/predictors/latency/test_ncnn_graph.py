"""Networks in ncnn's format compute what ONNX Runtime computes for the same ONNX graph."""

from __future__ import annotations

import numpy as np
import pytest

from predictors import MeasurementError
from predictors.latency import ArchitectureModel, BlockModel, get_runtime
from predictors.latency.ncnn_graph import to_ncnn
from predictors.latency.runtimes.base import random_inputs
from search_spaces import get_space
from search_spaces.blocks import BlockSpec, Conv, Head, MBConv, ShuffleV2
from tests.small_spaces import SMALL

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
pytest.importorskip("ncnn")


def difference(model: ArchitectureModel | BlockModel) -> float:
    """Return the largest difference of the two runtimes, relative to the largest output."""
    session = onnxruntime.InferenceSession(model.onnx(), providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]
    inputs = dict(zip(names, random_inputs(model.input_shapes), strict=True))
    expected = session.run(None, inputs)[0][0]
    made = np.array(get_runtime("ncnn").prepare(model, threads=1)()).reshape(expected.shape)
    return float(np.abs(made - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize(
    "name",
    [
        "mobile_small",
        "ofa_mobilenet_v3",
        "ofa_resnet50",
        "proxyless",
        "efficientnet",
        "ghostnet",
        "fasternet",
        "nasbench201",
    ],
)
def test_whole_networks_compute_the_same(name: str) -> None:
    space = get_space(name, **SMALL[name])
    for architecture in space.decode_all(space.sample(3, np.random.default_rng(0))):
        assert difference(ArchitectureModel(space, architecture)) < 1e-5


@pytest.mark.parametrize(
    "block",
    [
        Conv(3, 8, 9, kernel=3, stride=2, act="relu6"),
        Conv(4, 4, 8, act="swish", shortcut=True),
        MBConv(8, 8, 24, 8, kernel=5, act="h_swish", se=8, shortcut=True),
        Head(8, 10, 4, hidden=16),
    ],
    ids=str,
)
def test_blocks_compute_the_same(block: BlockSpec) -> None:
    assert difference(BlockModel(block)) < 1e-5


def test_what_it_cannot_run_is_refused() -> None:
    with pytest.raises(MeasurementError, match="slice of every 2"):
        to_ncnn(BlockModel(ShuffleV2(16, 16, 8, 8)).onnx())
    with pytest.raises(MeasurementError, match="one image at a time"):
        to_ncnn(BlockModel(Conv(3, 8, 8), 2).onnx())
    space = get_space("autoformer", **SMALL["autoformer"])
    architecture = space.decode(space.sample(1, np.random.default_rng(0))[0])
    with pytest.raises(MeasurementError, match="has no counterpart in ncnn here"):
        to_ncnn(ArchitectureModel(space, architecture).onnx())
