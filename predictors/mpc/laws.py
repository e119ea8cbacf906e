"""What operators cost under SEMI2K and ABY3, as laws in their sizes; no engine is needed.

Bytes are exact: every law below was compared with the engine at several sizes, and
``nas mpc validate`` does it again. ABY3 also shares the constant that a sum or a maximum
starts from, 24 bytes; where a whole program has the same constant twice, the engine shares it
once. Sends are exact for SEMI2K; ABY3 rotates the roles of its parties, and its sends vary by
a tenth. SEMI2K's and ABY3's parties send at the same time: a send costs one one-way delay.

The laws know no processor time: `MpcCost.cpu_s` is None, and a latency made of them is the
network's part. Measure a table (``nas mpc measure``) to have both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from predictors.errors import TableError
from predictors.mpc.cost import MpcCost
from predictors.mpc.profiles import Protocol
from predictors.mpc.program import Operator
from predictors.provenance import Provenance

__all__ = ["Laws"]

Part: TypeAlias = tuple[str, int, int]
"""A primitive, its elements altogether, and how many steps they take one after another."""


@dataclass(frozen=True, slots=True)
class _Primitives:
    """Bytes of all parties for an element, and sends, of everything but products of matrices."""

    costs: Mapping[str, tuple[int, int]]
    start: tuple[int, int]
    matmul: Callable[[int, int, int], int]
    matmul_sends: int


_LAWS = {
    "semi2k": _Primitives(
        {
            "mul": (40, 2),
            "scale": (8, 1),
            "relu": (144, 8),
            "sigmoid": (1210, 53),
            "gelu": (792, 45),
            "exp": (200, 17),
            "reciprocal": (1010, 36),
            "rsqrt": (858, 26),
        },
        start=(0, 0),
        matmul=lambda rows, inner, columns: (
            2 * (8 * (rows * inner + inner * columns) + 4 * rows * columns)
        ),
        matmul_sends=2,
    ),
    "aby3": _Primitives(
        {
            "mul": (52, 3),
            "scale": (28, 2),
            "relu": (172, 11),
            "sigmoid": (1780, 75),
            "gelu": (1108, 64),
            "exp": (444, 24),
            "reciprocal": (1336, 52),
            "rsqrt": (1548, 49),
        },
        start=(24, 1),
        matmul=lambda rows, inner, columns: 52 * rows * columns,
        matmul_sends=3,
    ),
}


def _levels(length: int) -> int:
    """Return how often the engine halves a row to find its maximum.

    What is left over at an odd length waits until the end, so that 100 = 64 + 32 + 4 takes
    6 halvings and 2 more comparisons.
    """
    return length.bit_length() - 1 + length.bit_count() - 1


def _elementwise(*primitives: str) -> Callable[[Sequence[int]], list[Part]]:
    return lambda sizes: [(primitive, sizes[0], 1) for primitive in primitives]


def _maximum(rows: int, length: int) -> list[Part]:
    return [("relu", rows * (length - 1), _levels(length)), ("start", 1, 1)]


def _by_sum(rows: int, length: int) -> list[Part]:
    return [("start", 1, 1), ("reciprocal", rows, 1), ("mul", rows * length, 1)]


def _softmax(sizes: Sequence[int]) -> list[Part]:
    rows, length = sizes
    return [*_maximum(rows, length), ("exp", rows * length, 1), *_by_sum(rows, length)]


def _layer_norm(sizes: Sequence[int]) -> list[Part]:
    rows, length = sizes
    mean = [("scale", rows, 1)]
    product = [("mul", rows * length, 1)]
    return [("start", 1, 1), *mean, *product, *mean, ("rsqrt", rows, 1), *product]


_PARTS: dict[str, Callable[[Sequence[int]], list[Part]]] = {
    "mul": _elementwise("mul"),
    "scale": _elementwise("scale"),
    "relu": _elementwise("relu"),
    "relu6": _elementwise("relu", "relu"),
    "h_sigmoid": _elementwise("relu", "relu", "scale"),
    "h_swish": _elementwise("relu", "relu", "scale", "mul"),
    "sigmoid": _elementwise("sigmoid"),
    "swish": _elementwise("sigmoid", "mul"),
    "gelu": _elementwise("gelu"),
    "quadratic": _elementwise("scale", "mul"),
    "square": _elementwise("mul"),
    "polynomial": _elementwise("mul", "mul"),
    "partition": lambda sizes: [],
    "mean": lambda sizes: [("start", 1, 1), ("scale", sizes[0], 1)],
    "max_pool": lambda sizes: _maximum(*sizes),
    "softmax": _softmax,
    "relu_softmax": lambda sizes: [("relu", sizes[0] * sizes[1], 1), *_by_sum(*sizes)],
    "two_quad": lambda sizes: [("mul", sizes[0] * sizes[1], 1), *_by_sum(*sizes)],
    "layer_norm": _layer_norm,
}


@dataclass(frozen=True, slots=True)
class Laws:
    """Prices operators of SEMI2K and ABY3 without an engine.

    Attributes:
        protocol: One that has laws.

    Raises:
        TableError: The protocol has none; `known_prices` has a table for some.
    """

    protocol: Protocol

    def __post_init__(self) -> None:
        if self.protocol.name not in _LAWS:
            raise TableError(
                f"There are no laws for {self.protocol.name}, only for {', '.join(_LAWS)} and "
                "delphi: its ciphertexts pack many values, and only a table measured at the "
                f"exact sizes can tell. Measure one: nas mpc measure --protocol "
                f"{self.protocol.name}."
            )

    @property
    def provenance(self) -> Provenance:
        """Where the prices come from."""
        return Provenance("analytic", f"laws of {self.protocol}, no processor time")

    def __call__(self, operator: Operator) -> MpcCost:
        """Return what an operator costs.

        Raises:
            TableError: The operator has no law.
        """
        laws = _LAWS[self.protocol.name]
        if operator.kind == "matmul":
            batch, rows, inner, columns = operator.sizes
            return self._cost(batch * laws.matmul(rows, inner, columns), batch * laws.matmul_sends)
        if operator.kind not in _PARTS:
            raise TableError(f"The operator {operator} has no law.")
        sent = sends = 0
        for primitive, elements, steps in _PARTS[operator.kind](operator.sizes):
            each, messages = laws.start if primitive == "start" else laws.costs[primitive]
            sent += each * elements
            sends += messages * steps
        return self._cost(sent, sends)

    def _cost(self, sent: float, sends: float) -> MpcCost:
        one_way = sent / self.protocol.parties
        return MpcCost(sent, one_way, sends, sends, None, self.protocol.offline_bytes)
