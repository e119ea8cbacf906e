"""What a report is made of: everything a run folder holds, read once, missing pieces as none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nas.archive import Archive, Evaluated, Metric
from nas.export import read_manifest, read_measurements
from nas.latency_tables import AnyTable, is_published, read_table
from nas.metric_names import LATENCY, is_latency
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
        chosen: The best subnets within the limits, and all others that are exported and within
            them, best first.
        training: Lines of the training log.
        tables: Latency tables by the cost that each gives.
        table_problems: Why others cannot be used, by the cost.
    """

    run: RunFolder
    about: Mapping[str, Any]
    space: SearchSpace
    problem: Problem
    rows: Sequence[Evaluated]
    failures: Mapping[str, str]
    chosen: Sequence[Chosen]
    training: Sequence[Mapping[str, Any]]
    tables: Mapping[str, AnyTable]
    table_problems: Mapping[str, str]

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

    @property
    def latencies(self) -> Sequence[str]:
        """The latency of each device, as costs are named: asked for, by a table or predicted."""
        known = [*self.tables, *self.table_problems, *self.costs]
        found = [metric for metric in known if is_latency(metric)]
        return list(dict.fromkeys([*self.run.config.latencies, *found]))

    def within_limits(self, row: Evaluated) -> bool:
        """Return whether a subnet meets every limit; a number that is missing does not."""
        values = [(self.value(row, limit.metric), limit.largest) for limit in self.limits]
        return all(value is not None and value <= largest for value, largest in values)

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
    tables, table_problems = _usable_tables(run, space)
    problem = build_problem(config, space, tables, predicted_costs(config, space, run.path))
    parts = Collected(
        run=run,
        about=run.about(),
        space=space,
        problem=problem,
        rows=rows,
        failures=failures,
        chosen=(),
        training=[line for line in run.read_metrics() if "loss" in line],
        tables=tables,
        table_problems=table_problems,
    )
    chosen = _chosen(parts, config.export.top)
    return Collected(**{**parts.__dict__, "chosen": chosen})


def _usable_tables(
    run: RunFolder, space: SearchSpace
) -> tuple[dict[str, AnyTable], dict[str, str]]:
    """Return the run's latency tables, and why others cannot be used, by cost."""
    tables, problems = {}, {}
    for metric, (path, device) in _table_paths(run).items():
        try:
            table = read_table(path, device=device)
            table.check(space)
        except TableError as error:
            problems[metric] = str(error)
        else:
            tables[metric] = table
    return tables, problems


def _table_paths(run: RunFolder) -> dict[str, tuple[Path, str]]:
    """Return path and device of each table that is there, by cost.

    Where the configuration names no device, the first table in the folder is taken, which may
    have been built by hand.
    """
    sections = run.config.latencies
    if set(sections) <= {LATENCY}:
        device = sections[LATENCY].table_device if sections else ""
        first = run.latency_tables()[:1]
        return {LATENCY: (first[0], device)} if first else {}
    found = {}
    for metric, section in sections.items():
        published = section.table is not None and is_published(Path(section.table))
        path = run.latency_table(metric, published=published)
        if path.exists():
            found[metric] = (path, section.table_device)
    return found


def _chosen(parts: Collected, top: int) -> list[Chosen]:
    """Return the best subnets within the limits and the exported ones, as an export left them."""
    exported = [chosen for chosen in _exported(parts) if parts.within_limits(chosen.row)]
    there = {chosen.row.id for chosen in exported}
    others = [Chosen("", row) for row in best(parts.problem, parts.scored, top=top)]
    found = [*exported, *(chosen for chosen in others if chosen.row.id not in there)]
    found.sort(key=lambda chosen: _rank(chosen.row, parts.objective))
    return [replace(chosen, name=_letter(i)) for i, chosen in enumerate(found)]


def _exported(parts: Collected) -> list[Chosen]:
    """Return the exported subnets with the numbers of their exports."""
    known = {row.id: row for row in parts.rows}
    found = []
    folders = [path.parent for path in sorted(parts.run.exports.glob("[!.]*/architecture.json"))]
    for folder in folders:
        manifest = read_manifest(folder)
        if not parts.space.holds(manifest.architecture):
            continue  # from another search of the run
        row = known.get(manifest.id)
        metrics: dict[str, Metric] = {**(row.metrics if row else {}), **read_measurements(folder)}
        order = row.order if row else 0
        evaluated = Evaluated(manifest.id, manifest.architecture, metrics, order)
        files = tuple(sorted(path.name for path in folder.glob("model.*")))
        found.append(Chosen("", evaluated, files, folder.name))
    return found


def _rank(row: Evaluated, objective: str) -> tuple[float, int]:
    metric = row.metrics.get(objective)
    return (-metric.value if metric else 0.0, row.order)


def _letter(position: int) -> str:
    """Return A to Z, then A1 and so on."""
    round_, letter = divmod(position, 26)
    return chr(ord("A") + letter) + (str(round_) if round_ else "")
