"""Where a plan is measured: on this machine, or anywhere a kit can be brought to."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from predictors.latency.kit import file_runtime, read_measurement, write_kit
from predictors.latency.measurement import Measurement, now
from predictors.latency.plan import Plan
from predictors.latency.runner.campaign import measure_schedule
from predictors.latency.runner.device import Device
from predictors.latency.runner.identity import Identity
from predictors.latency.runner.journal import Journal
from predictors.latency.runner.kit import RESULT, Kit, measure_kit
from predictors.latency.runner.loading import by_command, by_runtime
from predictors.latency.runner.options import LutOptions
from predictors.latency.runner.thermal import Cooler
from predictors.latency.runner.timing import Loaded, warm_up
from predictors.latency.runtimes import FileRuntime, get_runtime
from search_spaces import SearchSpace
from search_spaces.progress import Progress

__all__ = ["Command", "KitTarget", "Target", "ThisMachine", "remove_work"]


class Target(Protocol):
    """Measures a plan somewhere; derive from it."""

    def identity(self, space: SearchSpace, options: LutOptions) -> Identity | None:
        """Return what a measurement would be of; None where only the device can tell.

        Raises:
            MeasurementError: The runtime is unknown, or the device cannot do what is asked.
            MissingExtraError: The runtime is not installed.
        """
        return None

    def measure(
        self,
        space: SearchSpace,
        plan: Plan,
        options: LutOptions,
        work: Path,
        *,
        progress: Progress,
    ) -> Measurement:
        """Measure a plan, or go on with a measurement that was stopped.

        Args:
            space: Whose plan it is.
            plan: What to measure.
            options: How.
            work: Where what was measured is kept until all is; a file or a folder.
            progress: Told how far the work has come.

        Raises:
            TableError: ``work`` is of another measurement, or cannot be written.
            MeasurementError: A network cannot be run, or the device not be reached.
        """


def remove_work(work: Path) -> None:
    """Delete what a target kept while it measured; the result is in a safe place."""
    if work.is_dir():
        shutil.rmtree(work)
    else:
        work.unlink(missing_ok=True)


class ThisMachine(Target):
    """Runs networks in this process, straight from their blocks.

    What a runtime is slow to convert is kept in a kit until the measurement is done.
    """

    def identity(self, space: SearchSpace, options: LutOptions) -> Identity:
        """Return the space, the conditions and this device."""
        return Identity.of(space, options, get_runtime(options.runtime))

    def measure(
        self,
        space: SearchSpace,
        plan: Plan,
        options: LutOptions,
        work: Path,
        *,
        progress: Progress,
    ) -> Measurement:
        """Measure here; ``work`` is the journal, or the kit."""
        runtime = get_runtime(options.runtime)
        if isinstance(runtime, FileRuntime) and runtime.slow_to_convert:
            return _KitHere().measure(space, plan, options, work, progress=progress)
        identity = Identity.of(space, options, runtime)
        journal = Journal(work, identity, plan=plan.digest, started=now())

        def load(position: int) -> Loaded:
            model = plan.items[position].model
            return warm_up(runtime.prepare(model, threads=options.threads), options)

        with runtime.measuring(threads=options.threads):
            parts = measure_schedule(
                plan.schedule,
                load,
                options=options,
                journal=journal,
                progress=progress,
                cooler=Cooler(options.max_celsius),
            )
        return Measurement(identity, plan, journal.started, now(), tuple(map(tuple, parts)))


class KitTarget(Target):
    """Measures a kit in the folder ``work``; derive from it."""

    def measure(
        self,
        space: SearchSpace,
        plan: Plan,
        options: LutOptions,
        work: Path,
        *,
        progress: Progress,
    ) -> Measurement:
        """Write what the kit lacks, measure what its result lacks, and read the result."""
        kit = write_kit(space, plan, options, work, progress=progress)
        if not kit.is_finished():
            self.finish(kit, progress)
        return read_measurement(work / RESULT, kit=kit, space=space)[1]

    def finish(self, kit: Kit, progress: Progress) -> None:
        """Measure what a kit's journal does not hold yet, and put the result into its folder.

        Raises:
            TableError: The journal is of another measurement, or the disk is full.
            MeasurementError: A network cannot be run, or the device not be reached.
        """
        raise NotImplementedError


class _KitHere(KitTarget):
    """Runs a kit's files in this process."""

    def finish(self, kit: Kit, progress: Progress) -> None:
        """Load the files by the kit's runtime, and run them."""
        measure_kit(kit, by_runtime(kit, file_runtime(kit.runtime)), progress=progress)


@dataclass(frozen=True, slots=True)
class Command(KitTarget):
    """Measures by a command on this machine that prints milliseconds.

    Attributes:
        template: See `predictors.latency.runner.commands.command_of`.
        device: What the command measures on.
    """

    template: str
    device: str

    def finish(self, kit: Kit, progress: Progress) -> None:
        """Run the command on the kit's files."""
        loading = by_command(kit, self.template, Device.named(self.device))
        measure_kit(kit, loading, progress=progress)
