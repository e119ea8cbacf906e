"""Training, evaluation, search and export need the core packages only."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np

BLOCKED = (
    "fvcore",
    "nni",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "openvino",
    "optuna",
    "pandas",
    "scipy",
    "sklearn",
    "yaml",
)
PROGRAM = f"""
import importlib.abc, sys

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
from nas.cli import main
sys.exit(main(sys.argv[1:]))
"""
CONFIG = """
[space]
name = "mobile_small"
options = { classes = 4, channels = 1, resolutions = [8] }
[data]
format = "idx"
path = "images"
validation = 40
[train]
epochs = 1
batch_size = 32
threads = 1
learning_rate = 0.05
[evaluate]
calibration_images = 40
[search]
population = 4
parents = 2
evaluations = 6
[search.limits]
macs = "50%"
[export]
top = 1
"""


def _write_idx(folder: Path) -> None:
    """Write random images of four classes as the four idx files."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for name, count in (("train", 200), ("t10k", 40)):
        labels = np.arange(count, dtype=np.uint8) % 4
        images = rng.integers(0, 256, (count, 8, 8), dtype=np.uint8)
        header = b"".join(int(n).to_bytes(4, "big") for n in (2051, count, 8, 8))
        (folder / f"{name}-images-idx3-ubyte.gz").write_bytes(
            gzip.compress(header + images.tobytes())
        )
        header = b"".join(int(n).to_bytes(4, "big") for n in (2049, count))
        (folder / f"{name}-labels-idx1-ubyte.gz").write_bytes(
            gzip.compress(header + labels.tobytes())
        )


def _nas(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(Path(__file__).resolve().parents[1]), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_chain_runs_without_any_optional_package(tmp_path: Path) -> None:
    _write_idx(tmp_path / "images")
    (tmp_path / "core.toml").write_text(CONFIG, encoding="utf-8")
    done = _nas(tmp_path, "run", "core.toml", "--out", "run")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "report.html").is_file()
    assert list(tmp_path.glob("run/exports/*/model.safetensors"))

    refused = _nas(tmp_path, "export", "run", "--format", "onnx")
    assert refused.returncode == 2
    assert "subnet-search[export]" in refused.stderr
    assert "Traceback" not in refused.stderr

    refused = _nas(tmp_path, "lut", "build", "--space", "mobile_small")
    assert refused.returncode == 2
    assert "subnet-search[latency]" in refused.stderr
