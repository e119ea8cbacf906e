"""One subnet for each of several limits, from one archive."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nas.archive import Archive
from nas.config import parse_sweep
from nas.errors import ConfigError
from nas.search import NSGA2, Objective, best, search, swept, targets
from tests.nas.search.toys import costs_of, population_scorer, problem_of, score_of


def test_every_target_gets_the_best_of_the_archive_within_it(tmp_path: Path) -> None:
    problem = problem_of("mobile_small", peak_memory_bytes=150_000)
    values = (0.5e6, 2e6, 4e6, 6e6)
    searched = swept(problem, "macs", values)
    assert searched.objectives == (Objective(), Objective("macs", "minimize"))
    assert {limit.metric: limit.value for limit in searched.limits}["macs"] == 6e6
    with Archive.open(
        tmp_path / "archive.db",
        space_name="mobile_small",
        space_options={},
        fingerprint=problem.space.fingerprint,
    ) as archive:
        score = population_scorer(score_of("mobile_small"))
        search(searched, NSGA2(), score, archive, evaluations=300, batch=30, seed=0)
        rows = archive.rows()
    found = targets(problem, rows, "macs", values)
    assert found[0].row is None
    assert (
        found[0].limit.value
        < found[0].smallest
        == costs_of("mobile_small")["macs"].minimum().value
    )
    scores = []
    for target, value in zip(found[1:], values[1:], strict=True):
        assert target.row is not None
        assert target.cost == costs_of("mobile_small")["macs"].of(target.row.architecture)
        within = problem_of("mobile_small", peak_memory_bytes=150_000, macs=value)
        assert target.row.id == best(within, rows)[0].id
        scores.append(target.row.metrics["accuracy"].value)
    assert scores == sorted(scores)
    assert scores[0] < scores[-1]


def test_a_limit_of_the_problem_on_the_swept_cost_stays() -> None:
    searched = swept(problem_of("mobile_small", macs=3e6), "macs", (2e6, 5e6))
    assert [limit.value for limit in searched.limits] == [3e6]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("latency_ms=10..40:10", (10, 20, 30, 40)),
        ("latency_ms=10ms .. 0.012s : 1", (10, 11, 12)),
        ("macs=40M..60M:15M", (40e6, 55e6)),
        ("macs=20%..60%:20%", (200, 400, 600)),
        ("macs=0.1..0.3:0.1", (0.1, 0.2, 0.3)),
    ],
)
def test_a_sweep_is_read_as_people_write_it(text: str, values: tuple[float, ...]) -> None:
    sweep = parse_sweep(text)
    assert sweep.metric == text.partition("=")[0]
    np.testing.assert_allclose(sweep.values(largest=1000.0), values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("latency_ms=10", "write METRIC=FIRST..LAST:STEP"),
        ("latency_ms=10..x:5", "limit latency_ms = 'x': is no number"),
        ("latency_ms=10..40:0", "must be above 0"),
        ("latency_ms=40..10:5", "gives 0 limits"),
        ("latency_ms=1..40:0.001", "gives 39,001 limits"),
    ],
)
def test_wrong_sweeps_are_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        parse_sweep(text).values(largest=100.0)
