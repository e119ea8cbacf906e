"""The network between the parties: shaped where the system lets us, else the loopback device.

Each party gets a network namespace of its own, and a forwarder in user space (`forwarder`)
carries every packet between their TUN devices, with the delay and the rate of the profile; it
asks nothing of the kernel but TUN, which more kernels have than netem. It needs root. Without
it the parties meet on the loopback device, and the caller adds the network by the formula.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from predictors.errors import MeasurementError
from predictors.mpc.profiles import Network

__all__ = ["Link", "Pinger", "open_link"]

_FORWARDER = Path(__file__).with_name("forwarder.py")
_PING = Path(__file__).with_name("ping.py")
_PING_PORT = 9531


@dataclass(frozen=True, slots=True)
class Link:
    """Where the parties run.

    Attributes:
        kind: ``tun`` or ``loopback``: what carried the messages.
        prefixes: For each party the command that starts a process in its place.
        addresses: ``host:port`` of each party.
    """

    kind: str
    prefixes: tuple[tuple[str, ...], ...]
    addresses: tuple[str, ...]


class Pinger:
    """Measures the round trip between the first two parties while they compute.

    A packet is late by what the forwarder and the parties wait for a processor, so on a busy
    machine the round trip is longer than was asked.

    Args:
        link: A shaped one.
    """

    def __init__(self, link: Link) -> None:
        host = link.addresses[0].partition(":")[0]
        self._processes = [
            subprocess.Popen(
                [*prefix, sys.executable, str(_PING), role, host, str(_PING_PORT)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            for role, prefix in zip(("server", "client"), link.prefixes[:2], strict=True)
        ]

    def stop(self) -> float:
        """Return the mean round trip in milliseconds.

        Raises:
            MeasurementError: No packet came back.
        """
        said, _ = self._processes[1].communicate(timeout=30)
        self._processes[0].wait(timeout=30)
        if not said.strip() or not float(said):
            raise MeasurementError(
                "No packet came back over the shaped link. Run without a shaped link."
            )
        return float(said)

    def close(self) -> None:
        """End what still runs."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()


@contextlib.contextmanager
def open_link(network: Network | None, parties: int) -> Iterator[Link]:
    """Return where to run the parties; the network is taken down at the end.

    Args:
        network: The profile; None for the loopback device as it is.
        parties: How many.

    Raises:
        MeasurementError: The forwarder does not start.
    """
    if network is None or not _may_shape():
        ports = _free_ports(parties)
        yield Link("loopback", ((),) * parties, tuple(f"127.0.0.1:{port}" for port in ports))
        return
    names = [f"mpc{secrets.token_hex(3)}{i}" for i in range(parties)]
    command = [sys.executable, str(_FORWARDER), str(network.rtt_ms), str(network.mbit_per_s)]
    forwarder = subprocess.Popen(
        [*command, *names], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert forwarder.stdout is not None
        if forwarder.stdout.readline().strip() != "ready":
            forwarder.wait(timeout=10)
            _, reason = forwarder.communicate()
            raise MeasurementError(
                f"The link could not be shaped: {reason.strip()[-300:] or 'no message'}. Run "
                "without a shaped link, or as root on a system with /dev/net/tun."
            )
        prefixes = tuple(("ip", "netns", "exec", name) for name in names)
        yield Link("tun", prefixes, tuple(f"10.77.0.{i + 1}:9530" for i in range(parties)))
    finally:
        forwarder.terminate()
        forwarder.wait(timeout=10)


def _may_shape() -> bool:
    """Return whether this process may make network namespaces and TUN devices."""
    return (
        hasattr(os, "geteuid")
        and os.geteuid() == 0
        and os.access("/dev/net/tun", os.R_OK | os.W_OK)
        and _runs(["ip", "netns", "list"])
    )


def _runs(command: Sequence[str]) -> bool:
    with contextlib.suppress(OSError):
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    return False


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()
