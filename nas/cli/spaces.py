"""``nas spaces list`` and ``nas spaces show NAME``."""

from __future__ import annotations

import argparse
import inspect
from typing import Any

from nas.cli.arguments import add_json, add_space, chosen_space
from nas.cli.output import print_json
from nas.text import columns, quantity
from predictors import CostTable, Macs, Params, compile_cost
from search_spaces import Architecture, SearchSpace, get_space, list_spaces
from search_spaces.registry import space_factory

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument("action", choices=("list", "show"), help="list all, or show one")
    add_space(parser, positional=True)
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    if arguments.action == "list":
        _list(as_json=arguments.json)
    else:
        _show(chosen_space(arguments), as_json=arguments.json)


def _list(*, as_json: bool) -> None:
    described = []
    for name in list_spaces():
        text = inspect.getdoc(space_factory(name)) or ""
        described.append((name, get_space(name).size, text.splitlines()[0]))
    if as_json:
        print_json({name: {"size": size, "about": text} for name, size, text in described})
        return
    rows = [(name, f"{size:.3g}", text) for name, size, text in described]
    width = max(len(name) for name, _, _ in rows)
    for name, size, text in rows:
        print(f"{name:{width}}  {size:>9}  {text}")


def describe(space: SearchSpace) -> dict[str, Any]:
    """Return the JSON description of a space: size, choices, smallest and largest subnet."""
    macs, params = compile_cost(space, Macs()), compile_cost(space, Params())
    resolutions = len({s for c in space.choices if c.name == "resolution" for s in c.options})
    return {
        "name": space.name,
        "options": dict(space.options),
        "size": space.size,
        "size_per_resolution": space.size // max(1, resolutions),
        "choices": {choice.name: list(choice.options) for choice in space.choices},
        "slots": [slot.name for slot in space.slots],
        "distinct_blocks": len(space.distinct_blocks()),
        "smallest": _subnet(space, macs.minimum().architecture, macs, params),
        "largest": _subnet(space, macs.maximum().architecture, macs, params),
    }


def _subnet(
    space: SearchSpace, architecture: Architecture, macs: CostTable, params: CostTable
) -> dict[str, Any]:
    return {
        "id": space.id_of(architecture),
        "architecture": architecture.to_json(),
        "macs": int(macs.of(architecture)),
        "params": int(params.of(architecture)),
        "resolution": space.resolution_of(architecture),
    }


def _show(space: SearchSpace, *, as_json: bool) -> None:
    about = describe(space)
    if as_json:
        print_json(about)
        return
    print(f"{space.name}: {about['size']:,} architectures ({float(about['size']):.3g})")
    print(f"{len(space.slots)} slots, {about['distinct_blocks']} different blocks\n")
    rows = []
    for which in ("smallest", "largest"):
        subnet = about[which]
        macs, params = quantity("macs", subnet["macs"]), quantity("params", subnet["params"])
        rows.append((which, macs, params, f"{subnet['resolution']} px", subnet["id"]))
    print(columns(("subnet", "MACs", "params", "input", "id"), rows))
    print("\nchoices")
    for choice in space.choices:
        print(f"  {choice.name}: {', '.join(map(str, choice.options))}")
    if space.options:
        print("\noptions of the space")
        for name, value in space.options.items():
            print(f"  {name} = {value}")
