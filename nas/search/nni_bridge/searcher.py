"""NNI's tuners as searchers, in this process: no server, no port, no experiment folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nas.errors import ConfigError
from nas.search.asking import Ask, propose_by_asking
from nas.search.history import History, Proposals
from nas.search.nni_bridge.package import nni_package, quiet
from nas.search.nni_bridge.tuners import check_tuner, own_randomness, told_tuner
from nas.search.sampling import draw_feasible
from search_spaces import SearchSpace

__all__ = ["NniSearcher"]

_ENUMERATING_ASKS = 2_000


@dataclass(frozen=True)
class NniSearcher:
    """A tuner of NNI that never repeats itself and keeps the limits.

    Each round a new tuner is told the whole history, so that a round is a function of the
    history alone. Tuners look for one objective, the first, in its direction. The first round
    is random. Batch evaluates what it is given and nothing else. See
    `asking.propose_by_asking`.

    Attributes:
        tuner: Random, TPE, Evolution, GridSearch or Batch.
        options: Arguments of its constructor; see `tuners.told_tuner`.
        limits: What the tuner hears of an architecture outside the limits: a bad value, by
            `asking.penalty`, or that the trial failed.

    Raises:
        ConfigError: There is no such tuner or option.
        MissingExtraError: NNI is not installed.
    """

    tuner: str = "TPE"
    options: Mapping[str, Any] = field(default_factory=dict)
    limits: Literal["penalty", "reject"] = "penalty"

    def __post_init__(self) -> None:
        if self.limits not in ("penalty", "reject"):
            raise ConfigError(
                f"search.nni.limits = {self.limits!r}: must be 'penalty' or 'reject'."
            )
        check_tuner(self.tuner, self.options)

    def propose(
        self, history: History, count: int, *, round: int, rng: np.random.Generator
    ) -> Proposals:
        """Return what the tuner asks for; see `Searcher.propose`."""
        given = self.tuner == "Batch"
        nothing_to_choose = not history.problem.space.choices  # which tuners cannot take
        if (not len(history) and not given) or nothing_to_choose:
            return draw_feasible(history, count, rng=rng)
        seed = int(rng.integers(2**31))
        with quiet(), own_randomness(rng):
            tuner = told_tuner(self.tuner, self.options, history, seed=seed)
            talk = _Talk(f"NNI {self.tuner}", tuner, history.problem.space, self.limits)
            asks = _ENUMERATING_ASKS if self.tuner in ("Batch", "GridSearch") else None
            return propose_by_asking(talk, history, count, rng=rng, asks=asks, fill=not given)


@dataclass
class _Talk:
    """An `asking.Engine`: one round of talk with a tuner."""

    operator: str
    tuner: Any
    space: SearchSpace
    limits: str
    asked: int = 0

    def ask(self) -> Ask | None:
        """Ask for a trial; a tuner that has no more says so by an error of NNI."""
        number, self.asked = self.asked, self.asked + 1
        try:
            parameters = self.tuner.generate_parameters(number)
        except nni_package().NoMoreTrialError:
            return None
        return Ask((number, parameters), self.space.encode(parameters))

    def accept(self, ask: Ask, excess: NDArray[np.float64]) -> None:
        """Leave the trial running."""

    def answer(
        self, ask: Ask, values: NDArray[np.float64] | None, excess: NDArray[np.float64]
    ) -> None:
        """End the trial."""
        number, parameters = ask.token
        outside = bool((excess > 0).any())
        success = values is not None and not (outside and self.limits == "reject")
        if values is not None and success:
            self.tuner.receive_trial_result(number, parameters, float(values[0]))
        self.tuner.trial_end(number, success)
