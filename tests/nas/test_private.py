"""An exported subnet, run privately with its own weights on the images of its run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nas.cli import main
from predictors.errors import MeasurementError
from predictors.mpc.engine.environment import engine_python

CONFIG = """
seed = 0
[space]
name = "mpc_resnet"
options = { classes = 10, channels = 1, resolution = 8, widths = [4], depths = [1] }
[data]
format = "digits"
validation = 200
[train]
epochs = 1
batch_size = 64
learning_rate = 0.05
threads = 1
[mpc]
[evaluate]
calibration_images = 100
[search]
population = 4
parents = 2
evaluations = 4
[search.limits]
mpc_online_s = "60%"
[export]
top = 1
formats = ["safetensors"]
"""


def _installed() -> bool:
    try:
        return engine_python() is not None
    except MeasurementError:
        return False


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four evaluations under a limit on private inference, and one export."""
    folder = tmp_path_factory.mktemp("private")
    (folder / "c.toml").write_text(CONFIG)
    assert main(["run", str(folder / "c.toml"), "--out", str(folder / "run")]) == 0
    return folder / "run"


@pytest.mark.skipif(not _installed(), reason="the private engine is not installed")
def test_private_predictions_are_those_of_torch(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (export,) = (run / "exports").iterdir()
    arguments = ["--images", "5", "--network", "lan", "--json"]
    assert main(["mpc", "run", "--export", str(export), *arguments]) == 0
    found = json.loads(capsys.readouterr().out)
    agreement = found["agreement"]
    assert agreement["images"] == 5
    assert agreement["top1_agreement"] == 1.0
    assert agreement["accuracy"] == agreement["accuracy_torch"]
    assert 0 < agreement["largest_logit_difference"] < 1e-3 * max(1, agreement["largest_logit"])
    assert found["weights"] == str(export)
    architecture = str(export / "architecture.json")
    assert main(["mpc", "predict", "--architecture", architecture, *arguments[2:]]) == 0
    predicted = json.loads(capsys.readouterr().out)
    shared = ("protocol", "online_bytes", "sends", "rounds", "network")
    assert {key: predicted[key] for key in shared} == {key: found[key] for key in shared}


def test_without_an_engine_the_command_says_how_to_get_it(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (export,) = (run / "exports").iterdir()
    monkeypatch.delenv("NAS_SPU_PYTHON", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert main(["mpc", "run", "--export", str(export)]) == 2
    assert "nas mpc setup" in capsys.readouterr().err
    table = tmp_path / "t.mpc.json"
    arguments = ["--space", "mpc_vit", "--under-load", "--out", str(table)]
    assert main(["mpc", "measure", *arguments]) == 2
    assert not table.exists()


def test_what_cannot_be_run_says_why(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (export,) = (run / "exports").iterdir()
    for arguments, said in (
        (["--export", str(export), "--space", "mpc_vit"], "leave out --space"),
        (["--export", str(export), "--images", "0"], "--images must be at least 1"),
        (["--export", str(run.parent)], "lies in no run folder"),
        (["--export", str(run / "exports" / "none")], "is no export folder"),
        (["--export", str(export), "--protocol", "semi3k"], "no protocol 'semi3k'"),
        (["--export", str(export), "--protocol", "delphi"], "No engine here runs delphi"),
    ):
        assert main(["mpc", "run", *arguments]) == 2
        assert said in capsys.readouterr().err
