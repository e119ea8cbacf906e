"""One small run through the whole chain, shared by the tests of the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nas.cli import main

CONFIG = """
seed = 1

[space]
name = "mobile_small"
options = { classes = 10, channels = 1, resolutions = [12] }

[data]
format = "digits"
validation = 200

[train]
epochs = 1
batch_size = 64
threads = 1
learning_rate = 0.05

[latency]
runtime = "onnxruntime"
rounds = 3

[evaluate]
calibration_images = 100

[search]
population = 6
parents = 3
evaluations = 9

[search.limits]
macs = "50%"
latency_ms = "70%"

[export]
top = 1
formats = ["safetensors", "onnx"]
"""


@pytest.fixture(scope="session")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a configuration that runs in seconds."""
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    path = tmp_path_factory.mktemp("config") / "tiny.toml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def finished_run(config_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run that did everything; tests must not change it."""
    pytest.importorskip("onnxruntime", reason="the latency table is built in ONNX Runtime")
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    assert main(["run", str(config_file), "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def copied_run(finished_run: Path, tmp_path: Path) -> Path:
    """Return a copy of the finished run, which a test may change."""
    return Path(shutil.copytree(finished_run, tmp_path / "copy"))
