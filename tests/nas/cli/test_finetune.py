"""``nas finetune``: a subnet trained on, exported with its own numbers, its run untouched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nas.archive import Archive
from nas.cli import main
from nas.runs import RunFolder


def test_a_subnet_is_finetuned_and_exported_beside_its_run(
    copied_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunFolder.open(copied_run)
    (exported,) = run.exports.iterdir()
    archive, inherited = (
        run.archive_path.read_bytes(),
        (exported / "measurements.json").read_text(),
    )
    asked = ["finetune", str(copied_run), "--id", exported.name[:10], "--epochs", "2"]
    asked += ["--inner-weight", "0.1", "--inner-slot", "stem"]
    assert main(asked) == 0
    assert run.archive_path.read_bytes() == archive
    assert (exported / "measurements.json").read_text() == inherited
    tuned = RunFolder.open(run.finetuned(exported.name))
    folder = tuned.exports / exported.name
    assert (folder / "model.onnx").is_file()
    measured = json.loads((folder / "measurements.json").read_text())
    before = json.loads(inherited)
    assert measured["macs"]["value"] == before["macs"]["value"]
    assert measured["params"]["value"] == before["params"]["value"]
    assert measured["test_accuracy"]["value"] > before["test_accuracy"]["value"]
    assert measured["exported_accuracy_onnx"]["value"] == measured["test_accuracy"]["value"]
    assert "fine-tuned" in capsys.readouterr().out
    with Archive.read(tuned.archive_path) as rows:
        assert rows.ids() == [exported.name]
    losses = [row["loss"] for row in tuned.read_metrics()]
    assert losses[-1] < losses[0]


def test_finetuning_is_gone_on_with_and_not_mixed_up(
    copied_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (exported,) = (copied_run / "exports").iterdir()
    asked = ["finetune", str(copied_run), "--id", exported.name, "--epochs", "1"]
    assert main(asked) == 0
    stored = sorted(
        (RunFolder.open(copied_run).finetuned(exported.name) / "checkpoints").iterdir()
    )
    before = stored[-1].read_bytes()
    assert main(asked) == 0
    assert stored[-1].read_bytes() == before
    assert main([*asked, "--learning-rate", "0.5"]) == 2
    message = capsys.readouterr().err
    assert "learning_rate = 0.01" in message
    assert "remove the folder" in message
    assert main([*asked[:-1], "0"]) == 2
    assert "train.epochs = 0" in capsys.readouterr().err


def test_the_strategy_belongs_to_the_command(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(config_file), "--set", "train.strategy=finetune"]) == 2
    assert "nas finetune RUN --id ID" in capsys.readouterr().err
