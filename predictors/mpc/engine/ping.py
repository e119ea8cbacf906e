"""Measures the round trip between two places, again and again until it is told to stop.

    python ping.py server HOST PORT
    python ping.py client HOST PORT

The client prints the mean of all round trips in milliseconds when its input ends. Needs nothing
but the standard library.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from collections.abc import Sequence

_TRIES, _RETRY_S, _PAUSE_S = 100, 0.05, 0.02


def serve(host: str, port: int) -> None:
    """Send back what one client sends."""
    with socket.create_server((host, port)) as listener:
        connection, _ = listener.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := connection.recv(4096):
                connection.sendall(data)


def connected(host: str, port: int) -> socket.socket:
    """Return a connection to a server that may not be up yet."""
    for _ in range(_TRIES):
        try:
            return socket.create_connection((host, port), timeout=30)
        except OSError:
            time.sleep(_RETRY_S)
    raise SystemExit(f"no answer from {host}:{port}")


def ping(host: str, port: int) -> None:
    """Print the mean round trip in milliseconds once the input ends."""
    times = []
    with connected(host, port) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while not select.select([sys.stdin], [], [], _PAUSE_S)[0]:
            start = time.perf_counter()
            connection.sendall(b".")
            connection.recv(1)
            times.append(time.perf_counter() - start)
    sys.stdout.write(f"{1e3 * sum(times) / max(1, len(times))}\n")


def main(arguments: Sequence[str]) -> None:
    """Serve or ping."""
    role, host, port = arguments
    (serve if role == "server" else ping)(host, int(port))


if __name__ == "__main__":
    main(sys.argv[1:])
