"""Parses the command line, runs one command and turns every known error into one message.

Exit codes: 0 done, 2 bad input, 3 infeasible, 4 interrupted and resumable.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from nas import __version__
from nas.errors import ElsewhereError, InterruptedRunError, NasError, nearest
from nas.launch import processes, rank

__all__ = ["main", "parse"]

_COMMANDS = {
    "quickstart": "the whole chain on scikit-learn's digits, in about three minutes",
    "run": "train, build the latency table, search, export and report, as a config says",
    "spaces": "list the search spaces, or show one",
    "train": "train a supernet",
    "lut": "latency tables of this machine and of other devices: plan, build, validate, compare",
    "predictor": "fit a predictor on measured networks, or show one",
    "mpc": "the cost of private inference: predict, measure, really run",
    "search": "search a trained supernet under limits",
    "work": "search together with other workers, on this or other machines, through a study",
    "explain": "say why a subnet was evaluated, and what it descends from",
    "nni": "coarse jobs as an experiment of NNI: each trial trains and searches a whole run",
    "export": "write the best subnets of a run as safetensors, ONNX and torch.export files",
    "finetune": "train one subnet of a run on, taught by the supernet's largest network",
    "teacher": "store a trained network's answers, which teach a later training",
    "report": "write the HTML report of a run and print its table",
    "import-checkpoint": "turn weights that others published into a supernet of this engine",
    "cost": "price one architecture",
    "doctor": "say what is installed here and how well this machine measures",
}


_TOGETHER = ("train", "spaces", "explain", "cost", "doctor")
"""Commands that several processes may run at once: they train together, or write nothing."""


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors name the nearest valid word."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise NasError(f"{message}. See `{self.prog} --help`.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    # Read by OpenMP when torch loads it. Waiting threads that spin cost two to ten times the
    # CPU time of a small network's step as soon as anything else runs on the machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        return _dispatch(arguments)
    except NasError as error:
        if not isinstance(error, ElsewhereError):
            where = f"process {rank()}: " if rank() else ""
            print(f"{where}error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted: everything finished so far is on disk.", file=sys.stderr)
        return InterruptedRunError.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT):
            raise
        print(f"error: {error.strerror}: {error.filename or ''}", file=sys.stderr)
        return NasError.exit_code


def _dispatch(arguments: list[str]) -> int:
    """Run the command that the arguments name."""
    if not arguments:
        _top_parser().print_help()
        return NasError.exit_code
    module, namespace = parse(arguments)
    return int(module.run(namespace) or 0)


def parse(arguments: Sequence[str]) -> tuple[ModuleType, argparse.Namespace]:
    """Return the module of the command and its parsed options.

    Raises:
        NasError: There is no such command or option.
    """
    name = _top_parser().parse_args(arguments[:1]).command
    if name not in _COMMANDS:
        raise NasError(f"There is no command {name!r}. {nearest(name, _COMMANDS)}")
    if name not in _TOGETHER and processes() > 1:
        raise NasError(
            f"`nas {name}` runs in one process, not in {processes()}; only `nas train` runs "
            "under torchrun. Train by it, then run this command without torchrun."
        )
    module = importlib.import_module(f"nas.cli.{name.replace('-', '_')}")
    parser = _Parser(prog=f"nas {name}", description=_COMMANDS[name])
    module.configure(parser)
    return module, parser.parse_args(arguments[1:])


def _top_parser() -> _Parser:
    width = max(map(len, _COMMANDS))
    listing = "\n".join(f"  {name:{width}}  {text}" for name, text in _COMMANDS.items())
    top = _Parser(
        prog="nas",
        description="Train one supernet, measure your device, search under limits, export.",
        epilog=f"commands:\n{listing}\n\n`nas COMMAND --help` shows the options of one.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"nas {__version__}")
    top.add_argument("command", metavar="COMMAND", help="one of the commands below")
    return top
