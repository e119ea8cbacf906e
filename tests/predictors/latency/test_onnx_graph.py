"""Blocks in ONNX: valid, of the right shape and work, and the nodes torch exports."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from predictors import Macs, MeasurementError, compile_cost
from predictors.latency.graph import PlacedBlock, alone, network
from predictors.latency.models import ArchitectureModel, BlockModel, EmptyModel, ModuleModel
from predictors.latency.onnx_graph import to_onnx
from search_spaces import get_space, list_spaces
from search_spaces.blocks import (
    INPUT,
    Activation,
    AsymmetricConv,
    AvgPool,
    BlockSpec,
    Bottleneck,
    ChannelMixer,
    Concat,
    Conv,
    DepthwiseMixer,
    FactorizedReduce,
    FusedMBConv,
    Ghost,
    GhostBottleneck,
    Head,
    LSConv,
    MapAttention,
    MaxPool,
    MBConv,
    NodeSum,
    NormAct,
    PartialConvBlock,
    PatchEmbed,
    PreActConv,
    PreActResidual,
    PrivateAttention,
    PrivateMlp,
    RectifiedConv,
    SeparableConv,
    ShuffleV2,
    ShuffleXception,
    SpatialReduction,
    Tape,
    TokenHead,
    TransformerLayer,
    Zero,
    block_family,
)
from tests.small_spaces import SMALL as OPTIONS

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

SMALL = {
    **OPTIONS,
    "mobile_small": {"resolutions": (24,)},
    "ofa_mobilenet_v3": {"resolutions": (64,), "classes": 20},
    "spos_shufflenet_v2": {"resolution": 64, "classes": 20},
}
BLOCKS = [
    Conv(3, 8, 9, kernel=3, stride=2, act="h_swish"),
    Conv(8, 4, 5, kernel=1, act=None),
    Conv(8, 4, 5, act="relu6"),
    Conv(8, 4, 5, act="swish"),
    Conv(8, 4, 5, act="sigmoid"),
    Conv(6, 6, 8, kernel=3, shortcut=True),
    Bottleneck(16, 16, 4, 8),
    Bottleneck(8, 16, 4, 7, stride=2, project=True),
    MaxPool(8, 7),
    AvgPool(8, 7),
    NormAct(8, 5),
    PreActConv(6, 8, 7, kernel=3),
    PreActResidual(6, 8, 7),
    PreActConv(6, 8, 7, kernel=3, dilation=2),
    Conv(3, 8, 9, kernel=3, stride=2, padded=False),
    Activation(8, 5),
    AsymmetricConv(6, 8, 9, stride=2),
    FactorizedReduce(6, 7, 9),
    SeparableConv(6, 8, 9, kernel=5, stride=2),
    SeparableConv(6, 8, 9, dilation=2, repeats=1),
    MBConv(8, 8, 16, 6, kernel=5, shortcut=True),
    MBConv(8, 8, 8, 6, expand_conv=False, shortcut=True),
    MBConv(8, 12, 24, 6, stride=2, se=8, act="h_swish"),
    MBConv(8, 12, 24, 7, stride=2, act="swish", shortcut=True, shortcut_kind="pool_conv"),
    MBConv(8, 8, 24, 6, se=4, se_act="swish", se_gate="sigmoid", shortcut=True),
    Conv(3, 8, 9, kernel=2, stride=2, padded=False),
    FusedMBConv(8, 8, 16, 6, se=4, shortcut=True),
    Ghost(8, 11, 6),
    GhostBottleneck(8, 12, 16, 6, stride=2, se=4),
    PartialConvBlock(8, 16, 6, part=3),
    LSConv(8, 4, 6, kernels=3),
    DepthwiseMixer(8, 6, se=4),
    ChannelMixer(8, 16, 6),
    MapAttention(8, 3, heads=2, key_dim=4, value_dim=5),
    ShuffleV2(7, 8, 4, 6, kernel=5),
    ShuffleV2(8, 8, 4, 6, kernel=5),
    ShuffleV2(8, 16, 8, 6, stride=2),
    ShuffleXception(8, 8, 4, 6),
    Head(8, 5, 4),
    Head(8, 5, 4, hidden=12, bias=False),
    Head(8, 5, 4, hidden=12, hidden_bias=True, norm=True),
    PatchEmbed(3, 8, 12, patch=4),
    TransformerLayer(12, 3, 20, 10, head_dim=4),
    TransformerLayer(12, 1, 20, 5, head_dim=5),
    TransformerLayer(12, 2, 20, 5, head_dim=6, relative=False),
    PrivateAttention(12, "softmax", 5, head_dim=6),
    PrivateAttention(12, "two_quad softmax relu_softmax two_quad scale_attention", 5, head_dim=4),
    PrivateMlp(12, 20, 5),
    PrivateMlp(12, 20, 5, act="quadratic"),
    PrivateMlp(12, 20, 5, act="linear"),
    PrivateMlp(12, 20, 5, passed=2),
    PrivateMlp(12, 20, 5, act="quadratic", passed=4),
    RectifiedConv(3, 4, 7, kept=9, rest="polynomial", stride=2),
    RectifiedConv(3, 4, 7, kept=49, granularity="channel"),
    RectifiedConv(3, 4, 7, kept=0, rest="polynomial"),
    SpatialReduction(6, 8, 17),
    SpatialReduction(6, 6, 10),
    TokenHead(8, 5, 10),
    TokenHead(8, 5, 10, pool="class"),
]


SUMS_AND_ZEROS = [Zero(8, 5), NodeSum(8, 5), NodeSum(8, 5, inputs=3)]


def _run(data: bytes, *shapes: tuple[int, ...]) -> np.ndarray:
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    names = [entry.name for entry in session.get_inputs()]
    feed = {n: rng.normal(size=s).astype(np.float32) for n, s in zip(names, shapes, strict=True)}
    (output,) = session.run(None, feed)
    return output


def _space(name):
    return get_space(name, **SMALL.get(name, {}))


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_blocks_give_their_output_shape(block, batch):
    data = BlockModel(block, batch).onnx()
    onnx.checker.check_model(data, full_check=True)
    output = _run(data, (batch, *block.in_shape))
    assert output.shape == (batch, *block.out_shape)
    assert np.isfinite(output).all()
    assert output.std() > 1e-3


def test_blocks_of_a_plan_return_the_mean_of_what_they_compute():
    """So that no runtime has to bring their output into the layout of images."""
    block = Conv(3, 8, 9, kernel=3, stride=2)
    plain, pooled = (
        _run(BlockModel(block, 2, pooled=pooled).onnx(), (2, 3, 9, 9)) for pooled in (False, True)
    )
    assert pooled.shape == (2, 8, 1, 1)
    np.testing.assert_allclose(pooled, plain.mean((2, 3), keepdims=True), rtol=1e-4, atol=1e-6)
    vectors = BlockModel(Head(8, 5, 4), pooled=True)
    assert _run(vectors.onnx(), (1, 8, 4, 4)).shape == (1, 5)


@pytest.mark.parametrize("block", SUMS_AND_ZEROS, ids=str)
def test_sums_and_zeros_are_exact(block):
    data = BlockModel(block).onnx()
    onnx.checker.check_model(data, full_check=True)
    shapes = [(1, *shape) for shape in block.in_shapes]
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    expected = sum(inputs) if isinstance(block, NodeSum) else np.zeros(shapes[0])
    np.testing.assert_allclose(_run(data, *shapes), expected, rtol=1e-5, atol=1e-6)


def test_a_concatenation_joins_the_inputs_it_names():
    block = Concat(2, 3, (2, 0))
    model = BlockModel(block)
    inputs = [np.full(shape, i, np.float32) for i, shape in enumerate(model.input_shapes)]
    session = onnxruntime.InferenceSession(model.onnx(), providers=["CPUExecutionProvider"])
    feed = {f"input_{i}": x for i, x in enumerate(inputs)}
    (output,) = session.run(None, feed)
    assert output[0, :, 0, 0].tolist() == [2, 2, 0, 0]


def test_what_two_layers_compute_alike_is_written_once():
    """Two operations on one state activate it once, as in torch's export."""
    placed = [
        PlacedBlock(PreActConv(4, 4, 5), (INPUT,)),
        PlacedBlock(PreActConv(4, 4, 5), (INPUT,)),
        PlacedBlock(NodeSum(4, 5), (0, 1)),
    ]
    assert _nodes(to_onnx(placed)) == {"Relu": 1, "Conv": 2, "Add": 1, "Gemm": 0}


def _counted_macs(data: bytes) -> int:
    """Count convolutions and matrix products by their shapes in the file."""
    model = onnx.shape_inference.infer_shapes(onnx.load_from_string(data))
    weights = {w.name: tuple(w.dims) for w in model.graph.initializer}
    values = [*model.graph.value_info, *model.graph.output]
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in values}
    total = 0
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            out = shapes[node.output[0]]
            total += int(np.prod(weights[node.input[1]]) * np.prod(out[2:], dtype=int))
        if node.op_type == "MatMul":
            first = shapes[node.input[0]]
            total += int(np.prod(shapes[node.output[0]]) * first[-1])
    return total


@pytest.mark.parametrize("name", list_spaces())
def test_networks_do_the_work_that_is_counted(name):
    space = _space(name)
    macs = compile_cost(space, Macs())
    for architecture in space.decode_all(space.sample(3, np.random.default_rng(0))):
        data = ArchitectureModel(space, architecture).onnx()
        onnx.checker.check_model(data, full_check=True)
        assert _counted_macs(data) == macs.of(architecture)
        placed = network(space, architecture)
        output = _run(data, (1, *space.input_shape_of(architecture)))
        assert output.shape == (1, *placed[-1].block.out_shape)
        assert np.isfinite(output).all()


def _nodes(data: bytes) -> Counter[str]:
    """Count the different nodes that depend on the input; a runtime computes the others once.

    Of two that do the same to the same, as zeros of one state do, exporters may keep one.
    """
    graph = onnx.load_from_string(data).graph
    known = {weight.name for weight in graph.initializer}
    same: dict[str, object] = {
        weight.name: onnx.numpy_helper.to_array(weight).tobytes()
        for weight in graph.initializer
        if math.prod(weight.dims) <= 8
    }
    counts: Counter[str] = Counter()
    seen: set[object] = set()
    for node in graph.node:
        if known.issuperset(node.input):
            known.update(node.output)
            continue
        settings = sorted(attribute.SerializeToString() for attribute in node.attribute)
        inputs = tuple(same.get(name, name) for name in node.input)
        done = hash((node.op_type, inputs, tuple(settings)))
        same |= {name: (done, i) for i, name in enumerate(node.output)}
        if done not in seen:
            seen.add(done)
            counts[node.op_type] += 1
    counts["Gemm"] += counts.pop("MatMul", 0)  # how torch writes a linear layer without bias
    for name in ("Identity", "Constant", "Flatten"):
        counts.pop(name, None)
    return counts


@pytest.mark.parametrize("name", list_spaces())
def test_same_nodes_as_the_exported_subnet(name):
    pytest.importorskip("torch")
    from search_spaces.supernet import build_network

    space = _space(name)
    architecture = space.decode(space.sample(1, np.random.default_rng(3))[0])
    shape = (1, *space.input_shape_of(architecture))
    exported = ModuleModel(build_network(space, architecture), shape).onnx()
    assert _nodes(ArchitectureModel(space, architecture).onnx()) == _nodes(exported)


@pytest.mark.parametrize("batch", [1, 2])
def test_a_transformer_layer_computes_what_torch_does(batch):
    """With the weights of the file, in the order in which they are written."""
    torch = pytest.importorskip("torch")
    from torch.nn.functional import gelu, layer_norm, linear

    from search_spaces.modules.tokens import attention

    block = TransformerLayer(12, 3, 20, 10, head_dim=4)
    data = BlockModel(block, batch).onnx()
    arrays = [onnx.numpy_helper.to_array(w) for w in onnx.load_from_string(data).graph.initializer]
    tensors = (torch.tensor(a) for a in arrays if a.dtype == np.float32 and a.ndim)

    def take(x, count):
        return [linear(x, next(tensors).T, next(tensors)) for _ in range(count)]

    x = torch.tensor(np.random.default_rng(0).normal(size=(batch, 10, 12)).astype(np.float32))
    q, k, v = take(layer_norm(x, (12,), next(tensors), next(tensors)), 3)
    positions = next(tensors).transpose(1, 2), next(tensors)
    x = x + take(attention(q, k, v, 4, positions), 1)[0]
    inner = gelu(take(layer_norm(x, (12,), next(tensors), next(tensors)), 1)[0])
    expected = x + take(inner, 1)[0]
    output = _run(data, (batch, 10, 12))
    np.testing.assert_allclose(output, expected.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 2])
def test_a_large_small_convolution_computes_what_torch_does(batch):
    """With the weights of the file; three kernels for eight channels."""
    torch = pytest.importorskip("torch")
    from torch.nn.functional import conv2d, group_norm

    from search_spaces.modules.lsconv import aggregate

    block = LSConv(8, 4, 6, kernels=3)
    data = BlockModel(block, batch).onnx()
    arrays = [onnx.numpy_helper.to_array(w) for w in onnx.load_from_string(data).graph.initializer]
    tensors = [torch.tensor(a) for a in arrays if a.dtype == np.float32]
    reduce, depthwise, mix, predict = (tensors[i : i + 2] for i in (0, 2, 4, 6))
    scale, shift = tensors[10:12]
    x = torch.tensor(np.random.default_rng(0).normal(size=(batch, 8, 6, 6)).astype(np.float32))
    y = conv2d(conv2d(x, *reduce).relu(), *depthwise, padding=3, groups=4)
    kernels = group_norm(conv2d(conv2d(y, *mix).relu(), *predict), 3, None, None)
    kernels = kernels * scale + shift
    normal = (aggregate(x, kernels, block) - 1) / (1 + 1e-5) ** 0.5 + 1  # statistics of ones
    output = _run(data, (batch, 8, 6, 6))
    np.testing.assert_allclose(output, x + normal, rtol=1e-4, atol=1e-4)


def test_batch_norm_without_a_convolution_before_it_stays():
    @block_family
    class LatencyPreNorm(BlockSpec):
        channels: int = 4

        @property
        def in_shape(self):
            return (self.channels, 5, 5)

        def layers(self):
            tape = Tape(self.in_shape)
            tape.act(tape.batch_norm(INPUT), "relu")
            return tape.layers

    data = BlockModel(LatencyPreNorm()).onnx()
    assert _nodes(data) == {"BatchNormalization": 1, "Relu": 1, "Gemm": 0}
    assert _run(data, (1, 4, 5, 5)).shape == (1, 4, 5, 5)


def test_blocks_with_several_inputs():
    @block_family
    class LatencySum(BlockSpec):
        channels: int = 4

        @property
        def in_shape(self):
            return (self.channels, 5, 5)

        @property
        def in_shapes(self):
            return (self.in_shape, self.in_shape)

        def layers(self):
            tape = Tape(*self.in_shapes)
            tape.add(INPUT, INPUT - 1)
            return tape.layers

    model = BlockModel(LatencySum(), 2)
    assert model.input_shapes == ((2, 4, 5, 5), (2, 4, 5, 5))
    assert _run(model.onnx(), *model.input_shapes).shape == (2, 4, 5, 5)
    branch = [
        PlacedBlock(Conv(4, 4, 5), (INPUT,)),
        PlacedBlock(Conv(4, 4, 5, kernel=3), (INPUT,)),
        PlacedBlock(LatencySum(), (0, 1)),
    ]
    assert _run(to_onnx(branch), (1, 4, 5, 5)).shape == (1, 4, 5, 5)


def test_unknown_layer_is_named_with_the_nearest():
    @block_family
    class LatencyOdd(BlockSpec):
        @property
        def in_shape(self):
            return (4, 5, 5)

        def layers(self):
            tape = Tape(self.in_shape)
            tape.act(INPUT, "reluu")
            return tape.layers

    with pytest.raises(MeasurementError, match=r"'reluu' has no counterpart.*'relu'"):
        to_onnx(alone(LatencyOdd()))


def test_empty_call():
    assert _run(EmptyModel().onnx(), (1, 1, 1, 1)).shape == (1, 1, 1, 1)
