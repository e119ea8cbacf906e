"""``nas nni``: whole runs as the trials of an NNI experiment."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import Any

from nas import pipeline
from nas.cli.progress import ProgressBar
from nas.cli.run import train_and_search
from nas.cli.runs import checked_run
from nas.config import load_config
from nas.errors import ConfigError
from nas.json_files import read_object
from nas.search.nni_bridge.experiment import (
    Plan,
    example_overrides,
    exposure,
    next_trial,
    report,
    run_experiment,
)
from nas.search.nni_bridge.spaces import from_search_space
from nas.search.nni_bridge.tuners import check_tuner, tuner_arguments
from nas.text import columns, quantity, title

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the actions and their options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    trial = actions.add_parser("trial", help="train and search once, as a trial of NNI")
    whole = actions.add_parser("experiment", help="run an experiment of such trials here")
    for action in (trial, whole):
        add = action.add_argument
        add("config", metavar="CONFIG", type=Path, help="a TOML file")
        add(
            "--set",
            metavar="KEY=VALUE",
            action="append",
            default=[],
            dest="overrides",
            help="set one value of the configuration in every trial",
        )
        add("--out", metavar="FOLDER", type=Path, help="holds the runs (default: runs/NAME.nni)")
    add = whole.add_argument
    add(
        "--space",
        metavar="FILE.json",
        type=Path,
        required=True,
        help='NNI\'s search space over keys of the configuration: {"train.learning_rate": '
        '{"_type": "choice", "_value": [0.05, 0.1]}}',
    )
    add("--tuner", metavar="NAME", default="TPE", help="of NNI (TPE)")
    add("--trials", metavar="N", type=int, default=10, help="runs in all (10)")
    add("--concurrency", metavar="N", type=int, default=1, help="runs at the same time (1)")
    add("--port", metavar="N", type=int, default=8080, help="of NNI's web server (8080)")


def run(arguments: argparse.Namespace) -> None:
    """Run the action."""
    if arguments.out is None:
        arguments.out = Path("runs") / f"{arguments.config.stem}.nni"
    (_trial if arguments.action == "trial" else _experiment)(arguments)


def _trial(arguments: argparse.Namespace) -> None:
    """Train and search one run, and report its best subnet to NNI."""
    id, overrides = next_trial()
    arguments.overrides = [*arguments.overrides, *overrides]
    arguments.out, arguments.resume = arguments.out / id, None
    folder, splits = checked_run(arguments)
    with folder.lock():
        problem, _ = train_and_search(folder, splits)
        (best,) = pipeline.choose(folder, problem, top=1)
    objective = problem.objectives[0]
    value = best.metrics[objective.metric].value
    report(value)
    print(
        f"{folder.path}: {best.id}, {title(objective.metric)} {quantity(objective.metric, value)}"
    )


def _experiment(arguments: argparse.Namespace) -> None:
    """Run an experiment and print its trials, best first."""
    space = read_object(arguments.space)
    _check_space(arguments, space)
    check_tuner(arguments.tuner, {})
    config = load_config(arguments.config, [*arguments.overrides, *example_overrides(space)])
    plan = Plan(
        command=_command(arguments),
        search_space=space,
        tuner=arguments.tuner,
        tuner_arguments=tuner_arguments(
            arguments.tuner, {}, direction="maximize", seed=config.seed
        ),
        trials=arguments.trials,
        concurrency=arguments.concurrency,
        port=arguments.port,
        folder=(arguments.out / "experiments").resolve(),
    )
    print(f"warning: {exposure(plan.port)}", file=sys.stderr)
    with ProgressBar("trials") as progress:
        found = run_experiment(plan, progress=progress)
    metric = config.search.objective
    rows = [
        (trial.id, quantity(metric, trial.value), json.dumps(trial.parameters))
        for trial in sorted(found, key=lambda trial: -trial.value)
    ]
    print(columns(("run", title(metric), "parameters"), rows))
    print(f"\nruns: {arguments.out}, the best of them {arguments.out / rows[0][0]}")


def _check_space(arguments: argparse.Namespace, space: dict[str, Any]) -> None:
    """Refuse what no tuner can take, before a server is started.

    Raises:
        ConfigError: The search space is empty, or an entry has not NNI's form.
    """
    if not space:
        raise ConfigError(f"{arguments.space} is empty: there is nothing to choose.")
    for key, entry in space.items():
        continuous = isinstance(entry, dict) and str(entry.get("_type")).endswith(
            ("uniform", "normal")
        )
        if not continuous:
            from_search_space({key: entry})


def _command(arguments: argparse.Namespace) -> str:
    """Return what starts one trial, from any folder."""
    words = [sys.executable, "-m", "nas", "nni", "trial", str(arguments.config.resolve())]
    words += ["--out", str(arguments.out.resolve())]
    for override in arguments.overrides:
        words += ["--set", override]
    return shlex.join(words)
