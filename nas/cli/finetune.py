"""``nas finetune RUN --id ID``."""

from __future__ import annotations

import argparse

from nas import pipeline
from nas.cli.progress import ProgressBar
from nas.cli.runs import add_run
from nas.problems import network_space, space_of
from nas.runs import RunFolder

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    add_run(parser)
    parser.add_argument(
        "--id", metavar="ID", required=True, help="the subnet; a unique beginning is enough"
    )
    parser.add_argument("--epochs", type=int, default=5, help="passes over the images (5)")
    parser.add_argument(
        "--learning-rate", type=float, default=0.01, help="the highest, at the start (0.01)"
    )
    parser.add_argument(
        "--warmup-epochs", type=float, default=0.0, help="epochs of rising learning rate (0)"
    )
    parser.add_argument(
        "--teacher-weight", type=float, default=1.0, help="of the largest's soft labels (1)"
    )
    parser.add_argument(
        "--inner-weight",
        type=float,
        default=0.0,
        help="of the differences from what the largest's blocks yield (0)",
    )
    parser.add_argument(
        "--inner-slot",
        dest="inner_slots",
        metavar="SLOT",
        action="append",
        help='slots that --inner-weight compares, for example "stage4.*" (all)',
    )
    parser.add_argument(
        "--freeze",
        metavar="SLOT",
        action="append",
        default=[],
        help='slots whose weights stay as they are, for example "stem" or "stage1.*"',
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    folder = RunFolder.open(arguments.run)
    space = network_space(folder.config)
    names = (
        "epochs",
        "learning_rate",
        "warmup_epochs",
        "teacher_weight",
        "inner_weight",
        "freeze",
    )
    options = {name: getattr(arguments, name) for name in names}
    options["inner_slots"] = arguments.inner_slots or ["*"]
    with folder.lock():
        tables = pipeline.latency_stage(folder, space_of(folder.config), ProgressBar)
        problem = pipeline.problem_of(folder, space, tables)
        (row,) = pipeline.choose(folder, problem, top=1, id=arguments.id)
        splits = pipeline.load_splits(folder.config, space, ProgressBar)
        tuned = pipeline.finetune_stage(
            folder, space, splits, row, options, tables=tables, bars=ProgressBar
        )
    for name in ("accuracy", "test_accuracy"):
        before = f"{row.metrics[name].value:.4f}" if name in row.metrics else "not measured"
        after = tuned.metrics[name]
        print(f"{name}: {before} inherited, {after.value:.4f} fine-tuned ({after.provenance})")
    print(f"exported: {folder.finetuned(row.id) / 'exports' / row.id}")
