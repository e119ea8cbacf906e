"""Which networks to measure, when only a few can be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from predictors.analytic import Macs
from predictors.cost import compile_cost
from predictors.errors import PredictorError
from predictors.learned.execution import Execution
from predictors.learned.features import Encoder
from search_spaces import Population, SearchSpace

__all__ = ["choose_support"]

_FEATURES = "layers+read_layers"
_PRIOR = 1e-2
_MIDDLE = (0.1, 0.9)


def choose_support(space: SearchSpace, pool: Population, count: int) -> NDArray[np.intp]:
    """Return positions of the networks of a pool that tell most about the prices of layers.

    Greedy D-optimal design (Fedorov 1972): each next network is the one whose price is the
    least certain after the ones before it, by a linear model of the layers that run. Networks
    that compute a constant are never chosen, nor the tenths with fewest and with most MACs,
    whose latency follows other rules.

    Args:
        space: The space.
        pool: Candidates, int [n, d]; a few thousand random ones are plenty.
        count: How many to choose.

    Raises:
        PredictorError: The pool has fewer different networks.
    """
    _, first = np.unique(space.keys(pool), return_index=True)
    usable = first[~Execution(space).constant(pool[first])]
    if not 1 <= count <= len(usable):
        raise PredictorError(
            f"Cannot choose {count} networks from a pool of {len(usable)} different ones that "
            "read their input. Give a larger pool."
        )
    macs = compile_cost(space, Macs())(pool[usable])
    low, high = np.quantile(macs, _MIDDLE)
    middle = usable[(macs >= low) & (macs <= high)]
    usable = middle if len(middle) >= count else usable
    x = Encoder(space, _FEATURES)(pool[usable])
    scale = x.std(axis=0)
    x = x[:, scale > 0] / scale[scale > 0]
    x = np.column_stack([x - x.mean(axis=0), np.ones(len(x))])
    inverse = np.eye(x.shape[1]) / _PRIOR
    chosen: list[int] = []
    for _ in range(count):
        gain = np.einsum("ij,jk,ik->i", x, inverse, x)
        gain[chosen] = -1.0
        best = int(gain.argmax())
        chosen.append(best)
        column = inverse @ x[best]
        inverse -= np.outer(column, column) / (1.0 + x[best] @ column)
    return usable[chosen]
