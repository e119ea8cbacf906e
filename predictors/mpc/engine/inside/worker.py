"""The engine's side: computes on secrets when told to, one JSON object a line.

Started by `predictors.mpc.engine.process` in the engine's own Python, alone or as one of
several parties. Needs spu, jax and numpy, and nothing of this package but `operations`, which
lies beside it. What the engine logs about its links goes to a file that is read back: it has
no other statistics.

As one process (``worker.py pool PROTOCOL FRACTION_BITS LOG``) all parties are threads with links
in memory, for bytes, sends and processor time. As a party (``worker.py party ...``) it is one
process of several, with links over TCP.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import operations
from spu import api, libspu
from spu.utils import frontend

_PARTIES = {"semi2k": 2, "aby3": 3, "cheetah": 2}
_LINK = re.compile(r"total send bytes (\d+), recv bytes \d+, send actions (\d+), recv actions \d+")
_LOG_S = 5.0


def configuration(protocol: str, fraction_bits: int) -> Any:
    """Return the engine's settings."""
    config = libspu.RuntimeConfig(
        protocol=getattr(libspu.ProtocolKind, protocol.upper()), field=libspu.FieldType.FM64
    )
    config.fxp_fraction_bits = fraction_bits
    config.enable_pphlo_profile = True
    return config


class Log:
    """The engine's log, of which each party's link statistics are read."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._path.touch()
        options = libspu.logging.LogOptions()
        options.system_log_path = path
        options.enable_console_logger = False
        libspu.logging.setup_logging(options)
        self._read = self._path.stat().st_size

    def links(self, parties: int) -> list[tuple[int, int]]:
        """Return bytes and sends of every party of the last run; waits until they are logged."""
        deadline = time.monotonic() + _LOG_S
        while True:
            text = self._path.read_bytes()[self._read :].decode(errors="replace")
            found = [(int(sent), int(sends)) for sent, sends in _LINK.findall(text)]
            if len(found) >= parties or time.monotonic() > deadline:
                self._read += len(text.encode())
                return found
            time.sleep(0.01)


def compiled(function: Callable[..., Any], inputs: Sequence[Any]) -> Any:
    """Return the engine's executable of a function whose inputs are all secret."""
    flat, _ = jax.tree_util.tree_flatten(tuple(inputs))
    executable, _ = frontend.compile(
        frontend.Kind.JAX,
        function,
        tuple(inputs),
        {},
        [f"in{i}" for i in range(len(flat))],
        [libspu.Visibility.VIS_SECRET] * len(flat),
        lambda outputs: [f"out{i}" for i in range(len(outputs))],
        copts=libspu.CompilerOptions(),
    )
    return executable


def execute(runtime: Any, executable: Any, shares: Sequence[Any]) -> list[Any]:
    """Run an executable on one party's shares and return its shares of the outputs."""
    for name, share in zip(executable.input_names, shares, strict=True):
        runtime.set_var(name, share)
    runtime.run(executable)
    outputs = [runtime.get_var(name) for name in executable.output_names]
    for name in (*executable.input_names, *executable.output_names):
        runtime.del_var(name)
    return outputs


class Pool:
    """All parties as threads of this process."""

    def __init__(self, protocol: str, fraction_bits: int, log: str) -> None:
        self.parties = _PARTIES[protocol]
        config = configuration(protocol, fraction_bits)
        self._log = Log(log)
        self._io = api.Io(self.parties, config)
        description = libspu.link.Desc()
        for rank in range(self.parties):
            description.add_party(f"party{rank}", f"thread{rank}")

        def start(rank: int) -> Any:
            link = libspu.link.create_mem(description, rank)
            return api.Runtime(link, libspu.RuntimeConfig(config))

        self._runtimes = self._together(start)

    def _together(self, work: Callable[[int], Any]) -> list[Any]:
        """Run a function of the rank in all parties at once."""
        results: list[Any] = [None] * self.parties
        errors: list[BaseException] = []

        def run(rank: int) -> None:
            try:
                results[rank] = work(rank)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=run, args=(rank,)) for rank in range(self.parties)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        return results

    def run(self, function: Callable[..., Any], inputs: Sequence[Any]) -> dict[str, Any]:
        """Compute on secret inputs; return the statistics and the largest difference."""
        executable = compiled(function, inputs)
        flat, _ = jax.tree_util.tree_flatten(tuple(inputs))
        secret = libspu.Visibility.VIS_SECRET
        shares = [self._io.make_shares(np.asarray(value), secret) for value in flat]
        cpu, wall = time.process_time(), time.perf_counter()
        parts = self._together(
            lambda rank: execute(self._runtimes[rank], executable, [s[rank] for s in shares])
        )
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        made = np.asarray(self._io.reconstruct([part[0] for part in parts]))
        links = self._log.links(self.parties)
        expected = np.asarray(function(*inputs))
        return {
            **statistics(links, self.parties),
            "cpu_s": cpu / self.parties,
            "wall_s": wall,
            "largest_difference": float(np.abs(made - expected).max()),
            "largest_value": float(np.abs(expected).max()),
            "output": made.ravel().tolist() if made.size <= 10_000 else None,
            "expected": expected.ravel().tolist() if made.size <= 10_000 else None,
        }


def statistics(links: Sequence[tuple[int, int]], parties: int) -> dict[str, Any]:
    """Return bytes of all parties, the most of one, and the most sends of one."""
    if len(links) != parties:
        raise RuntimeError(f"the engine logged {len(links)} links of {parties} parties")
    sent = [link[0] for link in links]
    return {
        "online_bytes": sum(sent),
        "one_way_bytes": max(sent),
        "sends": max(link[1] for link in links),
    }


def requested(request: dict[str, Any]) -> tuple[Callable[..., Any], list[Any]]:
    """Return the function that a request names, and its inputs."""
    if "kind" in request:
        rng = np.random.default_rng(request.get("seed", 0))
        inputs = operations.plain_inputs(request["kind"], request["sizes"], rng)
        return operations.operator(request["kind"], request["sizes"]), inputs
    with np.load(request["arrays"], allow_pickle=False) as arrays:
        given = dict(arrays.items())
    image = given.pop("input")
    masks = {name: given.pop(name) > 0 for name in request.get("masks", ())}
    return operations.program(request["steps"], masks), [image, given]


def versions() -> dict[str, str]:
    """Return what computes here."""
    from importlib.metadata import version

    python = ".".join(map(str, sys.version_info[:3]))
    return {
        "spu": version("spu"),
        "jax": jax.__version__,
        "numpy": np.__version__,
        "python": python,
    }


def _say(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def serve(answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Answer one request a line until the input ends; an error is an answer, too."""
    _say(versions())
    for line in sys.stdin:
        try:
            result = answer(json.loads(line))
        except Exception as error:
            result = {"error": f"{type(error).__name__}: {error}".strip()[:2000]}
        _say(result)


def main(arguments: Sequence[str]) -> None:
    """Serve as the arguments say."""
    mode, protocol, fraction_bits, log, *rest = arguments
    if mode == "pool":
        pool = Pool(protocol, int(fraction_bits), log)
        serve(lambda request: pool.run(*requested(request)))
    else:
        from party import Party

        party = Party(protocol, int(fraction_bits), log, rank=int(rest[0]), addresses=rest[1:])
        serve(party.answer)


if __name__ == "__main__":
    main(sys.argv[1:])
