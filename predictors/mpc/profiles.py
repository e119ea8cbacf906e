"""Protocols that compute on secrets, and the networks between the parties."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from predictors.errors import TableError
from search_spaces.errors import nearest

__all__ = [
    "NETWORKS",
    "PROTOCOLS",
    "Network",
    "Protocol",
    "executable_protocol",
    "get_network",
    "get_protocol",
]


_ENGINE = "spu"
_PARTIES = {"semi2k": 2, "aby3": 3, "cheetah": 2, "delphi": 2}


@dataclass(frozen=True, slots=True)
class Protocol:
    """A protocol as one engine implements it; a cost holds for exactly one of these.

    All are secure against semi-honest parties only: each follows the protocol and tries to
    learn from what it sees. See ``docs/mpc.md`` for who learns what.

    Attributes:
        name: By which configurations call it.
        parties: Processes that compute together.
        engine: Package that implements it, or the publication whose constants price it.
        version: Of the engine.
        ring_bits: Size of the ring that values are shared in.
        fraction_bits: Of the fixed-point numbers.
        setup_bytes: Sent once for a session, before the first inference, by all parties.
        offline_bytes: Sent ahead for each inference; None where the engine leaves that to a
            trusted dealer, so that it is on no wire and cannot be measured. Never 0 for unknown.
        refill_bytes: Sent, by all parties, whenever a stock of oblivious transfers runs out. How
            many refills fall into one inference depends on those before it.
        refill_sends: Messages of a refill.

    Raises:
        TableError: The protocol has another number of parties.
    """

    name: str
    parties: int
    engine: str = _ENGINE
    version: str = "0.9.5"
    ring_bits: int = 64
    fraction_bits: int = 18
    setup_bytes: int = 0
    offline_bytes: int | None = 0
    refill_bytes: int = 0
    refill_sends: int = 0

    def __post_init__(self) -> None:
        wanted = _PARTIES.get(self.name, self.parties)
        if self.parties != wanted:
            raise TableError(f"{self.name} is a protocol of {wanted} parties, got {self.parties}.")

    @property
    def executable(self) -> bool:
        """Whether an engine here runs it; else its costs are published constants."""
        return self.engine == _ENGINE

    @property
    def sends_are_rounds(self) -> bool:
        """Whether every send costs one one-way delay.

        CHEETAH's parties sometimes send on without waiting, and sometimes answer in turn, so
        that one send of each is two delays: its rounds have to be measured.
        """
        return self.name != "cheetah"

    def most_rounds(self, sends: float) -> float:
        """Return the rounds of so many sends of one party; an upper bound where they differ."""
        return sends if self.sends_are_rounds else sends * self.parties

    def __str__(self) -> str:
        if not self.executable:
            return f"{self.name}, {self.parties} parties, {self.engine} {self.version}"
        return (
            f"{self.name}, {self.parties} parties, {self.engine} {self.version}, "
            f"{self.ring_bits}-bit ring, {self.fraction_bits} fraction bits"
        )

    def to_json(self) -> dict[str, object]:
        """Return the fields."""
        return dataclasses.asdict(self)


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("semi2k", _PARTIES["semi2k"], offline_bytes=None),
        Protocol("aby3", _PARTIES["aby3"]),
        # Garbled circuits for every ReLU (Mishra et al. 2020, USENIX Security; eprint 2020/050).
        Protocol(
            "delphi",
            _PARTIES["delphi"],
            engine="published constants",
            version="of cryptonite @4dab8f9",
            ring_bits=0,  # the source does not say
            fraction_bits=0,
            setup_bytes=33_180_308,
            offline_bytes=None,
        ),
        # Oblivious-transfer bootstrap, homomorphic keys and refills of spu 0.9.5, measured once.
        Protocol(
            "cheetah",
            _PARTIES["cheetah"],
            setup_bytes=3_349_144 + 19_430_000,
            refill_bytes=1_143_300,
            refill_sends=4,
        ),
    )
}
"""The protocols by name. Setup bytes are those of one session of two fresh parties."""


def executable_protocol(name: str) -> Protocol:
    """Return a protocol by name that an engine here runs.

    Raises:
        TableError: There is none of the name, or none that is run.
    """
    protocol = get_protocol(name)
    if not protocol.executable:
        run = ", ".join(known.name for known in PROTOCOLS.values() if known.executable)
        raise TableError(
            f"No engine here runs {name}: its costs are {protocol.engine}, for nas mpc predict "
            f"and [mpc] sections. Those that are run are {run}."
        )
    return protocol


def get_protocol(name: str) -> Protocol:
    """Return a protocol by name.

    Raises:
        TableError: There is none of the name.
    """
    if name not in PROTOCOLS:
        raise TableError(f"There is no protocol {name!r}. {nearest(name, PROTOCOLS)}")
    return PROTOCOLS[name]


@dataclass(frozen=True, slots=True)
class Network:
    """The network between any two parties.

    Attributes:
        name: Of the profile; ``custom`` for the user's own.
        rtt_ms: Round-trip time in milliseconds.
        mbit_per_s: Bandwidth in one direction, 10^6 bits a second.

    Raises:
        TableError: A value is impossible.
    """

    name: str
    rtt_ms: float
    mbit_per_s: float

    def __post_init__(self) -> None:
        if not (self.rtt_ms >= 0 and self.mbit_per_s > 0):
            raise TableError(
                f"A network needs a round-trip time of at least 0 ms and a bandwidth above 0 "
                f"Mbit/s, got {self.rtt_ms} ms and {self.mbit_per_s} Mbit/s."
            )

    def seconds(self, *, rounds: float, one_way_bytes: float) -> float:
        """Return the time that messages take: half a round trip each, and the bandwidth."""
        return rounds * self.rtt_ms / 2e3 + one_way_bytes * 8 / (self.mbit_per_s * 1e6)

    def __str__(self) -> str:
        return f"{self.name}: {self.rtt_ms:g} ms round trip, {self.mbit_per_s:g} Mbit/s"


NETWORKS = {
    network.name: network for network in (Network("lan", 0.3, 3000.0), Network("wan", 40.0, 400.0))
}
"""The two profiles that private inference is usually reported for (Cheetah, eprint 2022/207)."""


def get_network(
    name: str, *, rtt_ms: float | None = None, mbit_per_s: float | None = None
) -> Network:
    """Return a profile by name, or the user's own where a number is given.

    Args:
        name: Of a profile; what is not given is taken from it.
        rtt_ms: Round-trip time in milliseconds.
        mbit_per_s: Bandwidth in one direction, 10^6 bits a second.

    Raises:
        TableError: There is no such profile, or a number is impossible.
    """
    if name not in NETWORKS:
        raise TableError(f"There is no network profile {name!r}. {nearest(name, NETWORKS)}")
    base = NETWORKS[name]
    if rtt_ms is None and mbit_per_s is None:
        return base
    return Network(
        "custom",
        base.rtt_ms if rtt_ms is None else rtt_ms,
        base.mbit_per_s if mbit_per_s is None else mbit_per_s,
    )
