"""A tiny space, and a runtime on a virtual clock: every latency is known exactly."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from contextlib import nullcontext
from pathlib import Path

import pytest

from predictors.latency import ArchitectureModel, BlockModel, LutOptions, Runtime
from predictors.latency import measure as measure_module
from predictors.latency import target as target_module
from predictors.latency.graph import network, weight_megabytes
from predictors.latency.runner import timing as timing_module
from search_spaces import SpaceBuilder, get_space
from search_spaces.blocks import Conv, Head, MBConv, layers_of

CALL_NS = 2_000


def _block(resolution: int, width: int, kernel: int, expand: int, depth: int) -> MBConv | None:
    if depth < 2:
        return None
    return MBConv(width, width, width * expand, resolution, kernel=kernel, shortcut=True)


def make_tiny_space(resolutions=(8, 12), classes=4, name="tiny"):
    """Return a space of 96 architectures and some two dozen blocks."""
    builder = SpaceBuilder(name)
    r = builder.choice("resolution", resolutions)
    w = builder.choice("width", (8, 16))
    builder.slot("stem", reads=(r, w), block=lambda r, w: Conv(3, w, r, kernel=3))
    k = builder.choice("kernel", (3, 5))
    e = builder.choice("expand", (2, 3))
    for b in range(2):
        d = builder.choice(f"depth_{b}", (1, 2))
        builder.slot(f"block{b}", reads=(r, w, k, e, d), block=_block)
    builder.slot(
        "head", reads=(r, w), block=lambda r, w: Head(w, classes, r, hidden=8, dropout=0.1)
    )
    space = builder.build()
    space.options = {"classes": classes, "resolutions": list(resolutions)}
    return space


@pytest.fixture
def tiny_space():
    return make_tiny_space()


@pytest.fixture
def make_space():
    return make_tiny_space


class VirtualRuntime(Runtime):
    """Runs nothing: every run advances the clock by the network's latency.

    A block alone takes 25 % longer than in its network, and 3,000 ns for its edges.
    """

    name = "virtual"

    def __init__(self) -> None:
        self.now = 0
        self.runs = 0
        self.factor = 1.0
        self.version_text = "1.0"
        self.threads_seen: list[int] = []

    def version(self) -> str:
        return self.version_text

    def measuring(self, *, threads):
        self.threads_seen.append(threads)
        return nullcontext()

    @staticmethod
    def inside_ns(block) -> float:
        """Latency of a block in its network."""
        return 5_000 + sum(layer.macs for layer in layers_of(block)) * 0.5

    def alone_ns(self, block) -> float:
        return CALL_NS + 1.25 * self.inside_ns(block)

    def network_ns(self, space, architecture) -> float:
        blocks = [step.block for step in network(space, architecture)]
        weights = sum(weight_megabytes(block) for block in blocks)
        return 4_000 + sum(self.inside_ns(b) for b in blocks) + 50_000 * weights

    def prepare(self, model, *, threads):
        if isinstance(model, BlockModel):
            duration = self.alone_ns(model.block)
        elif isinstance(model, ArchitectureModel):
            duration = self.network_ns(model.space, model.architecture)
        else:
            duration = CALL_NS

        def run() -> None:
            self.runs += 1
            self.now += round(duration * self.factor)

        return run


@pytest.fixture
def virtual(monkeypatch):
    """Put the virtual runtime and its clock in the place of all runtimes."""
    runtime = VirtualRuntime()
    clock = types.SimpleNamespace(
        perf_counter_ns=lambda: runtime.now, process_time_ns=lambda: runtime.now // 2
    )
    monkeypatch.setattr(timing_module, "time", clock)
    monkeypatch.setattr(timing_module, "resource", None)
    for module in (target_module, measure_module):
        monkeypatch.setattr(module, "get_runtime", lambda name: runtime)
    return runtime


@pytest.fixture
def quick():
    """Options of a short measurement."""
    return LutOptions(
        runtime="virtual", rounds=4, calibration_nets=12, validation_nets=8, sample_ms=0.05
    )


SMALL = ("nasbench201", {"resolution": 8, "width": 4, "cells": 1, "classes": 4})


@pytest.fixture(scope="session")
def small_space():
    """Return a registered space of some twenty blocks, which a result can be imported for."""
    return get_space(SMALL[0], **SMALL[1])


@pytest.fixture(scope="session")
def device_python(tmp_path_factory):
    """Return a Python as on a device: the standard library, numpy and ONNX Runtime only."""
    numpy = pytest.importorskip("numpy")
    onnxruntime = pytest.importorskip("onnxruntime")
    folder = tmp_path_factory.mktemp("device_python")
    packages = folder / "packages"
    packages.mkdir()
    found = [Path(module.__file__).parent for module in (numpy, onnxruntime)]
    for path in [*found, found[0].with_name("numpy.libs")]:
        if path.exists():
            (packages / path.name).symlink_to(path)
    python = folder / "python3"
    python.write_text(
        f'#!/bin/sh\nPYTHONPATH="{packages}" exec "{sys.executable}" -S "$@"\n', encoding="utf-8"
    )
    python.chmod(0o755)
    absent = subprocess.run(
        [python, "-c", "import torch"], capture_output=True, text=True, check=False
    )
    assert "No module named 'torch'" in absent.stderr
    return python


@pytest.fixture
def processes_with():
    """Return a function that finds processes by words of their command lines."""
    return _processes_with


def _processes_with(*words: str) -> list[int]:
    """Return the processes whose command lines contain all words, this one apart."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if all(word in command for word in words) and int(entry.parent.name) != os.getpid():
            found.append(int(entry.parent.name))
    return found
