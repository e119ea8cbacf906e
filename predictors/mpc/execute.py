"""Private inference of whole networks, really executed by several parties."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictors.errors import MeasurementError
from predictors.mpc.cost import MpcCost
from predictors.mpc.engine.link import open_link
from predictors.mpc.engine.process import Worker
from predictors.mpc.profiles import Network, Protocol
from predictors.mpc.program import Program

__all__ = ["Execution", "execute", "random_arrays"]

_CLIENT, _OWNER = 0, 1
_REVEAL_FACTOR = 1e3


@dataclass(frozen=True, slots=True)
class Execution:
    """One private inference, after a warm-up that is reported apart.

    Attributes:
        cost: Bytes of all parties, sends, processor seconds of the busiest party.
        wall_s: From the first message to the last.
        setup_bytes: What the first run sent beyond a later one: keys and oblivious transfers.
        output: What the client learned.
        link: ``tun`` for a shaped link, ``loopback``.
        load: Load average of the machine at the start.
        versions: Of the engine and what it runs on.
    """

    cost: MpcCost
    wall_s: float
    setup_bytes: float
    output: NDArray[np.float64]
    link: str
    load: float
    versions: dict[str, str]


def random_arrays(program: Program, *, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Return an input and weights of ordinary size, which keep activations near one; masks."""
    rng = np.random.default_rng(seed)
    arrays: dict[str, NDArray[np.float32]] = {}
    for name, shape in program.shapes.items():
        values = rng.standard_normal(shape)
        if name.endswith(".weight") and len(shape) > 1:
            values /= np.sqrt(np.prod(shape[:-1]))
        elif name.endswith(".bias"):
            values *= 0.1
        arrays[name] = values.astype(np.float32)
    for name, mask in program.masks.items():
        size = int(np.prod(mask.shape))
        chosen = np.zeros(size, np.float32)
        chosen[rng.permutation(size)[: mask.kept]] = 1
        arrays[name] = chosen.reshape(mask.shape)
    return arrays


def execute(
    program: Program,
    arrays: Mapping[str, NDArray[np.float32]],
    protocol: Protocol,
    *,
    network: Network | None = None,
    repeats: int = 2,
    timeout_s: float = 600.0,
) -> Execution:
    """Run a program by as many processes as the protocol has parties.

    The client, rank 0, has the input and learns the output; rank 1 has the weights.

    Args:
        program: Of a network.
        arrays: The input and every weight, by the names of `Program.shapes`, and every mask,
            1 where an element is rectified and 0 elsewhere, by those of `Program.masks`.
        protocol: Whose parties compute.
        network: Shapes the link between them where the system allows it; None leaves it as
            the loopback device is.
        repeats: Runs; the first warms up, the last counts.
        timeout_s: For all runs together.

    Raises:
        MeasurementError: A party dies or hangs, the engine refuses an operator, or the result
            does not fit the fixed-point numbers.
    """
    load = os.getloadavg()[0]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mpc-run-")))
        link = stack.enter_context(open_link(network, protocol.parties))
        own = {
            _CLIENT: {"input": arrays["input"]},
            _OWNER: {name: arrays[name] for name in program.shapes if name != "input"},
        }
        workers = [
            stack.enter_context(
                _party(protocol, rank, link.addresses, link.prefixes[rank], folder)
            )
            for rank in range(protocol.parties)
        ]
        versions = [worker.ready() for worker in workers][_CLIENT]
        public = folder / "masks.npz"
        masks: dict[str, Any] = {name: arrays[name] > 0 for name in program.masks}
        np.savez(public, **masks)
        for rank, worker in enumerate(workers):
            request: dict[str, Any] = {"steps": program.steps, "shapes": program.shapes}
            request["masks"] = str(public)
            if rank in own:
                path = folder / f"party{rank}.npz"
                np.savez(path, **own[rank])  # type: ignore[arg-type]
                request["arrays"] = str(path)
            worker.send({**request, "repeats": max(1, repeats)})
        answers = [worker.receive(timeout_s=timeout_s) for worker in workers]
    runs = [_together([answer["runs"][i] for answer in answers]) for i in range(max(1, repeats))]
    output = np.array(answers[_CLIENT]["output"])
    _check_range(output)
    wall_s = max(answer["runs"][-1]["wall_s"] for answer in answers)
    setup = max(0.0, runs[0].online_bytes - runs[-1].online_bytes)
    return Execution(runs[-1], wall_s, setup, output, link.kind, load, versions)


def _party(
    protocol: Protocol,
    rank: int,
    addresses: tuple[str, ...],
    prefix: tuple[str, ...],
    folder: Path,
) -> Worker:
    return Worker(
        [
            "party",
            protocol.name,
            str(protocol.fraction_bits),
            str(folder / f"party{rank}.log"),
            str(rank),
            *addresses,
        ],
        prefix=prefix,
    )


def _together(parties: list[dict[str, Any]]) -> MpcCost:
    """Return the cost of one run from what each party says of itself."""
    sends = max(party["sends"] for party in parties)
    return MpcCost(
        online_bytes=sum(party["online_bytes"] for party in parties),
        one_way_bytes=max(party["one_way_bytes"] for party in parties),
        sends=sends,
        rounds=sends,
        cpu_s=max(party["cpu_s"] for party in parties),
    )


def _check_range(output: NDArray[np.float64]) -> None:
    """Refuse an output that has wrapped around the ring.

    Raises:
        MeasurementError: It has; logits of that size do not occur.
    """
    if not np.isfinite(output).all() or np.abs(output).max(initial=0) > _REVEAL_FACTOR:
        raise MeasurementError(
            f"The result has values up to {np.abs(output).max():.3g}: some activation did not "
            "fit the fixed-point numbers and wrapped around. Normalise the network, or use fewer "
            "fraction bits."
        )
