"""Few-sample transfer: a new device from ten or twenty networks and predictors of known devices.

The new device's latency is a sum of non-negative shares of what known devices take and of
prices of layers: y = sum_s share_s * device_s + sum_k price_k * layer_k + constant. In
logarithms, devices are close to a space of few dimensions (HELP, Lee et al. 2021,
arXiv:2106.08630, uses ten latencies to place a device in one); a sum in milliseconds needs
fewer samples, because a share and a price have a sign.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from predictors.errors import PredictorError
from predictors.learned.predictor import DEVICES, LearnedPredictor, is_logarithmic
from predictors.learned.selection import Candidate, candidates_for, fit
from predictors.provenance import Provenance
from search_spaces import Population

__all__ = ["transfer"]

_MANY = 40


def transfer(
    sources: Sequence[LearnedPredictor],
    population: Population,
    values: NDArray[np.float64],
    *,
    provenance: Provenance,
    seed: int = 0,
) -> LearnedPredictor:
    """Fit a predictor of a new device with the help of predictors of known ones.

    Candidates with and without the known devices compete in cross-validation, so that known
    devices of no use do no harm.

    Args:
        sources: Predictors of one metric on one space, for example each fitted on 900 networks.
        population: Networks measured on the new device, int [n, d]; see `choose_support`.
        values: Their metric in its unit, float64 [n].
        provenance: Of the values: the new device, its runtime, the date.
        seed: Of folds and fits.

    Raises:
        PredictorError: No sources, or sources of different metrics or spaces; or see `fit`.
    """
    if not sources:
        raise PredictorError("A transfer needs at least one predictor of a known device; use fit.")
    first = sources[0]
    for source in sources[1:]:
        if source.metric != first.metric or source.space.fingerprint != first.space.fingerprint:
            raise PredictorError(
                f"Known devices must share metric and space; got {source.metric} of "
                f"{source.space.name} beside {first.metric} of {first.space.name}."
            )
    own = candidates_for(first.space, first.metric, len(values))
    views = [candidate.features for candidate in own if candidate.model == "additive"]
    beside = [f"{DEVICES}+{view}" for view in views]
    if not is_logarithmic(first.metric):  # an accuracy is no sum
        shared = [Candidate("gaussian_process", DEVICES)]
    else:
        shared = [Candidate("additive", features) for features in (DEVICES, *beside)]
        if len(values) >= _MANY:
            shared.append(Candidate("gaussian_process", beside[0]))
    return fit(
        first.space,
        population,
        values,
        metric=first.metric,
        provenance=provenance,
        candidates=[*shared, *own],
        sources=sources,
        seed=seed,
    )
