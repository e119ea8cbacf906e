"""Delphi's costs from published constants: garbled circuits for ReLUs, nothing measured here.

Delphi (Mishra et al. 2020, eprint 2020/050) prepares every linear layer by homomorphic
encryption and every ReLU by a garbled circuit before the image is known. Online a linear layer is
work of each party alone; of a ReLU the server sends the labels of its share and the client
returns the masked result, one number of 8 bytes. The other constants are those of cryptonite's
simulator (kvgarimella/cryptonite @4dab8f9), measured by its authors with ResNet-18 of 557,056
ReLUs on an EPYC 7502; squares send a 192nd of a ReLU's bytes (Delphi's own figure, at second
hand).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from predictors.errors import TableError
from predictors.mpc.cost import MpcCost
from predictors.mpc.profiles import Protocol, get_protocol
from predictors.mpc.program import Operator
from predictors.provenance import Provenance

__all__ = ["PublishedLaws"]

_LABEL_BYTES = 1184
_OFFLINE_BYTES = 17_072 + 2_016
_EVALUATION_S = 5.4e-5
_RESULT_BYTES = 8
_SQUARE_BYTES = _LABEL_BYTES / 192


def _relu(sizes: Sequence[int]) -> MpcCost:
    """Return labels one way and the masked result the other, one after the other."""
    (elements,) = sizes
    return MpcCost(
        elements * (_LABEL_BYTES + _RESULT_BYTES),
        elements * _LABEL_BYTES,
        sends=2,
        rounds=2,
        cpu_s=elements * _EVALUATION_S,
        offline_bytes=elements * _OFFLINE_BYTES,
    )


def _square(sizes: Sequence[int]) -> MpcCost:
    """Return one exchange; what prepares its triples is not published."""
    sent = sizes[0] * _SQUARE_BYTES
    return MpcCost(sent, sent / 2, sends=1, rounds=1, cpu_s=None, offline_bytes=None)


def _local(sizes: Sequence[int]) -> MpcCost:
    return MpcCost(cpu_s=None)


def _prepared(sizes: Sequence[int]) -> MpcCost:
    """Return a linear layer: local online; its ciphertexts depend on the packing."""
    return MpcCost(cpu_s=None, offline_bytes=None)


_DELPHI: dict[str, Callable[[Sequence[int]], MpcCost]] = {
    "relu": _relu,
    "square": _square,
    "quadratic": _square,
    "polynomial": _square,
    "matmul": _prepared,
    "mean": _local,
    "scale": _local,
    "partition": _local,
}


@dataclass(frozen=True, slots=True)
class PublishedLaws:
    """Prices operators of Delphi by what others published.

    Attributes:
        protocol: Delphi.
    """

    protocol: Protocol = field(default_factory=lambda: get_protocol("delphi"))

    @property
    def provenance(self) -> Provenance:
        """Where the prices come from."""
        return Provenance("analytic", f"{self.protocol}; others measured them, nobody here")

    def __call__(self, operator: Operator) -> MpcCost:
        """Return what an operator costs.

        Raises:
            TableError: Nothing is published of it.
        """
        if operator.kind not in _DELPHI:
            raise TableError(
                f"Nothing is published of {operator} under delphi, only of "
                f"{', '.join(_DELPHI)}. Choose a space of convolutions and ReLUs, or another "
                "protocol."
            )
        return _DELPHI[operator.kind](operator.sizes)
