"""Networks compiled by TorchInductor: the same outputs, one program each, a clear refusal."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from predictors import MeasurementError
from predictors.latency import BlockModel, ModuleModel, get_runtime, list_runtimes
from predictors.latency.models import ArchitectureModel
from search_spaces.blocks import MBConv

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.slow
COMPILER = shutil.which("g++") or shutil.which("clang++")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler")


@needs_compiler
def test_outputs_equal_those_of_eager_torch(tiny_space):
    architecture = tiny_space.decode(tiny_space.sample(1, np.random.default_rng(0))[0])
    for model in (
        BlockModel(MBConv(8, 8, 16, 6, se=4, shortcut=True), 2),
        ArchitectureModel(tiny_space, architecture),
    ):
        module = ModuleModel(model.module(), model.input_shapes[0])
        outputs = []
        for name in ("torch", "torch_compile"):
            runtime = get_runtime(name)
            run = runtime.prepare(module, threads=1)
            with runtime.measuring(threads=1):
                outputs.append(run())
        torch.testing.assert_close(outputs[1], outputs[0])


@needs_compiler
def test_compiles_more_blocks_of_a_class_than_torch_recompiles():
    runtime = get_runtime("torch_compile")
    for size in (4, 5, 6, 7):
        block = MBConv(4, 4, size, 6)
        with torch._dynamo.config.patch(recompile_limit=2):
            run = runtime.prepare(BlockModel(block), threads=1)
        with runtime.measuring(threads=1):
            assert run().shape == (1, *block.out_shape)


def test_without_a_compiler_names_what_is_missing():
    with (
        torch._inductor.config.patch(
            {"cpp.cxx": ("no-such-compiler",), "force_disable_caches": True}
        ),
        pytest.raises(MeasurementError, match=r"cannot compile.*needs a C\+\+ compiler"),
    ):
        get_runtime("torch_compile").prepare(BlockModel(MBConv(4, 4, 9, 6)), threads=1)


def test_is_listed_and_versioned():
    assert "torch_compile" in list_runtimes()
    assert get_runtime("torch_compile").version() == torch.__version__
