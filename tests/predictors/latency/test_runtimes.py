"""Runtimes: one conformance suite for all, and what happens without one."""

from __future__ import annotations

import importlib.metadata
import sys

import numpy as np
import pytest

from predictors import MeasurementError
from predictors.latency import (
    ArchitectureModel,
    BlockModel,
    LutOptions,
    ModuleModel,
    OnnxModel,
    build_table,
    get_runtime,
    list_runtimes,
    load_table,
    measure_networks,
)
from predictors.latency.models import EmptyModel
from predictors.latency.runtimes import registry
from search_spaces.blocks import MBConv
from search_spaces.errors import MissingExtraError

PACKAGES = {
    "onnxruntime": ("onnxruntime", "latency"),
    "openvino": ("openvino", "openvino"),
    "torch": ("torch", "full"),
}


@pytest.fixture(params=sorted(PACKAGES))
def runtime(request):
    pytest.importorskip("onnx")
    pytest.importorskip(PACKAGES[request.param][0])
    return get_runtime(request.param)


def test_runs_what_it_is_given(runtime, tiny_space):
    architecture = tiny_space.decode(tiny_space.sample(1, np.random.default_rng(0))[0])
    with runtime.measuring(threads=1):
        for model in (
            EmptyModel(),
            BlockModel(MBConv(8, 8, 16, 6, se=4, shortcut=True), 2),
            ArchitectureModel(tiny_space, architecture),
        ):
            run = runtime.prepare(model, threads=1)
            run()
            run()


def test_says_its_version(runtime):
    package = PACKAGES[runtime.name][0]
    assert runtime.version() == sys.modules[package].__version__
    assert runtime.name in list_runtimes()


def test_runs_a_module_with_its_weights(runtime):
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
    run = runtime.prepare(ModuleModel(module, (1, 3, 8, 8)), threads=1)
    run()


def test_not_installed_names_the_extra(runtime, monkeypatch):
    package, extra = PACKAGES[runtime.name]
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"`{package}`.*\[{extra}\]"):
        get_runtime(runtime.name).version()


def test_without_onnx(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"`onnx`.*\[latency\]"):
        EmptyModel().onnx()


def test_unknown_runtime_names_the_nearest(tiny_space, tmp_path):
    with pytest.raises(MeasurementError, match=r"no runtime 'onnxruntim'.*'onnxruntime'"):
        get_runtime("onnxruntim")
    with pytest.raises(MeasurementError, match="no runtime 'tensorflow'"):
        build_table(tiny_space, LutOptions(runtime="tensorflow"), tmp_path / "t.lut.json")


def test_third_parties_add_runtimes(monkeypatch):
    entry = importlib.metadata.EntryPoint("mine", "types:SimpleNamespace", "nas.latency_runtimes")

    def entry_points(*, group, name=None):
        assert group == "nas.latency_runtimes"
        return [entry] if name in (None, "mine") else []

    monkeypatch.setattr(registry, "entry_points", entry_points)
    assert "mine" in list_runtimes()
    assert type(get_runtime("mine")).__name__ == "SimpleNamespace"


def test_torch_threads_and_modes_are_restored():
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()

    def measure():
        with get_runtime("torch").measuring(threads=1):
            assert torch.get_num_threads() == 1
            assert torch.is_inference_mode_enabled()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure()
    assert torch.get_num_threads() == before
    assert not torch.is_inference_mode_enabled()


def test_broken_onnx_file(tmp_path):
    pytest.importorskip("onnxruntime")
    runtime, path = get_runtime("onnxruntime"), tmp_path / "model.onnx"
    model = OnnxModel(path, input_shapes=[(1, 3, 8, 8)])
    with pytest.raises(MeasurementError, match="Cannot read the ONNX file"):
        runtime.prepare(model, threads=1)
    path.write_bytes(b"not a model")
    with pytest.raises(MeasurementError, match="ONNX Runtime cannot load"):
        runtime.prepare(model, threads=1)
    path.write_bytes(EmptyModel().onnx())
    two = OnnxModel(path, input_shapes=[(1, 1, 1, 1), (1, 1, 1, 1)])
    with pytest.raises(MeasurementError, match="has 1 inputs, but 2 shapes"):
        runtime.prepare(two, threads=1)
    with pytest.raises(MeasurementError, match="Choose onnxruntime"):
        get_runtime("torch").prepare(model, threads=1)


def test_builds_a_real_table(runtime, tiny_space, tmp_path):
    path = tmp_path / "t.lut.json"
    options = LutOptions(runtime=runtime.name, rounds=3, calibration_nets=8, validation_nets=3)
    build_table(tiny_space, options, path)
    table = load_table(path)
    table.check(tiny_space)
    table.check_device()
    assert all(row.timing.latency_ms > 0 for row in table.rows)
    assert all(net.estimated_ms > 0 for net in table.networks)
    assert table.conditions.runtime_version == runtime.version()


def test_measures_networks(runtime, tiny_space):
    networks = {
        tiny_space.id_of(a): ArchitectureModel(tiny_space, a)
        for a in tiny_space.decode_all(tiny_space.sample(2, np.random.default_rng(0)))
    }
    options = LutOptions(runtime=runtime.name, rounds=3, sample_ms=0.05)
    timings = measure_networks(networks, options)
    assert list(timings) == list(networks)
    assert all(timing.latency_ms > 0 and timing.runs >= 3 for timing in timings.values())
