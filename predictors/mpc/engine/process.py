"""Starts the engine's processes and talks to them, one JSON object a line."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from predictors.errors import MeasurementError
from predictors.mpc.engine.environment import installed_engine
from predictors.mpc.profiles import Protocol

__all__ = ["START_S", "Pool", "Worker", "receive_all", "refuse_under_load"]

_WORKER = Path(__file__).parent / "inside" / "worker.py"
START_S = 60.0
"""Until an engine's process is up, and has found the others."""
_POLL_S = 0.02


def refuse_under_load() -> None:
    """Refuse to measure times on a machine that is busy.

    Raises:
        MeasurementError: More is running than there are processors, so that times would be
            those of waiting.
    """
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load > cores + 1:
        raise MeasurementError(
            f"The load of this machine is {load:.1f} on {cores} processors; times measured now "
            "would be too long. Wait until it is idle."
        )


class Worker:
    """One process of the engine.

    Args:
        arguments: Of the worker.
        prefix: A command that starts it elsewhere, for example in a network namespace.

    Raises:
        MeasurementError: It does not start, or the engine is not installed.
    """

    def __init__(self, arguments: Sequence[str], *, prefix: Sequence[str] = ()) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="mpc-")
        self._errors = (Path(self._folder.name) / "stderr").open("w+")
        command = [*prefix, str(installed_engine()), str(_WORKER), *arguments]
        environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONDONTWRITEBYTECODE": "1"}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment,
            cwd=self._folder.name,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def ready(self) -> dict[str, str]:
        """Wait until it is up, and return the versions of what it computes with.

        A party is up when all parties are: start them all before waiting for one.

        Raises:
            MeasurementError: It died, or did not come up in time.
        """
        return self.receive(timeout_s=START_S)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def send(self, request: Mapping[str, Any]) -> None:
        """Send a request.

        Raises:
            MeasurementError: The process has died.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._died() from error

    def receive(self, *, timeout_s: float) -> dict[str, Any]:
        """Return the next answer.

        Raises:
            MeasurementError: None came in time, the process died, or the engine refused.
        """
        answer = self.poll(timeout_s)
        if answer is None:
            raise _no_answer(timeout_s)
        return answer

    def poll(self, timeout_s: float) -> dict[str, Any] | None:
        """Return the next answer, or None where there is none in time.

        Raises:
            MeasurementError: The process died, or the engine refused.
        """
        try:
            line = self._lines.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if not line:
            raise self._died()
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise MeasurementError(f"The engine failed: {answer['error']}")
        return answer

    def _died(self) -> MeasurementError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return MeasurementError(
            f"A process of the engine ended with exit code {self._process.returncode}: "
            f"{lines[-1] if lines else 'no message'}"
        )

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._process.kill()
        self.close()


def receive_all(workers: Sequence[Worker], *, timeout_s: float) -> list[dict[str, Any]]:
    """Return the next answer of every worker; one that dies is not waited for by the others.

    Raises:
        MeasurementError: An answer is late, a process died, or the engine refused.
    """
    answers: list[dict[str, Any] | None] = [None] * len(workers)
    deadline = time.monotonic() + timeout_s
    while True:
        for i, worker in enumerate(workers):
            answers[i] = answers[i] or worker.poll(_POLL_S)
        if all(answers):
            return [answer for answer in answers if answer]
        if time.monotonic() > deadline:
            raise _no_answer(timeout_s)


def _no_answer(timeout_s: float) -> MeasurementError:
    """Return the error of an answer that is late."""
    return MeasurementError(
        f"The engine did not answer within {timeout_s:g} s: a party hangs, or the network is too "
        "slow. It was stopped."
    )


class Pool(Worker):
    """All parties of a protocol as threads of one process: bytes, sends and processor time.

    Args:
        protocol: Whose parties they are.

    Attributes:
        protocol: The protocol.
        versions: Of the engine and what it runs on.

    Raises:
        MeasurementError: The process does not start, or the engine is not installed.
    """

    def __init__(self, protocol: Protocol) -> None:
        descriptor, name = tempfile.mkstemp(prefix="mpc-", suffix=".log")
        os.close(descriptor)
        self._log_file = Path(name)
        self.protocol = protocol
        super().__init__(["pool", protocol.name, str(protocol.fraction_bits), name])
        self.versions = self.ready()

    def run(self, request: Mapping[str, Any], *, timeout_s: float = 600.0) -> dict[str, Any]:
        """Compute once and return bytes, sends, seconds and the result.

        Args:
            request: An operator (``kind``, ``sizes``) or a program (``steps``, ``arrays``).
            timeout_s: How long to wait.

        Raises:
            MeasurementError: The engine fails, dies or does not answer in time.
        """
        self.send(request)
        return self.receive(timeout_s=timeout_s)

    def close(self) -> None:
        """End the process and remove its log."""
        super().close()
        self._log_file.unlink(missing_ok=True)
