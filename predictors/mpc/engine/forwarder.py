"""Carries packets between network namespaces, with a delay and a rate, in user space.

    python forwarder.py RTT_MS MBIT_PER_S NAMESPACE...

Makes the namespaces, gives each a TUN device with the address 10.77.0.N, prints ``ready`` and
forwards until it is told to stop; then the namespaces go. A packet waits for the rate of its
directed pair of parties, and then half a round trip. Needs root and /dev/net/tun, and nothing
but the standard library.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import os
import select
import signal
import struct
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence

_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_MTU = 9000
_BURST = 128
_SPIN_S = 0.0005
_PACKETS = 4000
_TCP = {
    "tcp_congestion_control": "cubic",
    "tcp_slow_start_after_idle": "0",
    "tcp_rmem": "4096 33554432 33554432",
    "tcp_wmem": "4096 33554432 33554432",
}
"""So that the link is what delays a message, and not TCP's own search for the link's rate: BBR
paces a connection that mostly waits, slow start begins again after every pause, small windows
take a round trip each. Parties that know their link tune TCP alike."""


class Stop(Exception):
    """Told to stop."""


def ip(*arguments: str) -> None:
    """Run the command ip with some arguments."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def open_device(namespace: str, number: int) -> int:
    """Return the file descriptor of a TUN device that lies in a new namespace."""
    ip("netns", "add", namespace)
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    name = f"{namespace}t"[:15]
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TUN | _IFF_NO_PI))
    ip("link", "set", name, "netns", namespace)
    ip("-n", namespace, "addr", "add", f"10.77.0.{number}/24", "dev", name)
    ip("-n", namespace, "link", "set", name, "mtu", str(_MTU), "txqueuelen", "20000", "up")
    ip("-n", namespace, "link", "set", "lo", "up")
    tune(namespace, name)
    return device


def tune(namespace: str, device: str) -> None:
    """Let TCP send a message at once, as far as the kernel has the settings."""
    for setting, value in _TCP.items():
        write = f"echo {value} > /proc/sys/net/ipv4/{setting}"
        command = ["ip", "netns", "exec", namespace, "sh", "-c", write]
        subprocess.run(command, check=False, capture_output=True)
    window = ("initcwnd", str(_PACKETS), "initrwnd", str(_PACKETS))
    route = ("route", "change", "10.77.0.0/24", "dev", device, "proto", "kernel", "scope", "link")
    with contextlib.suppress(subprocess.CalledProcessError):
        ip("-n", namespace, *route, *window)


def forward(devices: Sequence[int], *, delay_s: float, bytes_per_s: float) -> None:
    """Forward packets for ever; the last byte of an IPv4 destination tells the device."""
    free: defaultdict[tuple[int, int], float] = defaultdict(float)
    waiting: list[tuple[float, int, int, bytes]] = []
    numbered = 0
    while True:
        pause = 0.1 if not waiting else waiting[0][0] - time.monotonic() - _SPIN_S
        readable, _, _ = select.select(devices, [], [], max(0.0, pause))
        for source in readable:
            for _ in range(_BURST):
                try:
                    packet = os.read(source, 1 << 16)
                except BlockingIOError:
                    break
                if packet[0] >> 4 != 4 or not 1 <= packet[19] <= len(devices):
                    continue
                target = devices[packet[19] - 1]
                now = time.monotonic()
                sent = max(now, free[source, target]) + len(packet) / bytes_per_s
                free[source, target] = sent
                numbered += 1
                heapq.heappush(waiting, (sent + delay_s, numbered, target, packet))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, target, packet = heapq.heappop(waiting)
            with contextlib.suppress(BlockingIOError):  # a full queue drops packets
                os.write(target, packet)


def come_first() -> None:
    """Ask to run before everything else: a packet that waits for a processor is late."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def stop(*_: object) -> None:
    """End the loop."""
    raise Stop


def main(arguments: Sequence[str]) -> None:
    """Make the link, forward, and take it down."""
    rtt_ms, mbit_per_s, *namespaces = arguments
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        devices = [open_device(name, number) for number, name in enumerate(namespaces, 1)]
        come_first()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        forward(devices, delay_s=float(rtt_ms) / 2e3, bytes_per_s=float(mbit_per_s) * 1e6 / 8)
    except Stop:
        pass
    finally:
        for name in namespaces:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


if __name__ == "__main__":
    main(sys.argv[1:])
