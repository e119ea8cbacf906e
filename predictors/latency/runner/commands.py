"""Measuring by a command that runs a network and prints a number: boards without Python."""

from __future__ import annotations

import math
import re
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from predictors.errors import MeasurementError
from predictors.latency.runner.options import LATENCY, unit_of

__all__ = ["CommandSample", "command_of", "parse_printed"]

_NUMBER = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([a-zA-Zµ]+)?\W*$")
_MILLISECONDS = {"ms": 1.0, "us": 1e-3, "µs": 1e-3, "s": 1e3}
_TIMEOUT_S = 600.0


def command_of(template: str, *, model: str, threads: int) -> list[str]:
    """Return the words of a command.

    Args:
        template: ``{model}`` stands for the file, ``{threads}`` for the number of threads; it
            is split as a shell would, but no shell runs it.
        model: The file.
        threads: Threads that a run may use.

    Raises:
        MeasurementError: The template cannot be split, or lacks ``{model}``.
    """
    try:
        words = shlex.split(template)
    except ValueError as error:
        raise MeasurementError(f"The command {template!r} cannot be split: {error}.") from error
    if not any("{model}" in word for word in words):
        raise MeasurementError(
            f"The command {template!r} must say where the network's file goes, for example "
            "'./bench {model}'."
        )
    return [word.replace("{model}", model).replace("{threads}", str(threads)) for word in words]


@dataclass(frozen=True, slots=True)
class CommandSample:
    """A network whose latency, or other metric, a command prints; a `Sampled`.

    Attributes:
        command: Runs the network as often as it likes and prints the mean or median of a run.
        metric: What it prints; its name ends in the unit.
        repeats: Counts as one run, whatever the command does.
    """

    command: Sequence[str]
    metric: str = LATENCY
    repeats: int = 1

    def sample(self) -> float:
        """Run the command and return the number it prints, in the metric's unit.

        Raises:
            MeasurementError: It fails, takes ten minutes, or prints no number above zero.
        """
        shown = shlex.join(self.command)
        try:
            done = subprocess.run(
                self.command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise MeasurementError(f"Cannot run `{shown}`: {error}.") from error
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise MeasurementError(
                f"`{shown}` ended with exit code {done.returncode}: {' '.join(said)}. What was "
                "measured before is kept; run it by hand to see why."
            )
        value = parse_printed(done.stdout, self.metric)
        if value is None:
            raise MeasurementError(
                f"`{shown}` must print {self.metric} at its end, above zero, in "
                f"{unit_of(self.metric)}; it printed {done.stdout.strip()[-200:]!r}."
            )
        return value


def parse_printed(text: str, metric: str = LATENCY) -> float | None:
    """Return the number at the end of an output, in a metric's unit; None if none is above zero.

    The unit may follow it, in large or small letters; of a latency also ``us`` or ``s``.
    """
    found = _NUMBER.search(text.strip())
    if found is None:
        return None
    unit = unit_of(metric)
    factors = _MILLISECONDS if unit == "ms" else {unit.lower(): 1.0}
    factor = factors.get((found[2] or unit).lower())
    if factor is None:
        return None
    value = float(found[1]) * factor
    return value if value > 0 and math.isfinite(value) else None
