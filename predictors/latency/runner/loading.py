"""How the networks of a kit are brought to run: by a runtime here, or by a command."""

from __future__ import annotations

from predictors.latency.runner.commands import CommandSample, command_of
from predictors.latency.runner.device import Device
from predictors.latency.runner.identity import Conditions, Identity
from predictors.latency.runner.kit import Kit, Loading
from predictors.latency.runner.timing import Loaded, warm_up
from predictors.latency.runtimes.base import FileRuntime

__all__ = ["by_command", "by_runtime"]


def by_runtime(kit: Kit, runtime: FileRuntime) -> Loading:
    """Return how a runtime loads the files of a kit on this device.

    Raises:
        MissingExtraError: It is not installed.
        MeasurementError: The device has fewer cores than threads were asked for.
    """
    options = kit.options
    identity = Identity.here(kit.space, options, runtime)

    def load(position: int) -> Loaded:
        shapes = kit.input_shapes[position]
        run = runtime.load(kit.data(position), shapes, threads=options.threads)
        return warm_up(run, options)

    return Loading(identity, load, lambda: runtime.measuring(threads=options.threads))


def by_command(kit: Kit, template: str, device: Device, *, folder: str | None = None) -> Loading:
    """Return how a command measures the files of a kit.

    Args:
        kit: The kit.
        template: Of the command, see `command_of`.
        device: What it measures on.
        folder: Where the kit is for the command; by default where it is here.

    Raises:
        MeasurementError: The template is not usable.
    """
    where = str(kit.folder) if folder is None else folder

    def load(position: int) -> CommandSample:
        model = f"{where}/{kit.files[position]}"
        command = command_of(template, model=model, threads=kit.options.threads)
        return CommandSample(command, kit.options.metric)

    load(0)  # refuses a wrong template now
    conditions = Conditions.asked(kit.options, f"by `{template}`")
    return Loading(Identity(kit.space, conditions, device), load, can_be_hot=False)
