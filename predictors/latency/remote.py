"""Devices that are reached through SSH: a kit is copied, run there, and its result fetched."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any

from predictors.errors import ConnectionLostError, MeasurementError, TableError
from predictors.latency.files import append_line, write_bytes
from predictors.latency.kit import RUNNER
from predictors.latency.runner.kit import JOURNAL, PLAN, RESULT, Kit
from predictors.latency.ssh import Ssh
from predictors.latency.target import KitTarget
from search_spaces.progress import Progress

__all__ = ["Remote"]


@dataclass(frozen=True, slots=True)
class Remote(KitTarget):
    """Measures on another machine.

    The runner goes on there when the connection breaks; measuring again follows it. Every
    finished round is copied here as it comes. What was copied there is removed in the end.

    Attributes:
        ssh: How the machine is reached.
        folder: There; the kit gets a folder of its own in it.
        python: The Python there.
    """

    ssh: Ssh
    folder: str = "nas-lut"
    python: str = "python3"

    def finish(self, kit: Kit, progress: Progress) -> None:
        """Measure there; the kit's journal becomes a copy of the one there."""
        there = f"{self.folder}/{kit.schedule.digest}"
        self._copy(kit, there, progress)
        self._follow(kit, there, progress)
        result = self.ssh.run(f"cat {shlex.quote(f'{there}/{RESULT}')}")
        write_bytes(kit.folder / RESULT, result)
        if kit.is_finished():
            self.ssh.run(f"rm -rf {shlex.quote(there)}")

    def _runner(self, there: str, *words: str) -> str:
        """Return the command that runs the runner."""
        return shlex.join([self.python, f"{there}/{RUNNER}", *words])

    def _copy(self, kit: Kit, there: str, progress: Progress) -> None:
        """Copy what is not there yet.

        Raises:
            TableError: There is no room for it.
            MeasurementError: The runtime is not installed there.
        """
        first = [(name, kit.folder / name) for name in (PLAN, RUNNER)]
        self.ssh.send(first, there, progress=progress)
        state = json.loads(self.ssh.run(self._runner(there, "--check")))
        sizes: dict[str, int] = state["files"]
        missing = [
            (name, path)
            for name in kit.files
            if (path := kit.folder / name).stat().st_size != sizes.get(name)
        ]
        journal = kit.folder / JOURNAL
        if journal.exists() and journal.stat().st_size > sizes.get(JOURNAL, 0):
            missing.append((JOURNAL, journal))  # the device has lost its own
        needed = sum(path.stat().st_size for _, path in missing)
        if needed > state["free_bytes"]:
            raise TableError(
                f"{self.ssh.host} has {state['free_bytes'] / 1e6:.0f} MB of room in "
                f"{self.folder}, the networks need {needed / 1e6:.0f} MB. Free some, or choose "
                "another place with --folder."
            )
        self.ssh.send(missing, there, progress=progress)

    def _follow(self, kit: Kit, there: str, progress: Progress) -> None:
        """Let the runner measure there, and keep the rounds it finishes.

        Raises:
            MeasurementError: It failed; the message is its own.
            ConnectionLostError: The connection broke.
        """
        journal = kit.folder / JOURNAL
        known = journal.read_bytes().rfind(b"\n") + 1 if journal.exists() else 0
        said = ""
        try:
            for line in self.ssh.lines(self._runner(there, "--follow", str(known))):
                event: dict[str, Any] = json.loads(line)
                if "journal" in event:
                    append_line(journal, event["journal"])
                    continue
                try:
                    done, total, text = json.loads(event["log"])
                    progress(done, total, text)
                except ValueError:
                    said = event["log"]
        except ConnectionLostError:
            raise
        except MeasurementError as error:
            message = said.removeprefix("error: ") or (
                "the runner ended before it was done. What it measured is kept; run the same "
                "command again."
            )
            raise MeasurementError(f"{self.ssh.host}: {message}") from error
