"""What a report is made of: everything a run folder holds, read once, missing pieces as none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.archive import Archive, Evaluated, Metric
from nas.export import Manifest, read_manifest, read_measurements
from nas.latency_tables import AnyTable, read_table
from nas.predicted import predicted_costs
from nas.problems import build_problem, searched_space
from nas.runs import RunFolder
from nas.search.problem import Problem, UpperLimit
from nas.search.selection import best
from predictors import CostTable, TableError
from search_spaces import SearchSpace, get_space

__all__ = ["Chosen", "Collected", "collect"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """One of the best subnets.

    Attributes:
        name: Short name for charts and tables: A, B, C.
        row: Its place in the archive, with every number known of it.
        exported: Names of the exported model files; empty before the export.
        folder: Name of the export folder; empty before the export.
    """

    name: str
    row: Evaluated
    exported: tuple[str, ...] = ()
    folder: str = ""


@dataclass(frozen=True)
class Collected:
    """Everything a report shows.

    Attributes:
        run: The run folder.
        about: When, how and with which packages it was created.
        space: The search space.
        problem: What was searched; latency is a cost, and limited, only where there is a table.
        rows: Every evaluated architecture, first seen first.
        failures: Why evaluations failed, by id.
        chosen: Exported subnets, or before the export the best within the limits.
        training: Lines of the training log.
        table: The latency table, if there is one.
        table_problem: Why the table cannot be used, if so.
    """

    run: RunFolder
    about: Mapping[str, Any]
    space: SearchSpace
    problem: Problem
    rows: Sequence[Evaluated]
    failures: Mapping[str, str]
    chosen: Sequence[Chosen]
    training: Sequence[Mapping[str, Any]]
    table: AnyTable | None
    table_problem: str

    @property
    def run_name(self) -> str:
        """How a command names the run folder; without the folders of this machine."""
        return self.run.path.name if self.run.path.is_absolute() else str(self.run.path)

    @property
    def costs(self) -> Mapping[str, CostTable]:
        """Compiled costs by metric."""
        return self.problem.costs

    @property
    def limits(self) -> Sequence[UpperLimit]:
        """In the order in which they were written."""
        return self.problem.limits

    @property
    def objective(self) -> str:
        """The metric that was maximised."""
        return self.run.config.search.objective

    def within_limits(self, row: Evaluated) -> bool:
        """Return whether a subnet meets every limit; a number that is missing does not."""
        return all(
            limit.metric in row.metrics and row.metrics[limit.metric].value <= limit.largest
            for limit in self.limits
        )

    def value(self, row: Evaluated, metric: str) -> float | None:
        """Return a number of a subnet: the recorded one, else the compiled cost, else none."""
        if metric in row.metrics:
            return row.metrics[metric].value
        cost = self.costs.get(metric)
        return None if cost is None else cost.of(row.architecture)

    @property
    def scored(self) -> list[Evaluated]:
        """The rows that have the objective."""
        return [row for row in self.rows if self.objective in row.metrics]


def collect(run: RunFolder) -> Collected:
    """Read a run folder; no lock is needed, and a run in progress may be read.

    Raises:
        RunError: A file of the run is damaged.
        SpaceError: The run's search space is not known here.
        PredictorError: A predictor of the run is missing or damaged.
        ExportError: An export folder is damaged.
    """
    config = run.config
    rows: list[Evaluated] = []
    failures: dict[str, str] = {}
    space = searched_space(config)
    if run.archive_path.exists():
        with Archive.read(run.archive_path) as archive:
            rows, failures = archive.rows(), archive.failures()
            if archive.fingerprint != space.whole.fingerprint:  # of a version before
                space = get_space(archive.space_name, **archive.space_options)
    rows = [row for row in rows if space.holds(row.architecture)]
    table, table_problem = _usable_table(run, space)
    problem = build_problem(config, space, table, predicted_costs(config, space, run.path))
    parts = Collected(
        run=run,
        about=run.about(),
        space=space,
        problem=problem,
        rows=rows,
        failures=failures,
        chosen=(),
        training=[line for line in run.read_metrics() if "loss" in line],
        table=table,
        table_problem=table_problem,
    )
    chosen = _exported(parts) or _best(parts, config.export.top)
    return Collected(**{**parts.__dict__, "chosen": chosen})


def _usable_table(run: RunFolder, space: SearchSpace) -> tuple[AnyTable | None, str]:
    """Return the run's latency table or none, and why it cannot be used."""
    device = run.config.latency.table_device if run.config.latency else ""
    for path in run.latency_tables():
        try:
            table = read_table(path, device=device)
            table.check(space)
        except TableError as error:
            return None, str(error)
        return table, ""
    return None, ""


def _exported(parts: Collected) -> list[Chosen]:
    """Return the exported subnets, best first, with the numbers of their exports."""
    known = {row.id: row for row in parts.rows}
    found: list[tuple[Path, Manifest, Evaluated]] = []
    folders = [path.parent for path in sorted(parts.run.exports.glob("[!.]*/architecture.json"))]
    for folder in folders:
        manifest = read_manifest(folder)
        if not parts.space.holds(manifest.architecture):
            continue  # from another search of the run
        row = known.get(manifest.id)
        metrics: dict[str, Metric] = {**(row.metrics if row else {}), **read_measurements(folder)}
        order = row.order if row else 0
        evaluated = Evaluated(manifest.id, manifest.architecture, metrics, order)
        found.append((folder, manifest, evaluated))
    found.sort(key=lambda entry: _rank(entry[2], parts.objective))
    return [
        Chosen(_letter(i), row, tuple(sorted(p.name for p in path.glob("model.*"))), path.name)
        for i, (path, _, row) in enumerate(found)
    ]


def _best(parts: Collected, top: int) -> list[Chosen]:
    """Return the best evaluated subnets within the limits."""
    found = best(parts.problem, parts.scored, top=top)
    return [Chosen(_letter(i), row) for i, row in enumerate(found)]


def _rank(row: Evaluated, objective: str) -> tuple[float, int]:
    metric = row.metrics.get(objective)
    return (-metric.value if metric else 0.0, row.order)


def _letter(position: int) -> str:
    """Return A to Z, then A1 and so on."""
    round_, letter = divmod(position, 26)
    return chr(ord("A") + letter) + (str(round_) if round_ else "")
