"""A run searched by worker processes and by Optuna, mirrored into a study, end to end."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.archive import Archive
from nas.cli import main
from nas.runs import RunFolder

CONFIG = """
[space]
name = "mobile_small"
options = { classes = 10, channels = 1, resolutions = [12] }
[data]
format = "digits"
validation = 200
[train]
epochs = 1
batch_size = 64
threads = 1
learning_rate = 0.05
[evaluate]
calibration_images = 100
[search]
population = 4
evaluations = 8
searcher = "optuna"
[search.optuna]
sampler = "RandomSampler"
[search.limits]
macs = "50%"
"""


def contents(folder: Path) -> tuple[object, ...]:
    with Archive.read(RunFolder.open(folder).archive_path) as archive:
        return archive.ids(), archive.rows(), archive.proposals()


@pytest.mark.slow
def test_workers_leave_the_archive_of_one_process(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    optuna = pytest.importorskip("optuna", reason="optuna is not installed")
    config, study = tmp_path / "config.toml", tmp_path / "study.db"
    config.write_text(CONFIG, encoding="utf-8")
    one, several = tmp_path / "one", tmp_path / "several"
    assert main(["train", str(config), "--out", str(one)]) == 0
    assert main(["search", "--resume", str(one)]) == 0
    assert main(["train", str(config), "--out", str(several)]) == 0
    more = ["--set", "search.workers=2", "--set", f"search.optuna.study='sqlite:///{study}'"]
    assert main(["search", str(config), "--resume", str(several), *more]) == 0
    assert contents(several) == contents(one)
    (name,) = optuna.get_all_study_names(f"sqlite:///{study}")
    trials = optuna.load_study(study_name=name, storage=f"sqlite:///{study}").trials
    assert [trial.user_attrs["id"] for trial in trials] == contents(one)[0]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("search.executor='proceses'", "Did you mean 'processes'"),
        ("search.optuna.sampler='TPE'", "Optuna has no such sampler"),
    ],
)
def test_a_search_that_cannot_begin_is_refused_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], setting: str, message: str
) -> None:
    pytest.importorskip("optuna", reason="optuna is not installed")
    (tmp_path / "config.toml").write_text(CONFIG, encoding="utf-8")
    arguments = ["run", str(tmp_path / "config.toml"), "--set", setting, "--dry-run"]
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
