"""A run whose supernet was imported: searched, exported and reported, but not trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nas.archive import Archive
from nas.cli import main
from nas.runs import RunFolder
from predictors import Macs, compile_cost
from predictors.foreign import load_lookup_table
from predictors.foreign.keys import keys_of
from search_spaces import get_space
from tests.nas.foreign import attentive_reference, autoformer_reference, ofa_reference
from tests.nas.foreign.reference import random_state, saved

CLASSES = 10
SIZE = autoformer_reference.Size(256, 4, 4.0, 2, 8, 32, CLASSES)
SHAPES = {
    "ofa": ofa_reference.shapes(ofa_reference.MOBILENET, 1.0, CLASSES),
    "attentive_nas": attentive_reference.shapes(CLASSES),
    "autoformer": autoformer_reference.shapes(SIZE),
}
SPACES = {
    "ofa": 'name = "ofa_mobilenet_v3"\noptions = { classes = 10, resolutions = [32] }',
    "attentive_nas": 'name = "attentive_nas"\noptions = { classes = 10, resolutions = [32] }',
    "autoformer": (
        'name = "autoformer"\noptions = { classes = 10, resolution = 32, patch = 8, '
        "depths = [1, 2], prefix_bias = true }"
    ),
}


def _config(folder: Path, format: str, *, limits: str = 'macs = "70%"', more: str = "") -> Path:
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for split, count in (("train", 120), ("test", 40)):
        arrays[f"x_{split}"] = rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
        arrays[f"y_{split}"] = np.arange(count) % CLASSES
    np.savez(folder / "images.npz", **arrays)
    config = folder / "search.toml"
    config.write_text(
        f"[space]\n{SPACES[format]}\n"
        '[data]\nformat = "npz"\npath = "images.npz"\nvalidation = 40\n'
        "[train]\nepochs = 1\nbatch_size = 64\nlearning_rate = 0.05\nthreads = 1\n"
        "[evaluate]\ncalibration_images = 40\n"
        "[search]\npopulation = 4\nparents = 2\nevaluations = 5\n"
        f"[search.limits]\n{limits}\n[export]\ntop = 1\nformats = ['safetensors']\n{more}",
        encoding="utf-8",
    )
    return config


@pytest.mark.slow
@pytest.mark.parametrize("format", SHAPES)
def test_the_imported_supernet_is_searched_exported_and_reported(
    format: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = random_state(SHAPES[format], torch.Generator().manual_seed(0))
    run = str(tmp_path / "run")
    command = ["import-checkpoint", "--format", format, str(saved(tmp_path, state))]
    assert main([*command, "--config", str(_config(tmp_path, format)), "--out", run]) == 0
    capsys.readouterr()
    assert main(["train", "--resume", run]) == 2
    refused = capsys.readouterr().err
    assert f"was trained elsewhere ({format} checkpoint foreign.pth, imported 2" in refused
    assert f"nas search --resume {run}" in refused
    folder = RunFolder.open(run)
    assert folder.stages() == {"train": "done"}
    assert main(["run", "--resume", run]) == 0
    source = folder.imported()
    assert source.startswith(f"{format} checkpoint foreign.pth, imported 2")
    page = folder.report_path.read_text(encoding="utf-8")
    assert f"was not trained in this run; its weights: {source}" in page
    assert page.count(source) == 2, "in the section on training, and where the numbers come from"
    (exported,) = folder.exports.iterdir()
    assert json.loads((exported / "architecture.json").read_text())["weights"] == source
    assert f"Its weights were trained elsewhere: {source}" in (exported / "README.md").read_text()
    assert (exported / "model.safetensors").exists()
    with Archive.read(folder.archive_path) as archive:
        origins = {row.metrics["accuracy"].provenance.source for row in archive.rows()}
    recalibrated = ["batch norm recalibrated on 40" in origin for origin in origins]
    assert all(recalibrated) == any(recalibrated) == (format != "autoformer")


def _published_table(path: Path) -> None:
    """Write a YAML table of once-for-all for the space of the format "ofa"."""
    space = get_space("ofa_mobilenet_v3", classes=CLASSES, resolutions=[32])
    keys = {k for b in space.distinct_blocks() for k in keys_of(b, "once-for-all") or ()}
    rows = (f'"{key}": {{count: 9, mean: {1 + i % 7}.5, std: 0.1}}' for i, key in enumerate(keys))
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


@pytest.mark.slow
def test_a_published_latency_table_limits_the_search(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("yaml", reason="PyYAML comes with the extra foreign")
    table = tmp_path / "phone.yaml"
    _published_table(table)
    state = random_state(SHAPES["ofa"], torch.Generator().manual_seed(0))
    imported = ["import-checkpoint", "--format", "ofa", str(saved(tmp_path, state))]

    def configured(latency: str) -> list[str]:
        section = f'[latency]\ntable = "{table.name}"\n{latency}\n'
        config = _config(tmp_path, "ofa", limits='latency_ms = "80%"', more=section)
        return [*imported, "--config", str(config)]

    unknown = str(tmp_path / "unknown")
    assert main([*configured("threads = 2"), "--out", unknown]) == 0
    assert main(["search", "--resume", unknown]) == 2
    assert "phone.yaml does not say how it was measured, so threads" in capsys.readouterr().err
    run = tmp_path / "run"
    assert main([*configured('table_device = "Some phone"'), "--out", str(run)]) == 0
    assert main(["run", "--resume", str(run)]) == 0
    assert (run / "latency.lut.yaml").read_bytes() == table.read_bytes()
    space = get_space("ofa_mobilenet_v3", classes=CLASSES, resolutions=[32])
    prices = compile_cost(space, load_lookup_table(table))
    largest = compile_cost(space, Macs()).maximum().architecture
    with Archive.read(run / "archive.sqlite") as archive:
        rows = archive.rows()
    assert rows
    for row in rows:
        assert prices.of(row.architecture) <= 0.8 * prices.of(largest)
    (exported,) = [row for row in rows if "test_accuracy" in row.metrics]
    latency = exported.metrics["latency_ms"]
    assert latency.value == prices.of(exported.architecture)
    assert latency.provenance.device == "Some phone"
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "latency.lut.yaml, a table of once-for-all" in page
    assert "Some phone" in page
