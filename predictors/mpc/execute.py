"""Private inference of whole networks, really executed by several parties."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictors.errors import MeasurementError
from predictors.mpc.cost import MpcCost
from predictors.mpc.parties import Parties
from predictors.mpc.profiles import Network, Protocol
from predictors.mpc.program import Program
from search_spaces.progress import Progress, silent

__all__ = ["Execution", "Inference", "PrivateNetwork", "execute", "random_arrays"]

_CLIENT, _OWNER = 0, 1
_REVEAL_FACTOR = 1e3


@dataclass(frozen=True, slots=True)
class Inference:
    """One image, computed privately.

    Attributes:
        cost: Bytes of all parties, sends, processor seconds of the busiest party.
        wall_s: Of the slowest party, without sharing the input and revealing the output.
        output: What the client learned.
    """

    cost: MpcCost
    wall_s: float
    output: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Execution:
    """Private inferences, after a warm-up that is reported apart.

    Attributes:
        cost: Bytes of all parties and sends of the inference with the fewest, since now and
            then one refills a stock of oblivious transfers; processor seconds of the busiest
            party in the inference of median time.
        walls_s: Of every inference, in order.
        setup_bytes: What the warm-up sent beyond it: keys and oblivious transfers.
        outputs: What the client learned, a row for every image.
        link: ``tun`` for a shaped link, ``loopback``.
        rtt_ms: Mean round trip of a shaped link while the parties computed; None on loopback.
        load: Load average of the machine at the start.
        versions: Of the engine and what it runs on.
    """

    cost: MpcCost
    walls_s: tuple[float, ...]
    setup_bytes: float
    outputs: NDArray[np.float64]
    link: str
    rtt_ms: float | None
    load: float
    versions: dict[str, str]

    @property
    def wall_s(self) -> float:
        """Of the inference of median time."""
        return sorted(self.walls_s)[len(self.walls_s) // 2]


def random_arrays(program: Program, *, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Return an input and weights of ordinary size, which keep activations near one; masks."""
    rng = np.random.default_rng(seed)
    arrays: dict[str, NDArray[np.float32]] = {}
    polynomials = {step["name"] for step in program.steps if "polynomial" in step["op"]}
    for name, shape in program.shapes.items():
        values = rng.standard_normal(shape)
        if name.endswith(".weight") and len(shape) > 1:
            values /= np.sqrt(np.prod(shape[:-1]))
            if name.removesuffix(".weight") in polynomials:
                values *= 0.2  # one square after another grows fast
        elif name.endswith(".bias"):
            values *= 0.1
        arrays[name] = values.astype(np.float32)
    for name, mask in program.masks.items():
        size = int(np.prod(mask.shape))
        chosen = np.zeros(size, np.float32)
        chosen[rng.permutation(size)[: mask.kept]] = 1
        arrays[name] = chosen.reshape(mask.shape)
    return arrays


class PrivateNetwork(Parties):
    """Parties that hold the shares of one network and run it on image after image.

    The client, rank 0, has the images and learns the outputs; rank 1 has the weights.

    Args:
        program: Of the network.
        arrays: Every weight, by the names of `Program.shapes`, and every mask, 1 where an
            activation acts and 0 elsewhere, by those of `Program.masks`.
        protocol: Whose parties compute.
        network: See `Parties`.
        timeout_s: For taking over the weights, and for each inference.

    Raises:
        MeasurementError: A party dies or hangs, or the engine refuses an operator.
    """

    def __init__(
        self,
        program: Program,
        arrays: Mapping[str, NDArray[np.float32]],
        protocol: Protocol,
        *,
        network: Network | None = None,
        timeout_s: float = 600.0,
    ) -> None:
        super().__init__(protocol, network=network, timeout_s=timeout_s)
        with self.ended_on_error():
            self._load(program, arrays)

    def _load(self, program: Program, arrays: Mapping[str, NDArray[np.float32]]) -> None:
        masks = {name: arrays[name] > 0 for name in program.masks}
        weights = {name: arrays[name] for name in program.shapes if name != "input"}
        request = {"steps": program.steps, "shapes": program.shapes}
        request |= {"masks": self.saved("masks", masks)}
        self.ask(request, {_OWNER: {"arrays": self.saved("weights", weights)}})

    def infer(self, image: NDArray[np.float32]) -> Inference:
        """Run the network on one image (H, W, C).

        Raises:
            MeasurementError: A party dies or hangs, or the result does not fit the fixed-point
                numbers.
        """
        answers = self.ask({}, {_CLIENT: {"arrays": self.saved("image", {"input": image})}})
        output = np.array(answers[_CLIENT]["output"])
        _check_range(output)
        cost = replace(_together(answers), offline_bytes=self.protocol.offline_bytes)
        return Inference(cost, max(a["wall_s"] for a in answers), output)


def execute(
    program: Program,
    arrays: Mapping[str, NDArray[np.float32]],
    protocol: Protocol,
    *,
    images: Sequence[NDArray[np.float32]] = (),
    network: Network | None = None,
    warm_up: bool = True,
    timeout_s: float = 600.0,
    progress: Progress | None = None,
) -> Execution:
    """Run a program on images, by as many processes as the protocol has parties.

    Args:
        program: Of a network.
        arrays: See `PrivateNetwork`; ``input`` is the image where no others are given.
        protocol: Whose parties compute.
        images: (H, W, C) each, one after another.
        network: See `PrivateNetwork`.
        warm_up: Whether the first image is run once more before all, uncounted.
        timeout_s: For each inference.
        progress: Told how far the work has come.

    Raises:
        MeasurementError: See `PrivateNetwork`.
    """
    load, report = os.getloadavg()[0], progress or silent
    images = images if len(images) else [arrays["input"]]
    report(0, len(images), "sharing the weights")
    with PrivateNetwork(
        program, arrays, protocol, network=network, timeout_s=timeout_s
    ) as private:
        first = private.infer(images[0]) if warm_up else None
        done: list[Inference] = []
        for image in images:
            report(len(done), len(images), "")
            done.append(private.infer(image))
        rtt_ms = private.measured_rtt_ms()
    middle = sorted(done, key=lambda inference: inference.wall_s)[len(done) // 2]
    least = min((inference.cost for inference in done), key=lambda cost: cost.online_bytes)
    beyond = first.cost.online_bytes - least.online_bytes if first else 0.0
    outputs = np.array([inference.output for inference in done])
    return Execution(
        replace(least, cpu_s=middle.cost.cpu_s),
        tuple(inference.wall_s for inference in done),
        max(0.0, beyond),
        outputs,
        private.link,
        rtt_ms,
        load,
        private.versions,
    )


def _together(parties: Sequence[Mapping[str, Any]]) -> MpcCost:
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
