"""Networks converted for LiteRT and ExecuTorch: the same outputs, clear refusals."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from predictors import MeasurementError
from predictors.latency import (
    ArchitectureModel,
    BlockModel,
    LutOptions,
    ModuleModel,
    build_table,
    get_runtime,
    load_table,
)
from predictors.latency.models import EmptyModel
from predictors.latency.runtimes.base import random_inputs
from search_spaces import MissingExtraError, get_space
from search_spaces.blocks import MBConv

torch = pytest.importorskip("torch")
CONVERTERS = {"executorch": "executorch", "litert": "litert_torch"}


@pytest.fixture(params=sorted(CONVERTERS))
def runtime(request):
    pytest.importorskip(CONVERTERS[request.param], reason=f"cannot convert for {request.param}")
    return get_runtime(request.param)


def hide(package, monkeypatch):
    """Let a package seem not installed, also when it was imported before."""
    for module in [m for m in sys.modules if m.startswith(f"{package}.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)


def tiny_tflite(*shapes):
    """Return a .tflite file that applies a ReLU to an input, made without a converter."""
    pytest.importorskip("ai_edge_litert")
    flatbuffers = pytest.importorskip("flatbuffers")
    from ai_edge_litert import schema_py_generated as schema

    tensors = [
        schema.TensorT(shape=list(shape), buffer=0, name=f"{i}", hasRank=True)
        for i, shape in enumerate((*shapes, shapes[0]))
    ]
    inputs, output = list(range(len(shapes))), len(shapes)
    operator = schema.OperatorT(opcodeIndex=0, inputs=[0], outputs=[output])
    graph = schema.SubGraphT(
        tensors=tensors, inputs=inputs, outputs=[output], operators=[operator], name="main"
    )
    relu = schema.BuiltinOperator.RELU
    code = schema.OperatorCodeT(deprecatedBuiltinCode=relu, builtinCode=relu, version=1)
    model = schema.ModelT(
        version=3, operatorCodes=[code], subgraphs=[graph], buffers=[schema.BufferT()]
    )
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def outputs_of(runtime, data, input_shapes):
    if runtime.name == "executorch":
        return runtime.load(data, input_shapes, threads=1)()[0]
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    [read], [written] = interpreter.get_input_details(), interpreter.get_output_details()
    [values] = random_inputs(input_shapes)
    interpreter.set_tensor(read["index"], np.ascontiguousarray(values.transpose(0, 2, 3, 1)))
    interpreter.invoke()
    found = torch.from_numpy(interpreter.get_tensor(written["index"]))
    return found.movedim(-1, 1) if found.ndim == 4 else found


@pytest.mark.slow
def test_outputs_equal_those_of_torch(runtime):
    space = get_space("mobile_small")
    architecture = space.decode(space.sample(1, np.random.default_rng(0))[0])
    for model in (
        EmptyModel(),
        BlockModel(MBConv(8, 8, 16, 6, se=4, shortcut=True), 2),
        ArchitectureModel(space, architecture),
    ):
        module = model.module().eval()
        converted = runtime.convert(ModuleModel(module, model.input_shapes[0]))
        runtime.load(converted, model.input_shapes, threads=1)()
        found = outputs_of(runtime, converted, model.input_shapes)
        with torch.inference_mode():
            expected = module(*map(torch.from_numpy, random_inputs(model.input_shapes)))
        assert found.shape == expected.shape
        assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.slow
def test_builds_a_table(runtime, make_space, tmp_path):
    space, path = make_space(resolutions=(8,)), tmp_path / "t.lut.json"
    options = LutOptions(runtime=runtime.name, rounds=3, calibration_nets=8, validation_nets=3)
    build_table(space, options, path)
    table = load_table(path)
    table.check_device()
    assert table.conditions.runtime_version == runtime.version()
    assert all(row.timing.latency_ms > 0 for row in table.rows)


class Branching(torch.nn.Module):
    """Asks its input what to do, which no exporter can follow."""

    def forward(self, x):
        return x if x.sum() > 0 else -x


@pytest.mark.slow
def test_refuses_what_it_cannot_convert(runtime):
    with pytest.raises(MeasurementError, match="cannot convert this network"):
        runtime.convert(ModuleModel(Branching(), (1, 3, 4, 4)))


def test_litert_runs_a_file_on_a_device_without_the_converter(monkeypatch):
    monkeypatch.setitem(sys.modules, "litert_torch", None)
    run = get_runtime("litert").load(tiny_tflite((1, 4, 6, 3)), [(1, 3, 4, 6)], threads=2)
    run()
    run()


def test_litert_refuses_other_inputs_and_damaged_files():
    runtime, data = get_runtime("litert"), tiny_tflite((1, 4, 6, 3), (1, 2))
    runtime.load(data, [(1, 3, 4, 6), (1, 2)], threads=1)()
    with pytest.raises(MeasurementError, match=r"shapes \[\(1, 4, 6, 3\), \(1, 2\)\], but"):
        runtime.load(data, [(1, 3, 4, 6)], threads=1)
    with pytest.raises(MeasurementError, match="LiteRT cannot load this network"):
        runtime.load(b"not a model", [(1, 3, 4, 6)], threads=1)


def test_litert_says_its_version():
    package = pytest.importorskip("ai_edge_litert")
    assert get_runtime("litert").version() == package.__version__


def test_executorch_refuses_other_threads_and_damaged_files():
    pytest.importorskip("executorch")
    runtime = get_runtime("executorch")
    with pytest.raises(MeasurementError, match="ExecuTorch cannot run this network"):
        runtime.load(b"not a model", [(1, 3, 4, 6)], threads=1)
    with pytest.raises(MeasurementError, match=r"with 1 are loaded.*with 2 in another process"):
        runtime.load(b"not a model", [(1, 3, 4, 6)], threads=2)


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("litert", "litert_torch", "litert-convert"),
        ("executorch", "executorch", "executorch"),
    ],
)
def test_without_a_converter_names_the_extra(name, package, extra, monkeypatch):
    hide(package, monkeypatch)
    with pytest.raises(MissingExtraError, match=rf"`{package}[.`].*\[{extra}\]"):
        get_runtime(name).prepare(EmptyModel(), threads=1)


@pytest.mark.parametrize(
    ("name", "package"), [("litert", "ai_edge_litert"), ("executorch", "executorch")]
)
def test_not_installed_names_the_extra(name, package, monkeypatch):
    hide(package, monkeypatch)
    runtime = get_runtime(name)
    with pytest.raises(MissingExtraError, match=rf"`{package}[.`].*\[{name}\]"):
        runtime.version()
    with pytest.raises(MissingExtraError, match=rf"`{package}[.`].*\[{name}\]"):
        runtime.load(b"", [], threads=1)
