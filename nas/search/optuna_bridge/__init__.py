"""Optuna: its samplers as searchers, and archives as studies for its dashboard and plots."""

from __future__ import annotations

from nas.search.optuna_bridge.samplers import list_samplers
from nas.search.optuna_bridge.searcher import OptunaSearcher

__all__ = ["OptunaSearcher", "list_samplers"]
