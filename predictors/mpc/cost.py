"""The cost of computing on secrets, as a vector that adds up along a network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from predictors.mpc.profiles import Network

__all__ = ["MpcCost", "total"]


@dataclass(frozen=True, slots=True)
class MpcCost:
    """What one operator, block or network costs online.

    Attributes:
        online_bytes: Payload sent by all parties together.
        one_way_bytes: The most that one party sends: what the bandwidth must carry.
        sends: Messages, the most of any party, as the engine counts them.
        rounds: Effective rounds, in one-way delays: by how many half round trips the
            operator lasts longer on a slower network.
        cpu_s: Seconds of the slowest party beside the network, for processors and for waiting
            for each other's; None where nobody measured them.
        offline_bytes: Sent ahead for each inference; None where that is unknown, never 0.
        refills: Of a stock of oblivious transfers that are in the numbers above, on average.
    """

    online_bytes: float = 0.0
    one_way_bytes: float = 0.0
    sends: float = 0.0
    rounds: float = 0.0
    cpu_s: float | None = 0.0
    offline_bytes: float | None = 0.0
    refills: float = 0.0

    def __add__(self, other: MpcCost) -> MpcCost:
        """Return the cost of one after the other."""
        return MpcCost(
            self.online_bytes + other.online_bytes,
            self.one_way_bytes + other.one_way_bytes,
            self.sends + other.sends,
            self.rounds + other.rounds,
            _sum(self.cpu_s, other.cpu_s),
            _sum(self.offline_bytes, other.offline_bytes),
            self.refills + other.refills,
        )

    def network_s(self, network: Network) -> float:
        """Return the seconds spent waiting for the network."""
        return network.seconds(rounds=self.rounds, one_way_bytes=self.one_way_bytes)

    def latency_s(self, network: Network) -> float:
        """Return computation and waiting in seconds; waiting only where cpu_s is None."""
        return (self.cpu_s or 0.0) + self.network_s(network)


def _sum(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first + second


def total(costs: Iterable[MpcCost]) -> MpcCost:
    """Return the cost of all, one after another."""
    return sum(costs, MpcCost())
