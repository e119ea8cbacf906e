"""Every configuration that is shown trains."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.cli import main
from nas.config import load_config
from nas.runs import RunFolder

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(EXAMPLES.rglob("*.toml")) if path.name != "pyproject.toml"],
    ids=lambda p: p.stem,
)
def test_an_example_is_a_valid_configuration(path: Path) -> None:
    private = path.stem.startswith("private")
    assert load_config(path).space.name == ("mpc_resnet" if private else "mobile_small")


@pytest.mark.parametrize(
    "path", sorted((EXAMPLES / "strategies").glob("*.toml")), ids=lambda p: p.stem
)
def test_an_example_of_a_strategy_trains(path: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    out = tmp_path / "run"
    small = ["data.train_limit=20", "train.batch_size=20", "train.device=cpu", "train.threads=1"]
    overrides = [part for text in small for part in ("--set", text)]
    assert main(["train", str(path), "--out", str(out), *overrides]) == 0
    run = RunFolder.open(out)
    assert run.stages()["train"] == "done"
    phases = list(dict.fromkeys(row.get("phase") for row in run.read_metrics()))
    stages = [stage.name for stage in run.config.train.stages]
    assert phases == (stages or {"delayed": ["full", "shrink"]}.get(path.stem, [None]))
