"""CUDA graphs of networks: the same outputs and a table on a GPU, a clear refusal without one."""

from __future__ import annotations

import numpy as np
import pytest

from predictors import MeasurementError
from predictors.latency import (
    BlockModel,
    LutOptions,
    ModuleModel,
    build_table,
    get_runtime,
    list_runtimes,
    load_table,
)
from predictors.latency.kit import file_runtime
from predictors.latency.models import ArchitectureModel
from predictors.latency.runner.device import device_identity
from search_spaces.blocks import MBConv

torch = pytest.importorskip("torch")


def test_without_a_gpu_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    runtime = get_runtime("torch_cuda")
    assert runtime.accelerator() == ""
    with pytest.raises(MeasurementError, match=r"needs a CUDA GPU, but torch .* sees none"):
        runtime.version()
    with pytest.raises(MeasurementError, match="or choose the runtime 'torch'"):
        runtime.prepare(BlockModel(MBConv(4, 4, 9, 6)), threads=1)


def test_no_table_is_begun_without_a_gpu(tiny_space, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(MeasurementError, match="needs a CUDA GPU"):
        build_table(tiny_space, LutOptions(runtime="torch_cuda"), tmp_path / "t.lut.json")
    assert not list(tmp_path.iterdir())


def test_measures_this_machine_only():
    assert "torch_cuda" in list_runtimes()
    with pytest.raises(MeasurementError, match="'torch_cuda' reads no files"):
        file_runtime("torch_cuda")


@pytest.mark.gpu
def test_outputs_equal_those_of_eager_torch(tiny_space):
    architecture = tiny_space.decode(tiny_space.sample(1, np.random.default_rng(0))[0])
    gpu, cpu = get_runtime("torch_cuda"), get_runtime("torch")
    for model in (
        BlockModel(MBConv(8, 8, 16, 6, se=4, shortcut=True), 2),
        ArchitectureModel(tiny_space, architecture),
    ):
        module = ModuleModel(model.module(), model.input_shapes[0])
        with cpu.measuring(threads=1), torch.backends.cudnn.flags(allow_tf32=False):
            expected = cpu.prepare(module, threads=1)()
            run = gpu.prepare(module, threads=1)
            assert run().is_cuda
            torch.testing.assert_close(run().cpu(), expected, rtol=1e-4, atol=1e-5)
        assert not any(p.is_cuda for p in module.module().parameters())


@pytest.mark.gpu
def test_builds_a_table_of_the_gpu(tiny_space, tmp_path):
    path, runtime = tmp_path / "t.lut.json", get_runtime("torch_cuda")
    options = LutOptions(runtime="torch_cuda", rounds=3, calibration_nets=8, validation_nets=3)
    build_table(tiny_space, options, path)
    table = load_table(path)
    table.check_device(device_identity(runtime.accelerator()))
    assert table.device.accelerator == torch.cuda.get_device_name()
    assert all(row.timing.latency_ms > 0 for row in table.rows)
