"""What a user gets wrong: one clear message, the right exit code, no traceback."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.cli import main

Fails = Callable[..., str]


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Fails:
    """Return a function that runs a command that must fail, and returns its message."""

    def run(*arguments: object, code: int = 2) -> str:
        capsys.readouterr()
        assert main([str(argument) for argument in arguments]) == code
        message = capsys.readouterr().err
        assert "Traceback" not in message
        assert "error: " in message
        return message.split("error: ", 1)[1]

    return run


def test_unknown_words_get_the_nearest(fails: Fails) -> None:
    assert "'spaces'" in fails("spces")
    assert "'mobile_small'" in fails("spaces", "show", "mobil_small")
    assert "'classes'" in fails("spaces", "show", "mobile_small", "--option", "clases=3")
    assert "--help" in fails("spaces", "show", "--jsn")
    assert "'onnxruntime'" in fails(
        "lut", "build", "--space", "mobile_small", "--runtime", "onnxruntim"
    )


def test_all_errors_of_a_configuration_at_once(fails: Fails, config_file: Path) -> None:
    wrong = ["--set", "train.epochs=zero", "--set", "train.bach_size=3", "--set", "seed=-1"]
    message = fails("train", config_file, *wrong)
    for key in ("train.epochs", "train.bach_size", "seed", "'batch_size'"):
        assert key in message


def test_a_missing_configuration(fails: Fails, tmp_path: Path) -> None:
    assert "does not exist" in fails("run", tmp_path / "no.toml")
    assert "Name a configuration" in fails("search")


def test_wrong_data_leave_no_run_folder(fails: Fails, config_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    message = fails("run", config_file, "--out", out, "--set", "space.options.classes=7")
    assert "space.options.classes = 10" in message
    message = fails(
        "run", config_file, "--out", out, "--set", "data.format=idx", "--set", "data.path=nowhere"
    )
    assert "nowhere" in message
    assert not out.exists()


def test_an_impossible_limit_is_said_before_anything_starts(
    fails: Fails, config_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    message = fails("run", config_file, "--out", out, "--set", "search.limits.macs=1000", code=3)
    assert "the smallest reachable is" in message
    assert not out.exists()
    assert "'macs'" in fails("run", config_file, "--out", out, "--set", "search.limits.mac=1M")


def test_an_impossible_latency_is_said_with_the_smallest(
    fails: Fails, copied_run: Path, config_file: Path
) -> None:
    asked = ["--set", "search.limits.latency_ms=1e-9"]
    message = fails("search", config_file, "--resume", copied_run, *asked, code=3)
    assert "latency_ms" in message
    assert "smallest reachable" in message


def test_a_run_folder_that_exists_is_kept(
    fails: Fails, config_file: Path, finished_run: Path
) -> None:
    assert "--resume" in fails("run", config_file, "--out", finished_run)


def test_a_stage_that_opens_what_the_space_lacks(
    fails: Fails, config_file: Path, tmp_path: Path
) -> None:
    stages = (
        '[{ name = "full", epochs = 1 }, { name = "k", epochs = 1, open = { "kernel_*" = [7] } }]'
    )
    text = config_file.read_text(encoding="utf-8").replace("epochs = 1", f"stages = {stages}")
    config, out = tmp_path / "staged.toml", tmp_path / "run"
    config.write_text(text.replace("[train]", '[train]\nstrategy = "progressive"'))
    message = fails("train", config, "--out", out)
    assert "stage 'k'" in message
    assert "opens 7 of 'kernel_1_0', which the space lacks; allowed are 3, 5" in message
    assert not out.exists()


@pytest.mark.parametrize(
    ("command", "override", "message"),
    [
        ("train", "train.batch_size=5000", "batch_size = 5000 does not go with"),
        ("run", "evaluate.calibration_images=5000", "5000 calibration images were asked for"),
    ],
)
def test_more_than_the_data_have_is_said_before_training(
    fails: Fails, config_file: Path, tmp_path: Path, command: str, override: str, message: str
) -> None:
    error = fails(command, str(config_file), "--set", override, "--out", str(tmp_path / "run"))
    assert message in error
    assert not list((tmp_path / "run").glob("checkpoints/*"))


def test_resuming_with_another_training_names_the_keys(
    fails: Fails, config_file: Path, finished_run: Path
) -> None:
    message = fails("train", config_file, "--resume", finished_run, "--set", "train.epochs=2")
    assert "train.epochs" in message
    assert "What may change" in message


def test_a_run_folder_in_use_names_who_holds_it(fails: Fails, copied_run: Path) -> None:
    from nas.runs import RunFolder

    with RunFolder.open(copied_run).lock():
        message = fails("export", copied_run)
    assert f"process {os.getpid()}" in message


def test_search_needs_a_trained_supernet(
    fails: Fails, config_file: Path, finished_run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    table = finished_run / "latency.lut.json"
    asked = ["--out", out, "--set", f"latency.table={table}"]
    assert "nas train" in fails("search", config_file, *asked)


def test_a_table_of_ours_names_its_device_itself(
    fails: Fails, config_file: Path, finished_run: Path, tmp_path: Path
) -> None:
    table = finished_run / "latency.lut.json"
    asked = ["--set", f"latency.table={table}", "--set", "latency.table_device=phone"]
    message = fails("search", config_file, "--out", tmp_path / "run", *asked)
    assert "latency.table_device = 'phone' is for YAML tables" in message


def test_damaged_files_are_named(fails: Fails, finished_run: Path, copied_run: Path) -> None:
    table = copied_run / "latency.lut.json"
    table.write_text(table.read_text(encoding="utf-8")[:1000], encoding="utf-8")
    assert "latency.lut.json" in fails("lut", "show", table)
    archive = copied_run / "archive.sqlite"
    archive.write_bytes(archive.read_bytes()[:3000])
    shutil.copyfile(finished_run / "latency.lut.json", table)
    assert "archive.sqlite" in fails("export", copied_run)


def test_a_truncated_checkpoint_is_said(fails: Fails, copied_run: Path) -> None:
    for path in (copied_run / "checkpoints").glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:500])
    assert "checkpoint" in fails("export", copied_run)


def test_a_table_of_another_space_or_resolution(
    fails: Fails, finished_run: Path, tmp_path: Path
) -> None:
    from search_spaces import get_space

    table = finished_run / "latency.lut.json"
    for name, options in (("spos_shufflenet_v2", {}), ("mobile_small", {"resolutions": [20]})):
        space = get_space(name, **options)
        row = space.canonical(space.encode(space.decode([0] * len(space.choices)))[None])[0]
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps(space.decode(row).to_json()), encoding="utf-8")
        given = [f"--option={key}={value}" for key, value in options.items()]
        asked = ["cost", "--space", name, *given, "--architecture", file, "--lut", table]
        assert "lacks" in fails(*asked)


def test_a_given_table_measured_otherwise_is_refused(
    fails: Fails, finished_run: Path, config_file: Path, tmp_path: Path
) -> None:
    table = finished_run / "latency.lut.json"
    asked = ["--set", f"latency.table={table}", "--set", "latency.batch_size=4"]
    message = fails("search", config_file, "--out", tmp_path / "run", *asked)
    assert "batch_size" in message


def test_an_architecture_outside_its_space(fails: Fails, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"resolution": 25}', encoding="utf-8")
    message = fails("cost", "--space", "mobile_small", "--architecture", file)
    assert "width_1" in message or "resolution" in message
    file.write_text("[1]", encoding="utf-8")
    assert "JSON object" in fails("cost", "--space", "mobile_small", "--architecture", file)
    assert "Cannot read" in fails(
        "cost", "--space", "mobile_small", "--architecture", tmp_path / "none.json"
    )


def test_export_flags_are_checked_before_any_work(fails: Fails, finished_run: Path) -> None:
    message = fails("export", finished_run, "--top", "0", "--format", "tflite")
    assert "export.top" in message
    assert "tflite" in message
    assert "No evaluated subnet" in fails("export", finished_run, "--id", "zz")
