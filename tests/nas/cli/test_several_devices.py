"""One run under limits of this machine and of a phone whose table was measured elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nas.archive import Archive
from nas.cli import main
from nas.export import read_measurements
from predictors.latency import load_table, save_table
from tests.nas.cli.conftest import CONFIG
from tests.nas.test_several_latencies import slower

SECTIONS = """
[latency.here]
table = "{here}"
[latency.phone]
table = "{phone}"
"""


@pytest.fixture(scope="module")
def run_of_two(
    finished_run: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, Path]:
    """Return the folder of a whole run for two devices, its configuration and a third table."""
    folder = tmp_path_factory.mktemp("two")
    here, phone = finished_run / "latency.lut.json", folder / "phone.lut.json"
    save_table(slower(load_table(here), 7.0, "Pixel"), phone)
    text = CONFIG.replace(
        '[latency]\nruntime = "onnxruntime"\nrounds = 3\n', SECTIONS.format(here=here, phone=phone)
    ).replace(
        'latency_ms = "70%"',
        'here_latency_ms = "80%"\nphone_latency_ms = "70%"\npeak_memory_bytes = "300 KiB"',
    )
    text = text.replace("parents = 3", 'searcher = "nsga2"\nminimize = ["phone_latency_ms"]')
    config = folder / "two.toml"
    config.write_text(text, encoding="utf-8")
    run = folder / "run"
    assert main(["run", str(config), "--out", str(run)]) == 0
    return run, config, phone


def test_every_device_is_recorded_and_reported(run_of_two: tuple[Path, Path, Path]) -> None:
    run, *_ = run_of_two
    with Archive.read(run / "archive.sqlite") as archive:
        rows = archive.rows()
    for row in rows:
        here, phone = (row.metrics[f"{name}_latency_ms"] for name in ("here", "phone"))
        assert phone.value > 2 * here.value
        assert "Pixel" in phone.provenance.device
        assert "Pixel" not in here.provenance.device
    folder = next(iter((run / "exports").glob("*/architecture.json"))).parent
    metrics = read_measurements(folder)
    assert metrics["here_latency_ms_measured"].provenance.kind == "measured"
    assert "phone_latency_ms_measured" not in metrics
    card = (folder / "README.md").read_text("utf-8")
    assert "| Predicted latency, phone |" in card
    assert "Only predicted; the export timed nothing in that place: Predicted latency, phone." in (
        card
    )
    page = (run / "report.html").read_text("utf-8")
    assert "Predicted latency, phone" in page
    assert '<th class="number">Measured latency, here</th>' in page
    assert '<th class="number">Measured latency, phone</th>' not in page
    assert "this table is of Pixel" in page


def test_the_front_of_all_objectives_is_kept_and_exported(
    run_of_two: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run, *_ = run_of_two
    kept = json.loads((run / "front.json").read_text("utf-8"))
    assert kept["objectives"] == ["accuracy", "phone_latency_ms"]
    points = [(net["accuracy"], net["phone_latency_ms"]) for net in kept["subnets"]]
    assert points == sorted(points, reverse=True)
    assert [latency for _, latency in points] == sorted((t for _, t in points), reverse=True)
    page = (run / "report.html").read_text("utf-8")
    assert f"{len(points)} of the 9 evaluated subnets are within all limits and beaten by" in page
    assert main(["export", str(run), "--front", "--format", "safetensors"]) == 0
    printed = capsys.readouterr().out
    for net in kept["subnets"]:
        assert (run / "exports" / net["id"] / "model.safetensors").exists()
        assert f"exported: {run / 'exports' / net['id']}" in printed


def test_a_sweep_over_one_of_the_devices(
    run_of_two: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run, config, _ = run_of_two
    command = ["search", str(config), "--resume", str(run), "--set", "search.evaluations=15"]
    assert main([*command, "--sweep", "phone_latency_ms=20%..70%:25%"]) == 0
    assert "Predicted latency, phone" in capsys.readouterr().out
    table = json.loads((run / "sweep.json").read_text("utf-8"))
    assert [table["metric"], len(table["targets"])] == ["phone_latency_ms", 3]


def test_a_device_may_be_added_to_a_trained_supernet(
    run_of_two: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run, config, phone = run_of_two
    command = ["search", str(config), "--resume", str(run), "--set", "search.evaluations=18"]
    more = ["--set", f"latency.watch.table={phone}", "--set", "search.limits.watch_latency_ms=60%"]
    assert main([*command, *more]) == 0
    out = capsys.readouterr().out
    assert "Predicted latency, watch" in out
    assert "pred. lat., watch" in out
    assert main([*command, "--set", "latency.phone.threads=2"]) == 2
    assert "made with other values of: latency.phone.threads" in capsys.readouterr().err


def test_costs_of_one_architecture_by_several_tables(
    run_of_two: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run, _, phone = run_of_two
    architecture = next(iter((run / "exports").glob("*/architecture.json")))
    command = ["cost", "--architecture", str(architecture)]
    tables = ["--lut", f"phone={phone}", "--lut", str(run / "here_latency.lut.json")]
    assert main([*command, *tables, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["phone_latency_ms"] > 2 * printed["latency_ms"]
    assert printed["provenance"]["phone_latency_ms"]["device"].startswith("Pixel")
    assert main([*command, "--lut", str(phone), "--lut", str(phone)]) == 2
    assert "Name each device: --lut phone=" in capsys.readouterr().err


def test_a_plan_needs_to_know_which_section(
    run_of_two: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    _, config, _ = run_of_two
    assert main(["lut", "plan", str(config)]) == 2
    assert "[latency.here], [latency.phone]; say which: --section here" in capsys.readouterr().err
    assert main(["lut", "plan", str(config), "--section", "phone", "--json"]) == 0
