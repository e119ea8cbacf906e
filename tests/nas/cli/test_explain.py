"""``nas explain``: every subnet of a search says who proposed it and what it descends from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nas.archive import Archive, Metric, Proposal
from nas.cli import main
from nas.search import Evolution, search
from nas.search.ancestry import ancestry
from tests.nas.search.test_loop import limited, opened
from tests.nas.search.toys import DRAWN, population_scorer, score_of


def test_a_line_leads_back_to_what_nobody_bred(tmp_path: Path) -> None:
    problem = limited()
    with opened(tmp_path / "a.sqlite", problem) as archive:
        score = population_scorer(score_of("mobile_small"))
        search(problem, Evolution(), score, archive, evaluations=120, batch=20, seed=0)
        reasons = dict(archive.proposals())
        last = archive.ids()[-1]
        line = ancestry(archive, last)
        assert [line[0].id, line[0].generation] == [last, 0]
        assert len(line) > 3
        seen = {ancestor.id for ancestor in line}
        for ancestor in line:
            assert ancestor.proposal == reasons[ancestor.id]
            assert set(ancestor.proposal.parents) <= seen
            assert all(
                reasons[p].round < ancestor.proposal.round for p in reasons[last].parents
            ) or (ancestor.id != last)
        roots = [ancestor for ancestor in line if not ancestor.proposal.parents]
        assert roots
        assert all(not root.changes for root in roots)
        parents = {row.id: row.architecture for row in archive.rows()}
        for ancestor in line:
            for change in ancestor.changes:
                assert parents[ancestor.id][change.choice] == change.option
                given = tuple(parents[p][change.choice] for p in ancestor.proposal.parents)
                assert change.parents == given
                assert change.new == (change.option not in given)
        assert [a.id for a in ancestry(archive, last, generations=0)] == [last]


def test_what_failed_and_what_came_from_elsewhere(tmp_path: Path) -> None:
    problem = limited()
    space = problem.space
    rows = space.unique(space.sample(10, np.random.default_rng(0)))[:2]
    good, bad = space.ids(rows)
    first, second = space.decode_all(rows)
    with opened(tmp_path / "a.sqlite", problem) as archive:
        archive.record(good, first, {"accuracy": Metric(0.5, DRAWN)})
        why = Proposal(3, "mutation", (good,))
        archive.record_many([_failed(bad, second, why)])
        child, parent = ancestry(archive, bad)
        assert (child.failure, child.metrics, child.proposal) == ("out of memory", {}, why)
        assert (parent.proposal, parent.metrics) == (None, {"accuracy": 0.5})


def _failed(id: str, architecture: object, why: Proposal) -> object:
    from nas.archive import Record

    return Record(id, architecture, {}, why, "out of memory")  # type: ignore[arg-type]


def test_the_command(finished_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Archive.read(finished_run / "archive.sqlite") as archive:
        ids, reasons = archive.ids(), dict(archive.proposals())
    assert main(["explain", str(finished_run), "--id", ids[-1][:10]]) == 0
    printed = capsys.readouterr().out
    assert ids[-1] in printed
    assert f"{reasons[ids[-1]].operator}, round {reasons[ids[-1]].round + 1}" in printed
    assert main(["explain", str(finished_run), "--id", ids[-1], "--json"]) == 0
    line = json.loads(capsys.readouterr().out)["line"]
    assert line[0]["parents"] == list(reasons[ids[-1]].parents)
    assert main(["explain", str(finished_run), "--id", "nothing"]) == 2
    assert "No subnet begins with the id 'nothing'" in capsys.readouterr().err
