"""Whether a supernet ranks its subnets as training each of them alone does, and how well they do.

    python benchmarks/training_proof.py --data cifar10.npz
    python benchmarks/training_proof.py --task fashion_mnist
    python benchmarks/training_proof.py --task cifar10_32px --data cifar10.npz   # better on a GPU

Twenty subnets of mobile_small, spread evenly over MACs at one resolution, are trained alone,
with two seeds; then supernets by several strategies at about the same training cost, by
the same loop, on the same images. The cost is counted in multiply-accumulates of forward and
backward passes. Accuracies are those of the 10,000 test images, after batch norm was
recalibrated.

Each training is kept in a folder of its own below ``--work`` as it goes on. Stopped, the
benchmark resumes when it is called again; called several times at once, the calls share the
work. ``--train 'alone*'`` does some of the trainings only, and ``--train`` without a pattern
none; the tables show what is there.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import torch
from common import print_table, write_result
from proof_tables import Finished, accuracy_table, difference_table, ranking_table, subnet_table
from proof_units import TASKS, Task, recipe, result_of, run_unit, units

from nas.data import load_data
from nas.errors import InterruptedRunError, RunError


def train_units(task: Task, work: Path, data: Path, patterns: Sequence[str]) -> None:
    """Train what is missing of the units that fit a pattern, in the order of the patterns."""
    every = list(units(task))
    wanted = [unit for p in patterns for unit in every if fnmatchcase(unit.name, p)]
    wanted = [unit for unit in dict.fromkeys(wanted) if result_of(unit, work) is None]
    if not wanted:
        return
    splits = load_data(wanted[0].config(data).data, seed=0)
    for unit in wanted:
        start = time.monotonic()
        try:
            result = run_unit(unit, work, data, splits)
        except RunError as error:
            print(f"{unit.name} is passed over: {error}", flush=True)
            continue
        accuracies = ", ".join(f"{100 * value:.1f}" for value in result["test"])
        print(f"{unit.name}: {time.monotonic() - start:.0f} s, {accuracies} %", flush=True)


def report(name: str, work: Path) -> None:
    """Print the tables of the finished units, and keep them."""
    task = TASKS[name]
    results = {unit.name: result_of(unit, work) for unit in units(task)}
    missing = [unit for unit, result in results.items() if result is None]
    found = [result for result in results.values() if result is not None]
    finished = Finished.of(task.space, found)
    if not finished.comparable:
        print(f"Too little to compare yet; missing: {', '.join(missing)}")
        return
    tables = {
        "ranking": ranking_table(finished),
        "accuracy": accuracy_table(finished),
        "inherited_minus_alone": difference_table(finished),
        "subnets": subnet_table(finished),
    }
    for title, rows in tables.items():
        print(f"\n{title.replace('_', ' ')}")
        print_table(rows)
    print(f"\nmissing: {', '.join(missing) or 'nothing'}")
    trained_on = sorted({result["trained_on"] for result in found})
    about = {"recipe": recipe(task), "trained_on": trained_on, "missing": missing}
    print(write_result(f"training_proof_{name}", {**about, **tables}))


def main() -> None:
    """Train what is missing and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", choices=TASKS, default="cifar10")
    parser.add_argument("--data", type=Path, help="the images, if not where the task has them")
    parser.add_argument("--work", type=Path, help="default: runs/training_proof_TASK")
    parser.add_argument("--train", nargs="*", metavar="PATTERN", default=["*"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    task = TASKS[options.task]
    work = options.work or Path(f"runs/training_proof_{options.task}")
    data = options.data or Path(task.path)
    try:
        train_units(task, work, data.resolve(), options.train)
    except InterruptedRunError as error:
        raise SystemExit("Stopped, and kept. Call the benchmark again to go on.") from error
    report(options.task, work)


if __name__ == "__main__":
    main()
