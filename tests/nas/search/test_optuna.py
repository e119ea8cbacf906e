"""Optuna's samplers keep what every searcher must keep; archives become studies."""

from __future__ import annotations

import pytest

pytest.importorskip("optuna", reason="optuna is not installed")

from pathlib import Path
from typing import Any

import numpy as np
import optuna

from nas.archive import Archive
from nas.errors import ConfigError, RunError, SpaceError
from nas.search import Evolution, Objective, RandomSearch, Searcher, search
from nas.search.optuna_bridge import OptunaSearcher, StudyMirror, list_samplers
from nas.search.testing import SearcherSuite
from tests.nas.search.test_loop import limited, opened, run
from tests.nas.search.toys import population_scorer, problem_of, score_of
from tests.nas.search.worker_jobs import flaky

SLOW = {"GPSampler", "GridSampler"}  # seconds a trial; no grid over the suite's spaces


class TestSamplers(SearcherSuite):
    @pytest.fixture(params=["NSGAIISampler", "QMCSampler", "RandomSampler", "TPESampler"])
    def searcher(self, request: pytest.FixtureRequest) -> Searcher:
        return OptunaSearcher(request.param)


class TestSeveralObjectives(SearcherSuite):
    objectives = (Objective("accuracy"), Objective("macs", "minimize"))

    @pytest.fixture
    def searcher(self) -> Searcher:
        return OptunaSearcher("NSGAIISampler", {"population_size": 20})


@pytest.mark.parametrize("name", sorted({*list_samplers()} - SLOW))
def test_every_sampler_proposes_by_itself_and_tells_nothing(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    options: dict[str, Any] = {}
    if name == "PartialFixedSampler":
        options = {"base_sampler": "RandomSampler", "fixed_params": {"depth_2": 1}}
    problem, score = problem_of("mobile_small", macs=5e6), score_of("mobile_small")
    searcher = OptunaSearcher(name, options)
    history = search(
        problem, searcher, population_scorer(score), None, evaluations=30, batch=10, seed=0
    ).history
    proposals = searcher.propose(history, 10, round=3, rng=np.random.default_rng(0))
    assert name in proposals.operators
    assert problem.feasible(proposals.population).all()
    if options:
        own = [i for i, operator in enumerate(proposals.operators) if operator == name]
        rows = problem.space.decode_all(proposals.population[own])
        assert {row["depth_2"] for row in rows} == {1}
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["CmaEsSampler", "NSGAIISampler", "TPESampler"])
def test_a_sampler_that_learns_beats_random_search(name: str) -> None:
    problem, score = problem_of("mobile_small"), population_scorer(score_of("mobile_small"))
    options = {"population_size": 20} if name == "NSGAIISampler" else {}
    best = [
        search(
            problem, searcher, score, None, evaluations=100, batch=20, seed=seed
        ).history.values.max()
        for searcher in (OptunaSearcher(name, options), RandomSearch())
        for seed in range(3)
    ]
    assert np.mean(best[:3]) > np.mean(best[3:])


@pytest.mark.parametrize(
    ("sampler", "options", "message"),
    [
        ("TPESampeler", {}, "Did you mean 'TPESampler'"),
        ("TPESampler", {"n_startup_trails": 3}, "Did you mean 'n_startup_trials'"),
        ("TPESampler", {"seed": 3}, "it comes from the seed of the run"),
        ("NSGAIISampler", {"crossover": "UniformCrosover"}, "Did you mean 'UniformCrossover'"),
        ("NSGAIISampler", {"mutation": 3}, "must be a name"),
        ("PartialFixedSampler", {"fixed_params": 3}, "must map choices to options"),
    ],
)
def test_wrong_names_are_refused_with_the_nearest(
    sampler: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        OptunaSearcher(sampler, options)


@pytest.mark.parametrize(
    ("sampler", "options", "error"),
    [
        ("GridSampler", {}, ConfigError),
        ("NSGAIISampler", {"population_size": 0}, ConfigError),
        (
            "PartialFixedSampler",
            {"base_sampler": "TPESampler", "fixed_params": {"depth_9": 1}},
            SpaceError,
        ),
    ],
)
def test_what_only_the_space_shows_is_refused_in_the_search(
    sampler: str, options: dict[str, Any], error: type[Exception]
) -> None:
    searcher = OptunaSearcher(sampler, options)
    with pytest.raises(error):
        run_quick(searcher)


def run_quick(searcher: Searcher) -> None:
    score = population_scorer(score_of("mobile_small"))
    search(problem_of("mobile_small"), searcher, score, None, evaluations=20, batch=5, seed=0)


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_an_archive_becomes_a_study_bit_by_bit(tmp_path: Path, kind: str) -> None:
    url = str(tmp_path / "study") if kind == "journal" else f"sqlite:///{tmp_path / 'study'}"
    path, problem = tmp_path / "archive", limited()
    for evaluations in (14, 24):
        run(path, flaky, evaluations=evaluations)
        mirror = StudyMirror(problem, url, "mirror")
        with Archive.read(path) as archive:
            assert mirror.update(archive) == (14 if evaluations == 14 else 10)
            assert mirror.update(archive) == 0
            ids, rows, failures = archive.ids(), archive.rows(), archive.failures()
            reasons = dict(archive.proposals())
    storage: Any = url
    if kind == "journal":
        backend = optuna.storages.journal.JournalFileBackend(url)
        storage = optuna.storages.JournalStorage(backend)
    study = optuna.load_study(study_name="mirror", storage=storage)
    trials = {trial.user_attrs["id"]: trial for trial in study.trials}
    assert list(trials) == ids
    assert study.metric_names == ["accuracy"]
    for id, why in failures.items():
        assert trials[id].state.name == "FAIL"
        assert trials[id].user_attrs["failure"] == why
    for row in rows:
        trial = trials[row.id]
        assert trial.value == row.metrics["accuracy"].value
        assert trial.params == dict(row.architecture)
        assert trial.user_attrs["macs"] == row.metrics["macs"].value
        assert trial.user_attrs["operator"] == reasons[row.id].operator
        excess = row.metrics["macs"].value / 5e6 - 1
        assert trial.constraints["macs"] == pytest.approx(excess, abs=1e-6)
    assert study.best_value == max(row.metrics["accuracy"].value for row in rows)
    with pytest.raises(ConfigError, match="about something else"):
        StudyMirror(problem_of("ofa_mobilenet_v3"), url, "mirror")


def test_a_study_follows_a_search_and_its_trouble_stays_its_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem, score = limited(), population_scorer(score_of("mobile_small"))
    mirror = StudyMirror(problem, str(tmp_path / "study"), "mirror")
    counts: list[int] = []
    update = mirror.update
    monkeypatch.setattr(mirror, "update", lambda archive: counts.append(update(archive)))
    with opened(tmp_path / "archive", problem) as archive:
        with mirror.following(archive, lambda *told: None, every_s=0.0) as report:
            options = {"evaluations": 20, "batch": 10, "seed": 0, "progress": report}
            search(problem, Evolution(), score, archive, **options)
        assert sum(counts) == 20

        def away(archive: Archive) -> int:
            raise RunError("the storage cannot be reached")

        monkeypatch.setattr(mirror, "update", away)
        with mirror.following(archive, lambda *told: None):
            pass
    assert "The study is not up to date: the storage cannot be reached" in caplog.text
