"""The forward and backward pass of architectures that return step after step, compiled.

Which these are, the strategy says of each member (`Member.steady`), not a count of what was seen:
a resumed training so compiles what the undisturbed one does, and ends where that ends.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor

from search_spaces import Architecture
from search_spaces.modules.shard import Shard, sharded
from search_spaces.supernet import Regularisation, Supernet

__all__ = ["CompiledForwards"]

_log = logging.getLogger(__name__)

_Network: TypeAlias = Callable[[Tensor, dict[str, Tensor] | None], Tensor]
_Key: TypeAlias = tuple[Supernet, Architecture, Regularisation | None, Shard | None]


class CompiledForwards:
    """Forwards by network, architecture and regularisation, each compiled when first called.

    What they compute is what the network computes, to rounding, with the same random numbers; the
    gradients lie in the network's parameters. Where torch cannot compile, a warning says why, and
    all of them run as they are from then on.

    Args:
        backend: Of `torch.compile`.

    Attributes:
        failed: Whether torch could not compile.
    """

    def __init__(self, *, backend: str = "inductor") -> None:
        self._backend = backend
        self._compiled: dict[_Key, _Network] = {}
        self.failed = False

    def __call__(
        self,
        network: Supernet,
        x: Tensor,
        architecture: Architecture,
        regularisation: Regularisation | None = None,
        outputs: dict[str, Tensor] | None = None,
        *,
        shard: Shard | None = None,
    ) -> Tensor:
        """Run the network of one architecture.

        Args:
            network: The network.
            x: As of `Supernet.forward`.
            architecture: Likewise.
            regularisation: Likewise.
            outputs: Likewise.
            shard: Which images of a batch these are; None is a whole one.
        """
        forward = _sharded_forward(network, architecture, regularisation, shard)
        if self.failed:
            return forward(x, outputs)
        key = (network, architecture, regularisation, shard)
        if key not in self._compiled:
            _log.info("compiling the network of %s", architecture.to_json())
            self._compiled[key] = self._compile(forward)
        try:
            return self._compiled[key](x, outputs)
        except RuntimeError as error:
            if not isinstance(error, torch._dynamo.exc.TorchDynamoException):
                raise  # of the network that runs, for example that memory ran out
            self.failed = True
            reason = " ".join(str(error).split())
            _log.warning(
                "train.compile has no effect, the training goes on without: torch.compile failed "
                "(%.300s). On a CPU it needs a C++ compiler (g++ or clang++).",
                reason,
            )
            return forward(x, outputs)

    def _compile(self, forward: _Network) -> _Network:
        """Return a forward that is compiled when it is called first."""
        # What torch compiled it keeps by code object, eight for each at most. The forwards of all
        # architectures have one and the same, so each gets a copy.
        assert isinstance(forward, FunctionType)
        own = FunctionType(
            forward.__code__.replace(), forward.__globals__, closure=forward.__closure__
        )
        # Random numbers are torch's, as in the network that is not compiled.
        options: Any = {"fallback_random": True} if self._backend == "inductor" else {}
        compiled: Any = torch.compile(
            own, fullgraph=True, dynamic=False, backend=self._backend, options=options
        )
        return cast("_Network", compiled)


def _sharded_forward(
    network: Supernet,
    architecture: Architecture,
    regularisation: Regularisation | None,
    shard: Shard | None,
) -> _Network:
    run = network.at(architecture, regularisation)

    def forward(x: Tensor, outputs: dict[str, Tensor] | None) -> Tensor:
        with sharded(shard):  # inside, or what is compiled would not see it
            return run(x, outputs)

    return forward
