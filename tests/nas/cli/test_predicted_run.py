"""Fitted predictors as costs of a run: from measured networks to limits that are kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nas.archive import Archive
from nas.cli import main
from nas.latency_tables import read_table
from nas.runs import RunFolder
from predictors import Macs, Params, Provenance, TableError, compile_cost, learned
from search_spaces import get_space
from tests.nas.cli.conftest import CONFIG

pytest.importorskip("sklearn")

SPACE = {"classes": 10, "channels": 1, "resolutions": [12]}
LATENCY = CONFIG[CONFIG.index("[latency]") : CONFIG.index("[evaluate]")]
SECTION = '[[predictors]]\npath = "{}.npz"\n\n'
PLAIN = (
    CONFIG.replace(LATENCY, "")
    .replace('["safetensors", "onnx"]', '["safetensors"]')
    .replace("population = 6\nparents = 3", 'searcher = "nsga2"\npopulation = 6')
    .replace("evaluations = 9", 'evaluations = 9\nminimize = ["energy_mj"]')
    .replace('macs = "50%"\n', 'macs = "50%"\nenergy_mj = "60%"\n')
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with predictors of energy and latency, and a configuration of both."""
    folder = tmp_path_factory.mktemp("predicted")
    space = get_space("mobile_small", **SPACE)
    rows = space.unique(space.sample(40, np.random.default_rng(0)))
    macs, params = (compile_cost(space, cost)(rows) for cost in (Macs(), Params()))
    values = {"energy_mj": 2.0 + macs / 2e4, "latency_ms": 0.1 + macs / 1e6 + params / 1e6}
    nets = [
        {"architecture": a.to_json(), **{name: float(v[i]) for name, v in values.items()}}
        for i, a in enumerate(space.decode_all(rows))
    ]
    (folder / "nets.json").write_text(json.dumps(nets), encoding="utf-8")
    for metric in values:
        fit_prices(folder, metric)
    process = learned.fit(
        space,
        rows,
        values["energy_mj"],
        metric="energy_mj",
        provenance=Provenance("measured", "test"),
        candidates=[learned.Candidate("gaussian_process", "layers")],
    )
    learned.save_predictor(process, folder / "process.npz")
    sections = "".join(SECTION.format(metric) for metric in values)
    (folder / "tiny.toml").write_text(f"{PLAIN}\n{sections}", encoding="utf-8")
    return folder


def fit_prices(folder: Path, metric: str, *, nets: str = "nets.json") -> None:
    named = ["--space", "mobile_small", "--metric", metric, "--model", "additive"]
    named += ["--out", str(folder / f"{metric}.npz")]
    named += [f"--option={key}={json.dumps(value)}" for key, value in SPACE.items()]
    assert main(["predictor", "fit", str(folder / nets), *named]) == 0


def refused(folder: Path, capsys: pytest.CaptureFixture[str], old: str, new: str) -> str:
    """Return why a changed configuration is refused."""
    text = (folder / "tiny.toml").read_text(encoding="utf-8")
    assert old in text
    (folder / "changed.toml").write_text(text.replace(old, new), encoding="utf-8")
    capsys.readouterr()
    assert main(["run", str(folder / "changed.toml"), "--dry-run"]) != 0
    return capsys.readouterr().err


def test_a_run_keeps_predicted_limits(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    config = folder / "tiny.toml"
    assert main(["run", str(config), "--out", str(out)]) == 0
    assert "mJ" in capsys.readouterr().out
    run = RunFolder.open(out)
    space = get_space("mobile_small", **SPACE)
    with Archive.read(run.archive_path) as archive:
        rows = archive.rows()
    population = space.encode_all(row.architecture for row in rows)
    largest = space.encode(compile_cost(space, Macs()).maximum().architecture)[None]
    assert len(rows) == 9
    for metric, share in (("energy_mj", 0.6), ("latency_ms", 0.7)):
        predictor = learned.load_predictor(folder / f"{metric}.npz")
        predicted = predictor(population)
        assert predicted.max() <= share * predictor(largest)[0] * (1 + 1e-6)
        recorded = [row.metrics[metric] for row in rows]
        np.testing.assert_allclose([value.value for value in recorded], predicted)
        assert {value.provenance.kind for value in recorded} == {"predicted"}
    assert "fitted on whole networks" in run.report_path.read_text(encoding="utf-8")
    # The run has copies: it goes on, and is reported, without the files it was given.
    for metric in ("energy_mj", "latency_ms"):
        (folder / f"{metric}.npz").rename(folder / f"{metric}.away")
    try:
        assert main(["search", "--resume", str(out)]) == 0
        assert main(["report", str(out)]) == 0
        assert "Cannot read the predictor" in refused(folder, capsys, "seed = 1", "seed = 2")
    finally:
        for metric in ("energy_mj", "latency_ms"):
            (folder / f"{metric}.away").rename(folder / f"{metric}.npz")


def test_what_cannot_be_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    limit = 'energy_mj = "60%"'
    space = get_space("mobile_small", **SPACE)
    smallest = learned.load_predictor(folder / "energy_mj.npz")(
        space.sample(4096, np.random.default_rng(0))
    )
    message = refused(folder, capsys, limit, 'energy_mj = "1 mJ"')
    assert "No architecture of mobile_small meets the limit on energy_mj" in message
    reachable = float(message.partition("at least ")[2].partition(",")[0])
    assert 1.0 < reachable <= smallest.min()
    assert "keeps no errors" in refused(folder, capsys, limit, 'energy_mj = "60% @ 95%"')
    message = refused(folder, capsys, '"energy_mj.npz"', '"process.npz"')
    assert "--model additive" in message
    sections = f"{SECTION.format('energy_mj')}{SECTION.format('latency_ms')}"
    message = refused(folder, capsys, sections, '[predictors]\npath = "energy_mj.npz"\n')
    assert "write [[predictors]]" in message
    assert "Did you mean 'energy_mj'" in refused(folder, capsys, limit, "energy = 3")


def test_each_cost_has_one_source(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(folder, capsys, '"energy_mj.npz"', '"latency_ms.npz"')
    assert "two give latency_ms" in message
    message = refused(folder, capsys, "[evaluate]", "[latency]\n\n[evaluate]")
    assert "Leave out one of the two" in message


def test_a_predictor_of_what_is_counted_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nets = json.loads((folder / "nets.json").read_text(encoding="utf-8"))
    renamed = [{"architecture": net["architecture"], "params": net["energy_mj"]} for net in nets]
    (folder / "counted.json").write_text(json.dumps(renamed), encoding="utf-8")
    fit_prices(folder, "params", nets="counted.json")
    message = refused(folder, capsys, '"energy_mj.npz"', '"params.npz"')
    assert "params is known without a predictor" in message


def test_a_table_of_energy_is_a_cost(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table is built by a command, limits a run, and is copied into it."""
    pytest.importorskip("onnx")
    meter = folder / "meter"
    meter.write_text("#!/bin/sh\necho $(wc -c < $1) uJ\n", encoding="utf-8")
    meter.chmod(0o755)
    table = folder / "meter.lut.json"
    options = [f"--option={key}={json.dumps(value)}" for key, value in SPACE.items()]
    build = ["lut", "build", "--space", "mobile_small", *options, "--metric", "energy_uj"]
    build += ["--command", f"{meter} {{model}}", "--device", "board", "--rounds", "2"]
    build += ["--calibration-nets", "8", "--validation-nets", "0", "--out", str(table)]
    assert main(build) == 0
    text = (folder / "tiny.toml").read_text(encoding="utf-8")
    text = text.replace('"energy_mj.npz"', '"meter.lut.json"').replace("energy_mj", "energy_uj")
    (folder / "energy.toml").write_text(text, encoding="utf-8")
    out = tmp_path / "run"
    assert main(["run", str(folder / "energy.toml"), "--out", str(out)]) == 0
    with Archive.read(RunFolder.open(out).archive_path) as archive:
        values = [row.metrics["energy_uj"] for row in archive.rows()]
    assert {(value.provenance.kind, value.provenance.device) for value in values} == {
        ("table", "board")
    }
    assert (out / "predictor_1.json").read_bytes() == table.read_bytes()
    with_confidence = text.replace('energy_uj = "60%"', 'energy_uj = "60% @ 95%"')
    (folder / "energy.toml").write_text(with_confidence, encoding="utf-8")
    assert main(["run", str(folder / "energy.toml"), "--dry-run"]) == 2
    assert "only limits on latency" in capsys.readouterr().err
    with pytest.raises(TableError, match=r"of energy_uj, not of latency_ms.*\[\[predictors\]\]"):
        read_table(table)


def test_another_space_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(folder, capsys, "resolutions = [12]", "resolutions = [16]")
    assert "energy_mj.npz: It was fitted on mobile_small with" in message
