"""The runner's command line on a device: ``python3 runner.pyz``. It prints, as `nas.cli` does."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from predictors.latency.runner.device import Device
from predictors.latency.runner.follow import follow, only_runner
from predictors.latency.runner.kit import JOURNAL, Kit, measure_kit, read_kit
from predictors.latency.runner.loading import by_command, by_runtime
from predictors.latency.runtimes.base import FileRuntime
from search_spaces.errors import NasError

__all__ = ["main"]

_TELL_EVERY_S = 2.0
_RESUMABLE = 4


def main(runtime: FileRuntime, arguments: Sequence[str] | None = None) -> int:
    """Measure the kit that the runner lies in.

    Args:
        runtime: What the kit's files are for.
        arguments: Of the command line; by default the process's.

    Returns:
        The exit code: 0 done, 2 bad input, 4 interrupted and resumable.
    """
    given = _parser().parse_args(arguments)
    try:
        kit = read_kit(given.folder)
        if given.check:
            print(json.dumps(_state(kit, runtime)))
            return 0
        if given.follow is not None:
            return 0 if follow(kit, given.follow, _tell_line) else NasError.exit_code
        with only_runner(kit.folder):
            _measure(kit, runtime, given)
    except NasError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    except BrokenPipeError:  # who followed is gone; the runner in the background goes on
        return _RESUMABLE
    except KeyboardInterrupt:
        print("interrupted: every finished round is kept; run it again", file=sys.stderr)
        return _RESUMABLE
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="runner.pyz",
        description="Measure every network beside this file; what was measured is never "
        "measured again. Writes result.json, which `nas lut import` takes back.",
    )
    here = Path(sys.argv[0]).resolve().parent
    parser.add_argument("--folder", metavar="DIR", type=Path, default=here, help="of the kit")
    parser.add_argument(
        "--command", metavar="TEMPLATE", help="measure by a command that prints milliseconds"
    )
    parser.add_argument("--device", metavar="NAME", default="", help="what it measures on")
    parser.add_argument("--json", action="store_true", help="tell progress as JSON")
    parser.add_argument("--check", action="store_true", help="print what is here, as JSON")
    parser.add_argument(
        "--follow",
        metavar="BYTES",
        type=int,
        help="measure in the background, and print the journal from this byte on",
    )
    return parser


def _measure(kit: Kit, runtime: FileRuntime, given: argparse.Namespace) -> None:
    if kit.is_finished():
        print(f"{kit.folder} is measured; nothing is to do")
        return
    if given.command:
        loading = by_command(kit, given.command, Device.named(given.device))
    else:
        loading = by_runtime(kit, runtime)
    path = measure_kit(kit, loading, progress=_Teller(as_json=given.json))
    print(f"wrote {path}", flush=True)


def _state(kit: Kit, runtime: FileRuntime) -> dict[str, Any]:
    """Return what the folder holds and has room for; refuse what could not be measured."""
    by_runtime(kit, runtime)
    names = [*kit.files, JOURNAL]
    return {
        "free_bytes": shutil.disk_usage(kit.folder).free,
        "files": {
            name: path.stat().st_size for name in names if (path := kit.folder / name).exists()
        },
    }


def _tell_line(name: str, line: str) -> None:
    print(json.dumps({name: line}), flush=True)


class _Teller:
    """Prints progress, every two seconds at most."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._next_s = 0.0

    def __call__(self, done: int, total: int, text: str) -> None:
        if time.monotonic() < self._next_s and done < total:
            return
        self._next_s = time.monotonic() + _TELL_EVERY_S
        share = done / total if total else 1.0
        line = json.dumps([done, total, text]) if self._as_json else f"{share:4.0%} {text}"
        print(line, flush=True)
