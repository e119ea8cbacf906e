"""The whole chain through the command line, on digits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nas.archive import Archive
from nas.cli import main
from nas.runs import RunFolder

METRICS = {
    "accuracy",
    "macs",
    "params",
    "peak_memory_bytes",
    "latency_ms",
    "latency_ms_measured",
    "test_accuracy",
    "exported_accuracy",
}


def test_a_run_leaves_everything_behind(finished_run: Path) -> None:
    run = RunFolder.open(finished_run)
    stages = ("latency", "train", "search", "export", "report")
    assert run.stages() == dict.fromkeys(stages, "done")
    assert run.report_path.read_text(encoding="utf-8").startswith("<!")
    (exported,) = run.exports.iterdir()
    assert {path.name for path in exported.iterdir()} >= {
        "architecture.json",
        "model.safetensors",
        "model.onnx",
        "README.md",
        "measurements.json",
    }


def test_the_archive_has_every_number_with_its_origin(finished_run: Path) -> None:
    run = RunFolder.open(finished_run)
    (exported,) = run.exports.iterdir()
    with Archive.read(run.archive_path) as archive:
        rows = {row.id: row for row in archive.rows()}
    assert len(rows) == 9
    metrics = rows[exported.name].metrics
    assert set(metrics) >= METRICS
    kinds = {name: metrics[name].provenance.kind for name in METRICS}
    assert (
        kinds["accuracy"] == kinds["test_accuracy"] == kinds["latency_ms_measured"] == "measured"
    )
    assert kinds["latency_ms"] == "table"
    assert kinds["macs"] == kinds["params"] == "analytic"
    assert metrics["latency_ms_measured"].provenance.device


def test_every_evaluated_subnet_meets_the_limits(finished_run: Path) -> None:
    run = RunFolder.open(finished_run)
    with Archive.read(run.archive_path) as archive:
        rows = archive.rows()
    from nas.problems import build_problem, space_of
    from predictors.latency import load_table

    space = space_of(run.config)
    problem = build_problem(run.config, space, {"latency_ms": load_table(run.latency_tables()[0])})
    assert problem.feasible(space.encode_all(row.architecture for row in rows)).all()


def test_resuming_a_finished_run_changes_nothing(
    copied_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (copied_run / "latency.lut.json").read_bytes()
    with Archive.read(copied_run / "archive.sqlite") as archive:
        ids = archive.ids()
    assert main(["search", "--resume", str(copied_run)]) == 0
    with Archive.read(copied_run / "archive.sqlite") as archive:
        assert archive.ids() == ids
    assert (copied_run / "latency.lut.json").read_bytes() == before
    assert "reachable" in capsys.readouterr().out


def test_search_again_with_other_limits_keeps_the_archive(
    copied_run: Path, config_file: Path
) -> None:
    with Archive.read(copied_run / "archive.sqlite") as archive:
        before = archive.ids()
    tighter = ["--set", "search.limits.macs=30%", "--set", "search.evaluations=4"]
    assert main(["search", str(config_file), "--resume", str(copied_run), *tighter]) == 0
    with Archive.read(copied_run / "archive.sqlite") as archive:
        after = archive.ids()
    assert after[: len(before)] == before
    assert RunFolder.open(copied_run).config.search.limits["macs"] == "30%"


def test_export_one_subnet_by_the_beginning_of_its_id(
    copied_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Archive.read(copied_run / "archive.sqlite") as archive:
        id = archive.ids()[0]
    assert main(["export", str(copied_run), "--id", id[:10], "--format", "safetensors"]) == 0
    assert (copied_run / "exports" / id / "model.safetensors").is_file()
    assert str(copied_run / "exports" / id) in capsys.readouterr().out


def test_report_prints_the_table(finished_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (exported,) = (finished_run / "exports").iterdir()
    assert main(["report", str(finished_run)]) == 0
    out = capsys.readouterr().out
    assert exported.name in out
    assert "report.html" in out


def test_cost_as_json_with_a_table(finished_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (exported,) = (finished_run / "exports").iterdir()
    table = finished_run / "latency.lut.json"
    file = exported / "architecture.json"
    assert main(["cost", "--architecture", str(file), "--lut", str(table), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    measured = json.loads((exported / "measurements.json").read_text(encoding="utf-8"))
    for metric in ("macs", "params", "peak_memory_bytes", "latency_ms"):
        assert found[metric] == pytest.approx(measured[metric]["value"])
    assert found["provenance"]["latency_ms"]["kind"] == "table"
    assert found["id"] == exported.name


def test_lut_build_and_show(
    config_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime")
    table = tmp_path / "t.lut.json"
    options = ["--option", "resolutions=[8]", "--option", "channels=1"]
    asked = ["lut", "build", "--space", "mobile_small", *options, "--rounds", "3"]
    assert main([*asked, "--out", str(table)]) == 0
    capsys.readouterr()
    assert main(["lut", "show", str(table), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runtime"].startswith("onnxruntime")
