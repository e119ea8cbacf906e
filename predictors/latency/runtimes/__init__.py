"""Runtimes that networks are measured in; each is one file and an extra of its own."""

from __future__ import annotations

from predictors.latency.runtimes.base import FileRuntime, Run, Runtime
from predictors.latency.runtimes.registry import get_runtime, list_runtimes

__all__ = ["FileRuntime", "Run", "Runtime", "get_runtime", "list_runtimes"]
