"""Optuna: samplers as searchers, archives as studies, and one search by many machines."""

from __future__ import annotations

from nas.search.optuna_bridge.mirror import StudyMirror
from nas.search.optuna_bridge.samplers import list_samplers
from nas.search.optuna_bridge.searcher import OptunaSearcher
from nas.search.optuna_bridge.shared import SharedStudy
from nas.search.optuna_bridge.work import WorkPlan, work

__all__ = ["OptunaSearcher", "SharedStudy", "StudyMirror", "WorkPlan", "list_samplers", "work"]
