"""``nas nni``: whole runs as trials, alone and under a real experiment of NNI."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from nas.archive import Archive
from nas.cli import main
from nas.errors import ConfigError
from nas.search.nni_bridge.experiment import example_overrides, exposure
from nas.search.nni_bridge.spaces import check_search_space
from tests.nas.cli.conftest import CONFIG

SPACE = {
    "train.learning_rate": {"_type": "choice", "_value": [0.02, 0.05]},
    "train.strategy": {"_type": "choice", "_value": ["sandwich", "single_path"]},
}
ALONE = ["unshare", "--map-root-user", "--net"]
"""Runs a command where there is no network but the loopback that it starts itself."""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    pytest.importorskip("nni", reason="nni is not installed")
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    text = CONFIG.replace('[latency]\nruntime = "onnxruntime"\nrounds = 3\n', "")
    path = tmp_path / "tiny.toml"
    path.write_text(text.replace('latency_ms = "70%"\n', ""), encoding="utf-8")
    return path


def test_a_trial_runs_without_an_experiment(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["nni", "trial", str(config), "--out", str(tmp_path / "runs")]) == 0
    assert "Validation accuracy" in capsys.readouterr().out
    assert (tmp_path / "runs" / "STANDALONE" / "archive.sqlite").exists()


def test_an_experiment_runs_trials_and_says_who_can_reach_it(config: Path, tmp_path: Path) -> None:
    if shutil.which("unshare") is None or subprocess.run([*ALONE, "true"]).returncode:
        pytest.skip("NNI's server would be open to the network: no network namespaces here")
    space = tmp_path / "space.json"
    space.write_text(json.dumps(SPACE), encoding="utf-8")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    words = ["nni", "experiment", str(config), "--space", str(space), "--trials", "2"]
    words += ["--out", str(tmp_path / "runs"), "--port", str(port)]
    command = [*ALONE, "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    done = subprocess.run(
        [*command, sys.executable, "-m", "nas", *words],
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(tmp_path)},  # NNI lists its experiments there
    )
    assert done.returncode == 0, done.stderr
    assert exposure(port) in done.stderr
    runs = [path.parent for path in (tmp_path / "runs").glob("*/archive.sqlite")]
    assert len(runs) == 2
    for run in runs:
        assert run.name in done.stdout
        written = json.loads((run / "config.json").read_text("utf-8"))
        assert written["train"]["learning_rate"] in (0.02, 0.05)
        with Archive.read(run / "archive.sqlite") as archive:
            assert archive.count() == 9


def test_keys_are_checked_before_a_server_starts(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = tmp_path / "space.json"
    space.write_text(json.dumps({"train.lr": {"_type": "choice", "_value": [1.0]}}))
    assert main(["nni", "experiment", str(config), "--space", str(space)]) == 2
    printed = capsys.readouterr().err
    assert "train.lr = 1.0: unknown key" in printed
    assert "listens" not in printed


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"_type": "loguniform", "_value": [0.1]}, "must be two numbers, as loguniform has them"),
        ({"_type": "choice", "_value": []}, "must be a list"),
        (3, "must have the keys _type and _value"),
    ],
)
def test_wrong_parameters_are_refused(entry: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_search_space({"train.learning_rate": entry})


def test_one_point_of_a_space_has_the_types_that_nni_draws() -> None:
    space = {
        "train.epochs": {"_type": "quniform", "_value": [1, 9, 2]},
        "train.batch_size": {"_type": "randint", "_value": [16, 64]},
        "train.strategy": {"_type": "choice", "_value": ["sandwich"]},
    }
    check_search_space(space)
    assert example_overrides(space) == [
        "train.epochs=1.0",
        "train.batch_size=16",
        'train.strategy="sandwich"',
    ]
