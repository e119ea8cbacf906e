"""``nas explain RUN --id ID``: why a subnet was evaluated, and what it descends from."""

from __future__ import annotations

import argparse
from typing import Any

from nas.archive import Archive
from nas.cli.arguments import add_json
from nas.cli.output import print_json
from nas.cli.runs import add_run
from nas.errors import RunError, nearest
from nas.runs import RunFolder
from nas.search.ancestry import Ancestor, ancestry
from nas.text import columns, quantity, title

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    add_run(parser)
    parser.add_argument(
        "--id", metavar="ID", required=True, help="the subnet; a unique beginning is enough"
    )
    parser.add_argument(
        "--generations", metavar="N", type=int, default=20, help="how far back to go (20)"
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    folder = RunFolder.open(arguments.run)
    with Archive.read(folder.archive_path) as archive:
        known = archive.ids()
        named = [id for id in known if id.startswith(arguments.id)]
        if len(named) != 1:
            what = "Several subnets begin" if named else "No subnet begins"
            raise RunError(
                f"{what} with the id {arguments.id!r} in {folder.path}. "
                f"{nearest(arguments.id, named or known)}"
            )
        line = ancestry(archive, named[0], generations=arguments.generations)
    objective = folder.config.search.objective
    if arguments.json:
        print_json({"objective": objective, "line": [_json(ancestor) for ancestor in line]})
        return
    rows = [
        (
            f"{ancestor.generation:3} {ancestor.id}",
            _why(ancestor),
            _value(ancestor, objective),
            _changes(ancestor),
        )
        for ancestor in line
    ]
    print(columns(("back, subnet", "proposed by", title(objective), "unlike its parents"), rows))


def _json(ancestor: Ancestor) -> dict[str, Any]:
    why = ancestor.proposal
    return {
        "id": ancestor.id,
        "generation": ancestor.generation,
        "round": why.round if why else None,
        "operator": why.operator if why else None,
        "parents": list(why.parents) if why else [],
        "metrics": dict(ancestor.metrics),
        "failure": ancestor.failure,
        "changes": [
            {"choice": c.choice, "option": c.option, "parents": list(c.parents), "new": c.new}
            for c in ancestor.changes
        ],
    }


def _why(ancestor: Ancestor) -> str:
    why = ancestor.proposal
    return f"{why.operator}, round {why.round + 1}" if why else "not this search"


def _value(ancestor: Ancestor, objective: str) -> str:
    if ancestor.failure:
        return "failed"
    value = ancestor.metrics.get(objective)
    return "" if value is None else quantity(objective, value)


def _changes(ancestor: Ancestor) -> str:
    """Return in words what no parent has; what only one of two has is counted."""
    new = [
        f"{c.choice} {'/'.join(map(str, c.parents))} > {c.option}"
        for c in ancestor.changes
        if c.new
    ]
    inherited = len(ancestor.changes) - len(new)
    mixed = [f"{inherited} from one parent"] if inherited else []
    return ", ".join([*new, *mixed])
