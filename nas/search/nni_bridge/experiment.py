"""Experiments of NNI for coarse jobs: a trial is a whole run under values that a tuner chose.

A parameter of the search space has a dotted key of the configuration as its name. A trial takes
seconds of NNI's own, so this is for what takes minutes: how the supernet is trained, not which
subnet is evaluated next.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.errors import RunError
from nas.search.nni_bridge.package import experiment_module, nni_package, quiet
from search_spaces.progress import Progress, silent

__all__ = [
    "NniTrial",
    "Plan",
    "example_overrides",
    "exposure",
    "next_trial",
    "report",
    "run_experiment",
]

_POLL_S = 2.0


@dataclass(frozen=True, slots=True)
class NniTrial:
    """A finished trial.

    Attributes:
        id: NNI's.
        parameters: Values by dotted key.
        value: What it reported.
    """

    id: str
    parameters: Mapping[str, Any]
    value: float


@dataclass(frozen=True, slots=True)
class Plan:
    """An experiment.

    Attributes:
        command: Starts one trial.
        search_space: In NNI's form.
        tuner: Its name in NNI.
        tuner_arguments: Of its constructor; they say the direction.
        trials: How many in all.
        concurrency: How many at the same time.
        port: Of the web server.
        folder: Where NNI keeps its logs and its database.
    """

    command: str
    search_space: Mapping[str, Any]
    tuner: str
    tuner_arguments: Mapping[str, Any]
    trials: int
    concurrency: int
    port: int
    folder: Path


def exposure(port: int) -> str:
    """Return the warning that belongs in front of every experiment."""
    return (
        f"NNI's web server listens on port {port} of every network interface and asks for no "
        "password: whoever reaches it can read the commands and paths of the trials and start "
        "trials of its own. Run it behind a firewall, or in a container or network namespace."
    )


def next_trial() -> tuple[str, list[str]]:
    """Return the id of the trial that this process is, and its overrides of the configuration.

    Outside an experiment there are no overrides, and the id is ``STANDALONE``.

    Raises:
        MissingExtraError: NNI is not installed.
    """
    package = nni_package()
    return str(package.get_trial_id()), _overrides(package.get_next_parameter() or {})


def report(value: float) -> None:
    """Tell NNI the result of the trial that this process is."""
    nni_package().report_final_result(value)


def example_overrides(search_space: Mapping[str, Any]) -> list[str]:
    """Return the overrides of one point of a search space, to check its keys by."""
    first = {key: (entry["_type"], entry["_value"][0]) for key, entry in search_space.items()}
    whole = ("choice", "randint")  # what other kinds draw is no integer
    return _overrides(
        {key: value if kind in whole else float(value) for key, (kind, value) in first.items()}
    )


def _overrides(parameters: Mapping[str, Any]) -> list[str]:
    """Return parameters as KEY=VALUE; numbers, texts and lists are the same in JSON and TOML."""
    return [f"{key}={json.dumps(value)}" for key, value in parameters.items()]


def run_experiment(plan: Plan, *, progress: Progress = silent) -> list[NniTrial]:
    """Run an experiment on this machine and return its finished trials.

    Args:
        plan: What to run; see `exposure` for what everybody can reach meanwhile.
        progress: Told how many trials have ended.

    Raises:
        RunError: NNI cannot start, or every trial failed.
        MissingExtraError: It is not installed.
    """
    experiment = experiment_module().Experiment("local")
    config = experiment.config
    config.trial_command = plan.command
    config.trial_code_directory = str(plan.folder)
    config.experiment_working_directory = str(plan.folder)
    config.search_space = dict(plan.search_space)
    config.tuner.name = plan.tuner
    config.tuner.class_args = dict(plan.tuner_arguments)
    config.max_trial_number = plan.trials
    config.trial_concurrency = plan.concurrency
    plan.folder.mkdir(parents=True, exist_ok=True)
    with quiet():
        try:
            experiment.start(plan.port)
            ended = _wait(experiment, plan, progress)
            results = experiment.export_data()
        except (OSError, RuntimeError, ValueError) as error:
            raise RunError(f"The NNI experiment cannot run: {error}") from error
        finally:
            experiment.stop()
    found = [NniTrial(r.trialJobId, r.parameter, float(r.value)) for r in results]
    if not found:
        raise RunError(
            f"All {len(ended)} trials of the NNI experiment failed. Their output is in "
            f"{plan.folder / experiment.id / 'trials'}."
        )
    return found


def _wait(experiment: Any, plan: Plan, progress: Progress) -> Sequence[Any]:
    """Wait until every trial has ended; return them."""
    while True:
        status = experiment.get_status()
        trials = experiment.list_trial_jobs()
        ended = [trial for trial in trials if trial.status not in ("WAITING", "RUNNING")]
        progress(min(len(ended), plan.trials), plan.trials, "")
        if status in ("DONE", "STOPPED", "ERROR", "NO_MORE_TRIAL") and len(ended) == len(trials):
            return ended
        time.sleep(_POLL_S)
