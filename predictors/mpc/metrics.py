"""Private-inference costs of blocks, ready to be compiled: bytes, rounds, seconds, counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from predictors.mpc.cost import MpcCost, total
from predictors.mpc.profiles import NETWORKS, Network
from predictors.mpc.profiles import Protocol as MpcProtocol
from predictors.mpc.program import Operator, operators_of
from predictors.provenance import ANALYTIC, Provenance
from search_spaces.blocks import BlockSpec, layers_of

__all__ = [
    "ActivationCount",
    "OperatorPrices",
    "PrivateCost",
    "ReluCount",
    "SoftmaxHeads",
    "block_cost",
    "private_costs",
]


class OperatorPrices(Protocol):
    """Where prices of operators come from: laws, a table, or an engine."""

    @property
    def protocol(self) -> MpcProtocol:
        """The protocol that they hold for."""

    @property
    def provenance(self) -> Provenance:
        """Where they come from."""

    def __call__(self, operator: Operator) -> MpcCost:
        """Return what an operator costs.

        Raises:
            TableError: Nobody knows.
        """


def block_cost(block: BlockSpec, prices: OperatorPrices) -> MpcCost:
    """Return the cost of one block: of its operators, one after another.

    Raises:
        TableError: A layer has no private form, or an operator no price.
    """
    return total(prices(operator) for operator in operators_of(block))


@dataclass(frozen=True, slots=True)
class PrivateCost:
    """One number of the private cost vector, as a cost model.

    Attributes:
        number: ``mpc_online_bytes``, ``mpc_rounds`` or ``mpc_online_s``.
        prices: Prices of the operators.
        network: That the seconds are for.
        place: Name of the protocol and network where there are several; stands before the
            metric's name.
    """

    number: str
    prices: OperatorPrices
    network: Network
    place: str = ""
    reduce: Literal["sum", "max"] = "sum"
    constant: float = 0.0

    @property
    def metric(self) -> str:
        """The number's name, after that of the place."""
        return f"{self.place}_{self.number}" if self.place else self.number

    @property
    def provenance(self) -> Provenance:
        """Where the prices come from, and for seconds the network."""
        known = self.prices.provenance
        if self.number != "mpc_online_s":
            return known
        source = f"{known.source}; {self.network}"
        return Provenance(known.kind, source, known.device, known.runtime, known.date)

    def __call__(self, block: BlockSpec) -> float:
        """Return the number for one block.

        Raises:
            TableError: A layer has no private form, or an operator no price.
        """
        return _NUMBERS[self.number](block_cost(block, self.prices), self.network)


_NUMBERS: dict[str, Callable[[MpcCost, Network], float]] = {
    "mpc_online_bytes": lambda cost, network: cost.online_bytes,
    "mpc_rounds": lambda cost, network: cost.rounds,
    "mpc_online_s": lambda cost, network: cost.latency_s(network),
}


def private_costs(
    prices: OperatorPrices, network: Network = NETWORKS["wan"], *, place: str = ""
) -> tuple[PrivateCost, ...]:
    """Return the cost models of all private metrics."""
    return tuple(PrivateCost(number, prices, network, place) for number in _NUMBERS)


@dataclass(frozen=True, slots=True)
class ActivationCount:
    """Elements that activations act on: what the budget of a mask counts.

    Attributes:
        kinds: Of the operators that count.
    """

    kinds: tuple[str, ...] = ("relu", "gelu", "quadratic")
    metric: str = "activation_count"
    reduce: Literal["sum", "max"] = "sum"
    constant: float = 0.0
    provenance: Provenance = ANALYTIC

    def __call__(self, block: BlockSpec) -> float:
        """Return the number of such elements of a block."""
        return float(sum(op.sizes[0] for op in operators_of(block) if op.kind in self.kinds))


@dataclass(frozen=True, slots=True)
class ReluCount:
    """Activations that compare secrets: what many publications minimise in place of a cost."""

    metric: str = "relu_count"
    reduce: Literal["sum", "max"] = "sum"
    constant: float = 0.0
    provenance: Provenance = ANALYTIC

    def __call__(self, block: BlockSpec) -> float:
        """Return the number of elements that a block rectifies."""
        return ActivationCount(("relu",))(block)


@dataclass(frozen=True, slots=True)
class SoftmaxHeads:
    """Heads that keep a softmax or ReLU-softmax: the budget of MPCViT (arXiv:2211.13955)."""

    metric: str = "softmax_heads"
    reduce: Literal["sum", "max"] = "sum"
    constant: float = 0.0
    provenance: Provenance = ANALYTIC

    def __call__(self, block: BlockSpec) -> float:
        """Return the number of such heads of a block."""
        kept = ("softmax", "relu_softmax")
        return float(sum(x.out_shape[0] for x in layers_of(block) if x.op in kept))
