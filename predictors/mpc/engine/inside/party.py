"""One of several parties, each a process of its own, with links over TCP.

Rank 0 is the client, who has the image and learns the result; rank 1 has the weights; further
ranks only compute. An owner splits what is its own into shares and sends each party one.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import operations
from spu import api, libspu
from worker import Log, compiled, configuration, execute, statistics

__all__ = ["CLIENT", "OWNER", "Party"]

CLIENT, OWNER = 0, 1
_TIMEOUT_MS = 600_000
_MARGIN_S = 0.3
"""Until a common start; more than one one-way delay of any link that is measured."""


class Party:
    """A party and its links.

    Args:
        protocol: Name of the protocol.
        fraction_bits: Of the fixed-point numbers.
        log: File for the engine's log, of this party alone.
        rank: Of this party.
        addresses: ``host:port`` of every party, by rank.
    """

    def __init__(
        self, protocol: str, fraction_bits: int, log: str, *, rank: int, addresses: Sequence[str]
    ) -> None:
        config = configuration(protocol, fraction_bits)
        description = libspu.link.Desc()
        description.recv_timeout_ms = _TIMEOUT_MS
        description.http_timeout_ms = _TIMEOUT_MS
        for i, address in enumerate(addresses):
            description.add_party(f"party{i}", address)
        self._log = Log(log)
        self._rank, self._parties = rank, len(addresses)
        self._io = api.Io(self._parties, config)
        self._link = libspu.link.create_brpc(description, rank)
        self._runtime = api.Runtime(self._link, config)
        self._executable: Any = None
        self._weights: list[Any] = []

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Take over a network, or run the one that is there.

        A request with ``steps`` has ``shapes`` of the input and of the weights, the paths of the
        ``masks`` that all know and, for their owner, of the weights as ``arrays``. One with
        ``kind`` and ``sizes`` runs an operator ``repeats`` times and says how long. Any other
        runs the network on one image, whose path the client is given as ``arrays``; its answer
        has the statistics of this party, and for the client the output.
        """
        own: dict[str, Any] = {}
        if path := request.get("arrays"):
            with np.load(path, allow_pickle=False) as arrays:
                own = dict(arrays.items())
        if "kind" in request:
            return self._time(request)
        return self._load(request, own) if "steps" in request else self._infer(own)

    def _time(self, request: dict[str, Any]) -> dict[str, Any]:
        """Run one operator on inputs of the client."""
        kind, sizes = request["kind"], request["sizes"]
        inputs = operations.plain_inputs(kind, sizes, np.random.default_rng(0))
        executable = compiled(operations.operator(kind, sizes), inputs)
        shares = [self._shared(value, CLIENT) for value in inputs]
        walls: list[float] = []
        for _ in range(request["repeats"]):
            self._start_together()
            start = time.perf_counter()
            execute(self._runtime, executable, shares)
            walls.append(time.perf_counter() - start)
            self._log.links(1)
        self._link.barrier()
        return {"rank": self._rank, "walls_s": walls}

    def _start_together(self) -> None:
        """Wait until all parties are there, and return to all at the same instant.

        A barrier alone lets the others go one one-way delay after rank 0. All parties are
        processes of one machine and share its clock.
        """
        self._link.barrier()
        if self._rank == 0:
            instant = time.monotonic() + _MARGIN_S
            for rank in range(1, self._parties):
                self._link.send(rank, struct.pack("<d", instant))
        else:
            (instant,) = struct.unpack("<d", _bytes(self._link.recv(0)))
        if (rest_s := instant - time.monotonic()) < 0:
            raise RuntimeError(f"the start was {-rest_s:.3f} s ago when it was agreed")
        time.sleep(rest_s)

    def _load(self, request: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        """Compile a program, and share its weights."""
        shapes = request["shapes"]
        with np.load(request["masks"], allow_pickle=False) as masks:
            function = operations.program(request["steps"], dict(masks.items()))
        image = np.zeros(shapes["input"], np.float32)
        names = sorted(name for name in shapes if name != "input")
        weights = {name: np.zeros(shapes[name], np.float32) for name in names}
        self._executable = compiled(function, [image, weights])
        leaves, _ = jax.tree_util.tree_flatten({name: name for name in names})
        self._weights = [self._shared(own.get(name), OWNER) for name in leaves]
        self._link.barrier()
        return {"rank": self._rank}

    def _infer(self, own: dict[str, Any]) -> dict[str, Any]:
        """Run the program once; the last barrier lets no party leave before the others."""
        shares = [self._shared(own.get("input"), CLIENT), *self._weights]
        self._link.barrier()
        cpu, wall = time.process_time(), time.perf_counter()
        outputs = execute(self._runtime, self._executable, shares)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        found = statistics(self._log.links(1), 1)
        output = self._revealed(outputs[0])
        self._link.barrier()
        return {**found, "rank": self._rank, "cpu_s": cpu, "wall_s": wall, "output": output}

    def _shared(self, value: Any, owner: int) -> Any:
        """Return this party's share of what its owner splits and deals."""
        packed = [b""] * self._parties
        if self._rank == owner:
            made = self._io.make_shares(np.asarray(value), libspu.Visibility.VIS_SECRET)
            packed = [_pack(share) for share in made]
            for rank, data in enumerate(packed):
                if rank != owner:
                    self._link.send(rank, data)
            return made[owner]
        return _unpack(self._link.recv(owner))

    def _revealed(self, share: Any) -> list[float] | None:
        """Return the output to the client; the others send their share and learn nothing."""
        if self._rank != CLIENT:
            self._link.send(CLIENT, _pack(share))
            return None
        others = [_unpack(self._link.recv(rank)) for rank in range(1, self._parties)]
        value = np.asarray(self._io.reconstruct([share, *others]))
        return [float(item) for item in value.ravel()]


def _pack(share: Any) -> bytes:
    """Return a share as bytes: its chunks, each after its length, and what describes them."""
    parts = [bytes(share.meta), *(bytes(chunk) for chunk in share.share_chunks)]
    return b"".join(struct.pack("<Q", len(part)) + part for part in parts)


def _bytes(data: bytes | str) -> bytes:
    """Return a message as bytes; the engine's links give some as text."""
    return data.encode("latin-1") if isinstance(data, str) else data


def _unpack(data: bytes | str) -> Any:
    """Return the share that `_pack` wrote."""
    data, parts, start = _bytes(data), [], 0
    while start < len(data):
        (length,) = struct.unpack_from("<Q", data, start)
        parts.append(data[start + 8 : start + 8 + length])
        start += 8 + length
    share = libspu.Share()
    share.meta, share.share_chunks = parts[0], parts[1:]
    return share
