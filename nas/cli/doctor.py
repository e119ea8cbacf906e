"""``nas doctor``: what is installed here, and how steady this machine's clock of work is."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import statistics
import sys
import time
from typing import Any

import numpy as np

from nas import __version__
from nas.cli.arguments import add_json
from nas.cli.output import print_json
from predictors.latency import device_identity

__all__ = ["configure", "run"]

_PACKAGES = {
    "torch": "training and evaluation",
    "numpy": "everything",
    "networkx": "layer graphs",
    "pydantic": "configuration",
    "safetensors": "weights",
    "scikit-learn": "the digits data set (extra `digits`)",
    "onnx": "ONNX files (extra `export`)",
    "onnxscript": "ONNX files (extra `export`)",
    "onnxruntime": "latency tables, checked exports (extras `latency`, `export`)",
    "ncnn": "latency tables in ncnn (extra `ncnn`)",
    "ai-edge-litert": "latency tables in LiteRT (extra `litert`)",
    "litert-torch": ".tflite files for them (extra `litert-convert`)",
    "executorch": "latency tables in ExecuTorch (extra `executorch`)",
    "openvino": "latency tables in OpenVINO (extra `openvino`)",
    "fvcore": "the independent counter of the tests (extra `count`)",
    "optuna": "Optuna samplers (extra `optuna`)",
    "nni": "NNI tuners (extra `nni`)",
    "tensorboard": "TensorBoard events of a training (extra `tensorboard`)",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    about = examine()
    if arguments.json:
        print_json(about)
        return
    print(f"nas {about['nas']}, Python {about['python']}, {about['os']}")
    print(f"{about['cpu']}, {about['cores']} cores usable, load {about['load']:.1f}\n")
    for name, package in about["packages"].items():
        print(f"  {name:14} {package['version'] or 'not installed':20} {package['for']}")
    print(f"\nCUDA: {about['cuda']}")
    print(
        f"timer noise: {about['timer_noise']:.1%} between repeats of the same work"
        f" ({_advice(about)})"
    )


def examine() -> dict[str, Any]:
    """Return versions, hardware and timer noise."""
    device = device_identity()
    return {
        "nas": __version__,
        "python": platform.python_version(),
        "os": platform.platform(),
        "cpu": device.cpu,
        "cores": device.cores,
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan"),
        "packages": {
            name: {"version": _version(name), "for": purpose}
            for name, purpose in _PACKAGES.items()
        },
        "cuda": _cuda(),
        "timer_noise": timer_noise(),
    }


def timer_noise(repeats: int = 60) -> float:
    """Return the interquartile range over the median of repeats of the same small work."""
    work = np.random.default_rng(0).random((160, 160))
    samples = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(4):
            work @ work
        samples.append(time.perf_counter() - start)
    low, middle, high = statistics.quantiles(samples[repeats // 6 :], n=4)
    return (high - low) / middle


def _advice(about: dict[str, Any]) -> str:
    if about["timer_noise"] < 0.05:
        return "steady: latency tables will be good"
    if about["load"] > about["cores"]:
        return "the machine is busy: close other work before building a latency table"
    return "noisy: a latency table needs more rounds here"


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cuda() -> str:
    if "torch" not in sys.modules and _version("torch") is None:
        return "torch is not installed"
    import torch

    if not torch.cuda.is_available():
        return "none (training and evaluation run on the CPU)"
    return torch.cuda.get_device_name()
