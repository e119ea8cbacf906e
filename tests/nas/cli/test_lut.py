"""``nas lut``: what it prints, for people and for scripts, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nas.cli import main
from predictors.latency import load_table
from search_spaces import get_space

SMALL = ("--space", "nasbench201", "--option", "resolution=8", "--option", "width=4")
QUICK = ("--rounds", "4", "--calibration-nets", "8", "--validation-nets", "3")

Prints = Callable[..., Any]


@pytest.fixture
def prints(capsys: pytest.CaptureFixture[str]) -> Prints:
    """Return a function that runs ``nas lut`` and returns its output, or the object in it."""

    def run(*arguments: object, code: int = 0) -> Any:
        capsys.readouterr()
        assert main(["lut", *map(str, arguments)]) == code
        found = capsys.readouterr()
        if code:
            assert "Traceback" not in found.err
            return found.err
        return json.loads(found.out) if "--json" in arguments else found.out

    return run


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a table of this machine; tests must not change it."""
    pytest.importorskip("onnxruntime")
    path = tmp_path_factory.mktemp("tables") / "here.lut.json"
    assert main(["lut", "build", *SMALL, *QUICK, "--out", str(path)]) == 0
    return path


def test_plan(prints: Prints) -> None:
    pytest.importorskip("onnxruntime")
    figures = prints("plan", *SMALL, "--json")
    assert figures["blocks"] > 15
    assert figures["networks"] == 40
    assert 0 < figures["estimated_minutes"] < 5
    assert f"{figures['blocks']} different blocks" in prints("plan", *SMALL)


def test_a_configuration_names_the_space(prints: Prints, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    config = tmp_path / "c.toml"
    config.write_text(
        '[space]\nname = "nasbench201"\noptions = { resolution = 8, width = 4 }\n'
        '[data]\nformat = "digits"\nvalidation = 9\n'
        "[train]\nepochs = 1\nbatch_size = 8\nlearning_rate = 0.1\n"
        "[latency]\nbatch_size = 2\n"
    )
    for given in ((config,), ("--space", config)):
        assert "batch 2" in prints("plan", *given)
    assert prints("plan", config, "--batch", "1", "--json")["space"] == "nasbench201"
    assert "leave out --space, --option and --keep" in prints("plan", config, *SMALL, code=2)


def test_show_is_json_for_scripts(prints: Prints, table: Path) -> None:
    shown = prints("show", table, "--json")
    assert shown["threads"] == 1
    assert shown["validation"]["nets"] == 3
    assert "held out     3 networks" in prints("show", table)


def test_validation_figures(prints: Prints, table: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.lut.json"
    copy.write_bytes(table.read_bytes())
    kept = prints("validate", copy, "--json")
    assert kept["machine_drift"] is None
    figures = prints("validate", copy, "--nets", "6", "--rounds", "4", "--json")
    names = {"nets", "spearman", "kendall", "bias", "within_5_percent", "within_10_percent"}
    assert names <= set(figures)
    assert names <= set(figures["ceiling"])
    assert figures["nets"] == 6
    assert figures["machine_drift"] > 0
    assert "worst: measured" in prints("validate", copy)
    assert prints("calibrate", copy, "--nets", "9", "--rounds", "3", "--json")["nets"] == 9
    assert "9 networks" in prints("calibrate", copy)


def test_a_part_of_a_space(prints: Prints, tmp_path: Path) -> None:
    """From `nas lut build --keep` and `nas lut kit --keep` to validated and imported tables."""
    from predictors.latency.runner.main import main as runner
    from predictors.latency.runtimes.onnx_runtime import OnnxRuntime

    pytest.importorskip("onnxruntime")
    first = get_space("nasbench201").choices[0].name
    part = (*SMALL, "--keep", f"{first}=['none','skip_connect']")
    built, imported, folder = tmp_path / "b.lut.json", tmp_path / "i.lut.json", tmp_path / "kit"
    shown = prints("build", *part, *QUICK, "--out", built, "--json")
    assert shown["space"]["keep"] == {first: ["none", "skip_connect"]}
    assert prints("validate", built, "--nets", "6", "--rounds", "3", "--json")["nets"] == 6
    prints("kit", *part, *QUICK, "--out", folder)
    assert runner(OnnxRuntime(), ["--folder", str(folder)]) == 0
    shown = prints("import", folder / "result.json", "--kit", folder, "--out", imported, "--json")
    assert shown["space"]["keep"] == {first: ["none", "skip_connect"]}
    assert prints("merge", built, imported, "--out", tmp_path / "m.lut.json", "--json")
    assert "of a part of nasbench201" in prints("show", imported)


def test_kit_and_import(prints: Prints, tmp_path: Path) -> None:
    from predictors.latency.runner.main import main as runner
    from predictors.latency.runtimes.onnx_runtime import OnnxRuntime

    pytest.importorskip("onnxruntime")
    folder = tmp_path / "kit"
    assert "python3 runner.pyz" in prints("kit", *SMALL, *QUICK, "--out", folder)
    assert runner(OnnxRuntime(), ["--folder", str(folder)]) == 0
    out = tmp_path / "t.lut.json"
    said = prints("import", folder / "result.json", "--kit", folder, "--out", out)
    assert "held out     3 networks" in said
    assert "exists already" in prints("import", folder / "result.json", "--out", out, code=2)


def test_a_published_table(prints: Prints, shared_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    found = sorted(shared_data.rglob("*.yaml"))
    source = next((path for path in found if "note10" in path.name.lower()), None)
    if source is None:
        pytest.skip("no once-for-all table in ../shared/data")
    out = tmp_path / "note10.lut.json"
    space = ("--space", "ofa_mobilenet_v3", "--option", "width=1.2")
    space += ("--option", "resolutions=[224]")
    asked = ("import", source, *space, "--out", out)
    assert "--device" in prints(*asked, code=2)
    shown = prints(*asked, "--device", "Samsung Note10", "--json")
    assert shown["device"]["cpu"] == "Samsung Note10"
    assert shown["validation"] is None
    assert all(row.timing.runs == 0 for row in load_table(out).rows)
    assert "published by others" in prints("validate", out, "--nets", "5", code=2)


def test_merge_and_diff(prints: Prints, table: Path, tmp_path: Path) -> None:
    assert "the same measurement" in prints(
        "merge", table, table, "--out", tmp_path / "m.lut.json", code=2
    )
    found = prints("diff", table, table, "--json")
    assert found["spearman"] == pytest.approx(1)
    assert found["ratio_quantiles"]["0.5"] == pytest.approx(1)
    assert "the same thing measured twice" in prints("diff", table, table)


def test_a_table_by_a_command(prints: Prints, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    bench = tmp_path / "bench"
    bench.write_text('#!/bin/sh\necho "$(wc -c < "$1") us"\n')
    bench.chmod(0o755)
    command = ("--command", f"{bench} {{model}}", "--device", "board 3")
    shown = prints("build", *SMALL, *QUICK, *command, "--out", tmp_path / "t.lut.json", "--json")
    assert shown["device"]["cpu"] == "board 3"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("remote", *SMALL), "--host USER@HOST"),
        (("remote", *SMALL, "--host", "a", "--adb"), "not both"),
        (("remote", *SMALL, "--adb"), "prints milliseconds"),
        (("remote", *SMALL, "--host", "a", "--command", "x {model}"), "runner.pyz --command"),
        (("build", *SMALL, "--command", "./bench"), "--device"),
        (("build", *SMALL, "--runtime", "openvin"), "'openvino'"),
        (("build", *SMALL, "--dtype", "int8"), "float32 only"),
        (("build", *SMALL, "--threads", "100000"), "Choose from 1 to"),
        (("kit", *SMALL, "--runtime", "torch"), "reads no files"),
        (("show", "none.lut.json"), "Cannot read"),
        (("import", "none.json"), "Cannot read"),
        (("calibrate", "none.lut.json", "--nets", "0"), "at least 1"),
        (("buidl",), "invalid choice"),
    ],
)
def test_bad_input(prints: Prints, arguments: tuple[str, ...], said: str) -> None:
    assert said in prints(*arguments, code=2)
