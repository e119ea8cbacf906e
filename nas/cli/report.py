"""``nas report RUN``."""

from __future__ import annotations

import argparse

from nas.cli.runs import add_run
from nas.report import report_plain, write_report
from nas.runs import RunFolder

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    add_run(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    folder = RunFolder.open(arguments.run)
    path = write_report(folder)
    print(report_plain(folder))
    print(f"\nreport: {path}")
