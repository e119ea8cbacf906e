"""Ensembles, and parts of a space, searched on the trained supernet of a finished run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from nas.archive import Archive
from nas.cli import main
from nas.data import normalise, resize
from nas.export import load_exported, read_manifest
from nas.pipeline import load_splits, subnet_evaluator
from nas.problems import network_space, space_of
from nas.runs import RunFolder
from search_spaces import Architecture
from search_spaces.ensemble import EnsembleSpace

PAIRS = ["--set", "search.ensemble.members=2", "--set", "search.evaluations=8"]


@pytest.fixture(scope="module")
def pairs_run(
    finished_run: Path, config_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A copy of the finished run in which pairs were searched and the best was exported."""
    copy = tmp_path_factory.mktemp("pairs") / "run"
    shutil.copytree(finished_run, copy)
    assert main(["search", str(config_file), "--resume", str(copy), *PAIRS]) == 0
    assert main(["export", str(copy), "--top", "1", "--format", "safetensors,onnx"]) == 0
    return copy


def _best(run: RunFolder) -> Path:
    (folder,) = (
        path for path in run.exports.iterdir() if read_manifest(path).space_name == "ensemble"
    )
    return folder


def test_pairs_have_an_archive_of_their_own(pairs_run: Path, finished_run: Path) -> None:
    run = RunFolder.open(pairs_run)
    with Archive.read(run.archive_path) as archive:
        rows = archive.rows()
        assert archive.space_name == "ensemble"
    assert len(rows) == 8
    for row in rows:
        assert 0 <= row.metrics["diversity"].value <= 1
        assert {"accuracy", "macs", "latency_ms", "peak_memory_bytes"} <= row.metrics.keys()
    before, after = ((p / "archive.sqlite").read_bytes() for p in (finished_run, pairs_run))
    assert before == after


def test_a_pair_is_the_mean_of_its_members_recalibrated(pairs_run: Path) -> None:
    run = RunFolder.open(pairs_run)
    space = network_space(run.config)
    assert isinstance(space, EnsembleSpace)
    splits = load_splits(run.config, space_of(run.config), _silent)
    evaluator = subnet_evaluator(run, space, splits)
    with Archive.read(run.archive_path) as archive:
        row = archive.rows()[0]
    again = evaluator(row.architecture)
    assert again["accuracy"].value == row.metrics["accuracy"].value
    assert again["diversity"].value == pytest.approx(row.metrics["diversity"].value, abs=1e-6)
    alone = subnet_evaluator(run, space_of(run.config), splits)
    images = splits.test.images[:32]
    shape = space.resolution_of(row.architecture)
    ready = resize(normalise(images, splits.mean, splits.std), shape)
    with torch.no_grad():
        said = [alone.subnet(a)(ready) for a in space.member_architectures(row.architecture)]
        expected = sum(said) / len(said)
        assert torch.allclose(evaluator.subnet(row.architecture)(ready), expected, atol=1e-4)


def test_the_exported_pair_is_what_was_scored(pairs_run: Path) -> None:
    run = RunFolder.open(pairs_run)
    folder = _best(run)
    manifest = read_manifest(folder)
    splits = load_splits(run.config, space_of(run.config), _silent)
    evaluator = subnet_evaluator(run, network_space(run.config), splits)
    images = resize(
        normalise(splits.test.images[:16], manifest.mean, manifest.std), manifest.input_shape[-1]
    )
    with torch.no_grad():
        logits = load_exported(folder)(images)
        expected = evaluator.subnet(Architecture(manifest.architecture))(images)
    assert torch.equal(logits, expected)
    measured = json.loads((folder / "measurements.json").read_text(encoding="utf-8"))
    assert measured["exported_accuracy_onnx"]["value"] == measured["test_accuracy"]["value"]
    assert measured["latency_ms_measured"]["value"] > 0


def test_the_report_shows_pairs(pairs_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = RunFolder.open(pairs_run)
    capsys.readouterr()
    assert main(["report", str(pairs_run)]) == 0
    out = capsys.readouterr().out
    assert _best(run).name in out
    others = [path.name for path in run.exports.iterdir() if path != _best(run)]
    assert others
    assert not any(name in out for name in others)
    assert "mean of 2 networks" in run.report_path.read_text(encoding="utf-8")


def test_a_part_of_the_space_is_searched_with_the_same_archive(
    copied_run: Path, config_file: Path
) -> None:
    with Archive.read(copied_run / "archive.sqlite") as archive:
        before = archive.ids()
    keep = ["--set", 'search.keep={"kernel_*" = [3]}', "--set", "search.evaluations=5"]
    assert main(["search", str(config_file), "--resume", str(copied_run), *keep]) == 0
    run = RunFolder.open(copied_run)
    part = space_of(run.config).restrict({"kernel_*": [3]})
    with Archive.read(run.archive_path) as archive:
        rows = archive.rows()
    assert [row.id for row in rows][: len(before)] == before
    inside = [row for row in rows if part.holds(row.architecture)]
    assert len(inside) >= 5
    new = [row for row in rows if row.id not in before]
    assert new
    assert all(part.holds(row.architecture) for row in new)
    assert main(["export", str(copied_run), "--top", "1", "--format", "safetensors"]) == 0


def test_wrong_names_are_refused_before_anything_is_done(
    config_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for override, message in (
        ('search.keep={"kernal_1_0" = [3]}', "Did you mean 'kernel_1_0'"),
        ('space.keep={"kernel_1_0" = []}', "no option would be left"),
        ("search.ensemble.members=1", "greater than or equal to 2"),
        ('search.ensemble.splits=["stage9.0"]', "Did you mean 'stage"),
    ):
        out = tmp_path / "new"
        asked = ["run", str(config_file), "--set", override, "--out", str(out)]
        assert main(asked) == 2
        assert message in capsys.readouterr().err
        assert not out.exists()


def test_shrink_says_what_remains(
    finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    section = tmp_path / "keep.toml"
    asked = ["mobile_small", "--keep", "kernel_*=[3]", "--within", "macs/params=30..40"]
    assert main(["spaces", "shrink", *asked, "--json", "--out", str(section)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["within"][0]["exact"]
    assert 0 < found["fraction"] < 1
    assert found["keep"]["kernel_1_0"] == [3]
    assert section.read_text(encoding="utf-8").startswith("[search.keep]\n")
    assert main(["spaces", "shrink", str(finished_run)]) == 2
    assert "9 evaluations say too little" in capsys.readouterr().err
    assert main(["spaces", "shrink", "mobile_small", "--within", "macs=1..2"]) == 3
    assert main(["spaces", "shrink", "mobile_small", "--within", "maccs=1..2"]) == 2
    assert "Did you mean 'macs'" in capsys.readouterr().err


def _silent(title: str) -> object:
    from contextlib import nullcontext

    from search_spaces.progress import silent

    return nullcontext(silent)
