"""Android devices through ``adb``: networks are pushed, a command there prints milliseconds."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass

from predictors.errors import MeasurementError
from predictors.latency.runner.device import Device, device_of
from predictors.latency.runner.kit import Kit, measure_kit
from predictors.latency.runner.loading import by_command
from predictors.latency.target import KitTarget
from search_spaces.progress import Progress

__all__ = ["Adb"]

_FOLDER = "/data/local/tmp/nas-lut"
_PUSH_TIMEOUT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Adb(KitTarget):
    """An Android device.

    Attributes:
        template: Command that runs on the device and prints milliseconds, for example
            ``/data/local/tmp/bench {model}``.
        serial: Of the device; empty for the only one that is connected.
        program: The adb to use.
    """

    template: str
    serial: str = ""
    program: str = "adb"

    def finish(self, kit: Kit, progress: Progress) -> None:
        """Push the kit's files, and run the command on the device."""
        device = self._device()
        folder = f"{_FOLDER}/{kit.schedule.digest}"
        self._push(kit, folder, progress)
        command = shlex.join([*self._adb(), "shell"]) + " " + self.template
        measure_kit(kit, by_command(kit, command, device, folder=folder), progress=progress)
        self._run("shell", "rm", "-rf", folder)

    def _adb(self) -> list[str]:
        return [self.program, *(["-s", self.serial] if self.serial else [])]

    def _run(self, *words: str) -> str:
        """Run adb and return what it prints.

        Raises:
            MeasurementError: It fails, or is not there.
        """
        command = [*self._adb(), *words]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_PUSH_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise MeasurementError(
                f"Cannot run `{shlex.join(command)}`: {error}. Install Android's platform tools."
            ) from error
        if done.returncode != 0:
            said = " ".join((done.stderr or done.stdout).split())
            raise MeasurementError(
                f"`{shlex.join(command)}` failed: {said:.300}. Look at `adb devices`; what was "
                "measured before is kept."
            )
        return done.stdout

    def _push(self, kit: Kit, folder: str, progress: Progress) -> None:
        """Copy the networks; adb skips those that are there already."""
        progress(0, 1, f"pushing {len(kit.files)} networks")
        self._run("shell", "mkdir", "-p", folder)
        self._run("push", "--sync", str(kit.folder / "models"), folder)

    def _device(self) -> Device:
        """Return what the device says of itself."""
        board = self._run("shell", "getprop", "ro.product.model").strip()
        machine = self._run("shell", "uname", "-m").strip()
        version = self._run("shell", "getprop", "ro.build.version.release").strip()
        cpuinfo = self._run("shell", "cat", "/proc/cpuinfo")
        return device_of(
            cpuinfo, board=board, machine=machine, system="Android", os=f"Android {version}"
        )
