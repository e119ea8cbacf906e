"""What a search has found: fronts, sweeps, and the subnets to export."""

from __future__ import annotations

import json
from collections.abc import Sequence

from nas.archive import Archive, Evaluated
from nas.errors import InfeasibleError, RunError, nearest
from nas.files import atomic_write
from nas.runs import RunFolder
from nas.search import Problem, Target, best, front, targets, value_of

__all__ = ["choose", "front_stage", "sweep_stage"]


def sweep_stage(
    run: RunFolder, problem: Problem, metric: str, values: Sequence[float]
) -> list[Target]:
    """Choose the best evaluated subnet within each of several limits, and keep the table.

    Args:
        run: The run folder; the table goes to its ``sweep.json``.
        problem: The search problem without the sweep.
        metric: The swept cost.
        values: The limits, in its unit.
    """
    with Archive.read(run.archive_path) as archive:
        found = targets(problem, archive.rows(), metric, values)
    objective = problem.objectives[0].metric
    table = [
        {
            "limit": target.limit.value,
            metric: target.cost,
            objective: None if target.row is None else target.row.metrics[objective].value,
            "id": None if target.row is None else target.row.id,
            "architecture": None if target.row is None else dict(target.row.architecture),
        }
        for target in found
    ]
    text = json.dumps({"metric": metric, "objective": objective, "targets": table}, indent=2)
    atomic_write(run.path / "sweep.json", text + "\n")
    return found


def front_stage(run: RunFolder, problem: Problem) -> list[Evaluated]:
    """Return the evaluated subnets that none beats in all objectives at once, and keep the table.

    The table goes to the run's ``front.json``.
    """
    with Archive.read(run.archive_path) as archive:
        found = front(problem, archive.rows())
    objectives = [objective.metric for objective in problem.objectives]
    table = [
        {
            "id": row.id,
            **{name: value_of(problem, row, name) for name in objectives},
            "architecture": dict(row.architecture),
        }
        for row in found
    ]
    text = json.dumps({"objectives": objectives, "subnets": table}, indent=2)
    atomic_write(run.path / "front.json", text + "\n")
    return found


def choose(
    run: RunFolder,
    problem: Problem,
    *,
    top: int,
    id: str | None = None,
    whole_front: bool = False,
) -> list[Evaluated]:
    """Return the subnets to export: the best within the limits, or the one that is named.

    Args:
        run: The run folder.
        problem: The search problem.
        top: How many of the best.
        id: Id of an evaluated subnet, or the beginning of one.
        whole_front: All that none beats in all objectives at once, in place of the best.

    Raises:
        RunError: Nothing was evaluated yet, or no evaluated subnet has that id.
        InfeasibleError: No evaluated subnet meets the limits.
    """
    with Archive.read(run.archive_path) as archive:
        rows = archive.rows()
    if id is not None:
        named = [row for row in rows if row.id.startswith(id)]
        if len(named) != 1:
            what = "Several subnets begin" if named else "No evaluated subnet begins"
            raise RunError(
                f"{what} with the id {id!r} in {run.path}. "
                f"{nearest(id, [row.id for row in best(problem, rows, top=10)])}"
            )
        return named
    chosen = front(problem, rows) if whole_front else best(problem, rows, top=top)
    if not chosen:
        raise InfeasibleError(
            f"None of the {len(rows)} evaluated subnets of {run.path} meets the limits "
            f"{', '.join(map(str, problem.limits))}. Search again with these limits: "
            f"nas search --resume {run.path}"
        )
    return chosen
