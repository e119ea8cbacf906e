"""The parties of a protocol, each a process of its own, with the link between them."""

from __future__ import annotations

import contextlib
import statistics
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from predictors.mpc.engine.link import Link, Pinger, open_link
from predictors.mpc.engine.process import START_S, Worker, receive_all
from predictors.mpc.profiles import Network, Protocol
from predictors.mpc.program import Operator

__all__ = ["Parties", "RoundMeter", "operator_s"]

_REPEATS = 5


class _Stacked:
    """What is ended together when a with statement is left."""

    _stack: contextlib.ExitStack

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)


class Parties(_Stacked):
    """Processes of one protocol that answer requests together.

    Args:
        protocol: Whose parties compute.
        network: Shapes the link between them where the system allows it; None leaves it as
            the loopback device is.
        timeout_s: For each answer.

    Attributes:
        protocol: The protocol.
        link: ``tun`` for a shaped link, ``loopback``.
        versions: Of the engine and what it runs on.

    Raises:
        MeasurementError: A party does not start, or the link cannot be shaped.
    """

    def __init__(
        self, protocol: Protocol, *, network: Network | None = None, timeout_s: float = 600.0
    ) -> None:
        self.protocol, self._timeout_s = protocol, timeout_s
        self._stack = contextlib.ExitStack()
        with self.ended_on_error():
            folder = tempfile.TemporaryDirectory(prefix="mpc-run-")
            self._folder = Path(self._stack.enter_context(folder))
            link = self._stack.enter_context(open_link(network, protocol.parties))
            self._workers = [
                self._stack.enter_context(self._party(rank, link))
                for rank in range(protocol.parties)
            ]
            self.link = link.kind
            self.versions: dict[str, str] = receive_all(self._workers, timeout_s=START_S)[0]
            self._pinger = None if link.kind == "loopback" else Pinger(link)
            if self._pinger is not None:
                self._stack.callback(self._pinger.close)

    @contextlib.contextmanager
    def ended_on_error(self) -> Iterator[None]:
        """End all parties where the body raises."""
        try:
            yield
        except BaseException as error:
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise

    def _party(self, rank: int, link: Link) -> Worker:
        protocol, log = self.protocol, str(self._folder / f"party{rank}.log")
        arguments = ["party", protocol.name, str(protocol.fraction_bits), log, str(rank)]
        return Worker([*arguments, *link.addresses], prefix=link.prefixes[rank])

    def saved(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> str:
        """Write arrays where parties can read them, and return the path."""
        path = self._folder / f"{name}.npz"
        np.savez(path, **arrays)  # type: ignore[arg-type]
        return str(path)

    def ask(
        self, request: Mapping[str, Any], own: Mapping[int, Mapping[str, Any]] | None = None
    ) -> list[dict[str, Any]]:
        """Send every party a request and, by its rank, what is its own; return their answers.

        Raises:
            MeasurementError: A party dies or hangs, or the engine fails.
        """
        for rank, worker in enumerate(self._workers):
            worker.send({**request, **(own or {}).get(rank, {})})
        return receive_all(self._workers, timeout_s=self._timeout_s)

    def measured_rtt_ms(self) -> float | None:
        """Stop measuring the link, and return its mean round trip; None on loopback.

        Raises:
            MeasurementError: No packet came back.
        """
        return None if self._pinger is None else self._pinger.stop()

    @property
    def pids(self) -> list[int]:
        """Process ids of the parties, by rank."""
        return [worker.pid for worker in self._workers]


def operator_s(parties: Parties, operator: Operator) -> float:
    """Return the seconds of the slowest party for an operator, the mean of some warm runs.

    The mean, since some of them refill a stock of transfers.

    Raises:
        MeasurementError: A party dies or hangs, or the engine fails.
    """
    request = {"kind": operator.kind, "sizes": operator.sizes, "repeats": _REPEATS}
    runs = list(zip(*(answer["walls_s"] for answer in parties.ask(request)), strict=True))
    return float(statistics.mean(max(run) for run in runs[1:]))


class RoundMeter(_Stacked):
    """Measures effective rounds: by how many one-way delays an operator lasts longer.

    For protocols whose sends are no rounds. Each operator runs over two links that differ in
    their round trip alone; what else the machine does in between is counted as rounds, too, so
    it should be idle.

    Args:
        protocol: Whose parties compute.
    """

    _RTT_MS = 100.0
    _NEAR, _FAR = Network("near", 0.0, 1e5), Network("far", _RTT_MS, 1e5)

    def __init__(self, protocol: Protocol) -> None:
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            self._near = stack.enter_context(Parties(protocol, network=self._NEAR))
            self._far = stack.enter_context(Parties(protocol, network=self._FAR))
            self._stack = stack.pop_all()

    @property
    def shaped(self) -> bool:
        """Whether the system let the link be shaped; else nothing can be measured."""
        return self._far.link != "loopback"

    def __call__(self, operator: Operator) -> float:
        """Return the rounds of one operator, in one-way delays, at least 0.

        Raises:
            MeasurementError: A party dies or hangs, or the engine fails.
        """
        near, far = (operator_s(parties, operator) for parties in (self._near, self._far))
        return max(0.0, (far - near) / (self._RTT_MS / 2e3))
