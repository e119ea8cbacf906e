"""The command line: the only package that prints."""

from __future__ import annotations

from nas.cli.main import main

__all__ = ["main"]
