"""``nas spaces``: list all, show one, or shrink one."""

from __future__ import annotations

import argparse
import inspect

from nas.cli import spaces_shrink
from nas.cli.arguments import add_json, add_space, chosen_space
from nas.cli.describe import describe
from nas.cli.output import print_json
from nas.cli.space_table import space_table
from nas.text import columns, quantity
from search_spaces import SearchSpace, get_space, list_spaces
from search_spaces.registry import space_factory

__all__ = ["configure", "run"]


_ACTIONS = {
    "list": "list all spaces",
    "show": "show one: its size, its smallest and largest network, its choices",
    "table": "print the page of all spaces and published subnets",
    "shrink": "say which options evidence and windows on costs speak against, and what remains",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the actions and their options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    parsers = {
        name: actions.add_parser(name, help=text, description=text)
        for name, text in _ACTIONS.items()
    }
    add_space(parsers["show"], positional=True)
    for name in ("list", "show"):
        add_json(parsers[name])
    spaces_shrink.configure(parsers["shrink"])


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    if arguments.action == "list":
        _list(as_json=arguments.json)
    elif arguments.action == "table":
        print(space_table(), end="")
    elif arguments.action == "shrink":
        spaces_shrink.run(arguments)
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
