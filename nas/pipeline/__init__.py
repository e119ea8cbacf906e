"""The stages of a run, each a function of the run folder: what is done is not done again.

Order of a whole run: latency table, check of the limits, training, search, export, report. The
limits are checked before the long work, so that the impossible is said at once.
"""

from __future__ import annotations

from nas.pipeline.checks import check_limits, check_training, problem_of
from nas.pipeline.choosing import choose, front_stage, sweep_stage
from nas.pipeline.evaluation import check_trained, open_archive, subnet_evaluator
from nas.pipeline.exporting import export_stage, report_stage
from nas.pipeline.images import load_splits
from nas.pipeline.latency import has_tables, latency_stage, lut_options
from nas.pipeline.searching import search_stage
from nas.pipeline.stage import Bars
from nas.pipeline.training import finetune_stage, teacher_stage, train_stage

__all__ = [
    "Bars",
    "check_limits",
    "check_trained",
    "check_training",
    "choose",
    "export_stage",
    "finetune_stage",
    "front_stage",
    "has_tables",
    "latency_stage",
    "load_splits",
    "lut_options",
    "open_archive",
    "problem_of",
    "report_stage",
    "search_stage",
    "subnet_evaluator",
    "sweep_stage",
    "teacher_stage",
    "train_stage",
]
