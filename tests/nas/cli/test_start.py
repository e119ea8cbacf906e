"""Starting: what the light commands import, and how commands stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nas.cli import main
from nas.runs import RunFolder

HEAVY = ("torch", "scipy", "sklearn", "pandas", "onnx", "onnxruntime", "fvcore", "networkx")


def _imported(*arguments: str) -> set[str]:
    """Return the heavy packages that a command imports."""
    program = (
        "import sys\nfrom nas.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    return set(eval_list(done.stderr.splitlines()[-1]))


def eval_list(text: str) -> list[str]:
    """Read the printed list of names."""
    return [name.strip("' ") for name in text.strip("[]").split(",") if name.strip("' ")]


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["spaces", "list"], ["spaces", "show", "ofa_mobilenet_v3", "--json"]],
)
def test_light_commands_import_nothing_heavy(arguments: list[str]) -> None:
    assert _imported(*arguments) == set()


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "commands:" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0


def test_doctor_tells_versions_and_noise(capsys: pytest.CaptureFixture[str]) -> None:
    import json

    assert main(["doctor", "--json"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert about["packages"]["numpy"]["version"]
    assert about["timer_noise"] >= 0


@pytest.mark.slow
def test_an_interrupted_training_says_so_and_goes_on(config_file: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [sys.executable, "-m", "nas", "train", str(config_file), "--out", str(run)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    long = ["--set", "train.epochs=200"]
    process = subprocess.Popen(
        [*command, *long], stderr=subprocess.PIPE, text=True, env=environment
    )
    deadline = time.monotonic() + 120
    while not (run / "metrics.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 4
    assert "--resume" in message
    assert "Traceback" not in message
    assert RunFolder.open(run).stages()["train"] == "interrupted"
    again = subprocess.Popen(
        [sys.executable, "-m", "nas", "train", "--resume", str(run)],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    stopped_at = len(RunFolder.open(run).read_metrics())
    while len(RunFolder.open(run).read_metrics()) <= stopped_at and again.poll() is None:
        time.sleep(0.1)
    again.send_signal(signal.SIGKILL)
    again.wait(timeout=60)
    steps = [row["step"] for row in RunFolder.open(run).read_metrics()]
    assert steps == sorted(set(steps))
    assert len(steps) > stopped_at
