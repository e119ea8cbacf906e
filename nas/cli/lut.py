"""``nas lut``: latency tables of this machine and of others."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nas.cli.arguments import add_json, add_space
from nas.cli.lut_measure import build, calibrate, kit, plan, remote, validate
from nas.cli.lut_tables import diff, import_, merge, show

__all__ = ["configure", "run"]

_Action = Callable[[argparse.Namespace], None]
_ACTIONS: dict[str, tuple[_Action, str]] = {
    "plan": (plan, "say what a table must measure, and how long it will take here"),
    "build": (build, "build a table on this machine"),
    "kit": (kit, "write a folder that measures on a device which has Python and a runtime"),
    "remote": (remote, "build a table on another machine, through ssh or adb"),
    "import": (import_, "make a table of a kit's result, or of once-for-all's YAML"),
    "calibrate": (calibrate, "fit a table to whole networks again"),
    "validate": (validate, "measure networks that the table never saw, and compare"),
    "show": (show, "show what a table is of and how good it is"),
    "merge": (merge, "make one table of two measurements of the same thing"),
    "diff": (diff, "compare two tables"),
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the actions and their options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    parsers: dict[str, Any] = {}
    for name, (_, text) in _ACTIONS.items():
        parsers[name] = actions.add_parser(name, help=text, description=text)
        if name != "kit":
            add_json(parsers[name])
    for name in ("plan", "build", "kit", "remote"):
        _add_what(parsers[name])
        _add_how(parsers[name])
    for name in ("calibrate", "validate"):
        parsers[name].add_argument("table", metavar="TABLE", type=Path)
        parsers[name].add_argument(
            "--nets", metavar="N", type=int, help="networks to measure now (those in the table)"
        )
        _add_how(parsers[name], table=True)
    for name in ("remote", "calibrate", "validate"):
        _add_connection(parsers[name])
    for name in ("build", "remote", "calibrate", "validate"):
        _add_command(parsers[name])
    for name in ("build", "kit", "remote", "import", "merge"):
        parsers[name].add_argument(
            "--out", metavar="DIR" if name == "kit" else "TABLE", type=Path, help="where to write"
        )
    parsers["show"].add_argument("table", metavar="TABLE", type=Path)
    for name in ("merge", "diff"):
        parsers[name].add_argument("first", metavar="TABLE", type=Path)
        parsers[name].add_argument("second", metavar="TABLE", type=Path)
    _add_import(parsers["import"])


def _add_what(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", metavar="CONFIG", nargs="?", type=Path, help="a TOML file")
    parser.add_argument(
        "--section", metavar="NAME", help="which of several [latency.NAME] of the file"
    )
    add_space(parser)


def _add_how(parser: argparse.ArgumentParser, *, table: bool = False) -> None:
    """Add the settings of a measurement; those that a table fixes are left out for one."""
    add = parser.add_argument
    if not table:
        add("--runtime", metavar="NAME", help="what runs the networks (onnxruntime)")
        add("--threads", metavar="N", type=int, help="threads of the runtime (1)")
        add("--batch", metavar="N", type=int, dest="batch_size", help="images in one call (1)")
        add(
            "--metric",
            metavar="NAME",
            help="what a command measures, its unit at the end, such as energy_mj (latency_ms)",
        )
        add("--dtype", metavar="D", help="type of weights and activations (float32)")
        add("--calibration-nets", metavar="N", type=int, help="networks to calibrate with (20)")
        add("--validation-nets", metavar="N", type=int, help="networks to validate with (20)")
    add("--rounds", metavar="N", type=int, help="rounds of measurement (until it is sure enough)")
    add("--confidence", metavar="C", type=float, help="when it is sure enough (0.01)")
    add("--max-seconds", metavar="S", type=float, help="longest time to measure")
    add("--max-celsius", metavar="T", type=float, help="wait while the device is hotter (80)")
    add("--seed", metavar="N", type=int, help="of the choice of networks (0)")


def _add_connection(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--host", metavar="USER@HOST", help="measure there, through the OpenSSH client")
    add("--port", metavar="N", type=int, help="of the SSH server")
    add("--identity", metavar="KEY", type=Path, help="private key to log in with")
    add(
        "--ssh-option",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="another option of ssh, for example ControlMaster=auto",
    )
    add("--folder", metavar="DIR", default="nas-lut", help="where to work there (nas-lut)")
    add("--python", metavar="PATH", default="python3", help="the Python there (python3)")
    add("--adb", metavar="SERIAL", nargs="?", const="", help="measure there, through adb")


def _add_command(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--command",
        metavar="TEMPLATE",
        help="measure by a command that prints a number, for example './bench {model}'",
    )
    add("--device", metavar="NAME", help="what the command measures on")


def _add_import(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("result", metavar="RESULT", type=Path, help="result.json of a kit, or a YAML table")
    add("--kit", metavar="DIR", type=Path, help="the kit it must be the result of")
    add("--device", metavar="NAME", default="", help="YAML: what it was measured on")
    add_space(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the action."""
    _ACTIONS[arguments.action][0](arguments)
