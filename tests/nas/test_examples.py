"""Every configuration that is shown trains."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.cli import main
from nas.config import load_config
from nas.runs import RunFolder
from search_spaces import list_spaces

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(EXAMPLES.rglob("*.toml")) if path.name != "pyproject.toml"],
    ids=lambda p: p.stem,
)
def test_an_example_is_a_valid_configuration(path: Path) -> None:
    assert load_config(path).space.name in list_spaces()


STRATEGIES = sorted((EXAMPLES / "strategies").glob("*.toml"))
TAUGHT = EXAMPLES / "strategies" / "stored_teacher.toml"


def small(path: Path, *further: str) -> list[str]:
    """Return the arguments that train a configuration on twenty images."""
    limits = ("data.train_limit=20", "train.batch_size=20", "train.device=cpu", "train.threads=1")
    return [str(path), *(part for text in (*limits, *further) for part in ("--set", text))]


@pytest.mark.parametrize("path", [p for p in STRATEGIES if p != TAUGHT], ids=lambda p: p.stem)
def test_an_example_of_a_strategy_trains(path: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    out = tmp_path / "run"
    assert main(["train", *small(path), "--out", str(out)]) == 0
    run = RunFolder.open(out)
    assert run.stages()["train"] == "done"
    phases = list(dict.fromkeys(row.get("phase") for row in run.read_metrics()))
    stages = [stage.name for stage in run.config.train.stages]
    expected = {
        "delayed": ["full", "shrink"],
        "netaug": ["early", "late"],
        "proxyless": ["weights", "gates"],
        "autorep": ["full", "masks", "kept"],
        "snl": ["full", "masks", "kept"],
    }
    assert phases == (stages or expected.get(run.config.train.strategy, [None]))


def test_a_stored_teacher_teaches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    teacher, answers, out = (str(tmp_path / name) for name in ("teacher", "answers", "run"))
    by_macs = EXAMPLES / "strategies" / "single_path_by_macs.toml"
    assert (
        main(
            [
                "train",
                *small(by_macs, "train.epochs=2", "evaluate.calibration_images=20"),
                "--out",
                teacher,
            ]
        )
        == 0
    )
    stored = small(TAUGHT, "train.epochs=3", f"train.stored_teacher.path={answers}")
    where = ["--run", teacher, "--out", answers, "--epochs", "2", "--top", "3"]
    assert main(["teacher", "store", *stored, *where]) == 0
    assert "2 epochs of 20 images" in capsys.readouterr().out
    assert main(["train", *stored, "--out", out]) == 0
    other = [*stored, "--set", "augment.crop_padding=3", "--out", str(tmp_path / "other")]
    assert main(["train", *other]) == 2
    assert "augment.crop_padding was 1, now it is 3" in capsys.readouterr().err
