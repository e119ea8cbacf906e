"""Shrinking by evidence and by windows on costs."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from nas.errors import ConfigError, InfeasibleError
from nas.shrinking import Band, gather, outside, remaining, worse
from predictors import Macs, Params, PeakMemory, compile_cost
from search_spaces import SearchSpace, get_space
from search_spaces.ensemble import EnsembleSpace


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return get_space("mobile_small")


def accuracy(space: SearchSpace, rows: np.ndarray, noise: float, seed: int) -> np.ndarray:
    """Rises with MACs; a kernel of 5 in the very first block takes 0.02 away."""
    macs = compile_cost(space, Macs())
    column = next(i for i, c in enumerate(space.choices) if c.name == "kernel_1_0")
    errors = np.random.default_rng(seed).normal(0, noise, len(rows))
    return 0.5 + 0.05 * np.log10(macs(rows)) - 0.02 * (rows[:, column] == 1) + errors


def test_a_bad_option_is_found_at_equal_cost(space: SearchSpace) -> None:
    rows = space.canonical(space.sample(300, np.random.default_rng(0)))
    values = accuracy(space, rows, 0.01, 1)
    evidence = gather(space, rows, values, compile_cost(space, Macs())(rows))
    assert worse(evidence) == {"kernel_1_0": [5]}
    assert remaining(space, worse(evidence)) == {"kernel_1_0": [3]}
    (bad,) = (entry for entry in evidence if entry.is_worse)
    assert bad.loss == pytest.approx(0.02, abs=4 * bad.error)
    assert bad.error == pytest.approx(0.01 * 2 / np.sqrt(300), rel=0.2)
    assert all(entry.loss >= 0 for entry in evidence)


def test_without_an_effect_options_are_rarely_dropped(space: SearchSpace) -> None:
    """At 95 % for all options together, at most a few of 40 archives of pure noise drop any."""
    costs = compile_cost(space, Macs())
    false = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        rows = space.canonical(space.sample(120, rng))
        evidence = gather(space, rows, rng.normal(size=len(rows)), costs(rows))
        false += bool(worse(evidence))
    assert false <= 6


def test_a_better_option_that_costs_more_is_not_punished_for_it(space: SearchSpace) -> None:
    rows = space.canonical(space.sample(400, np.random.default_rng(3)))
    costs = compile_cost(space, Macs())(rows)
    values = 0.5 + 0.3 * (costs / costs.max())  # nothing but cost counts
    noise = np.random.default_rng(4).normal(0, 0.005, len(rows))
    assert not worse(gather(space, rows, values + noise, costs))


def test_a_diverse_option_of_an_ensemble_stays() -> None:
    base = get_space("mobile_small", resolutions=(16,))
    pairs = EnsembleSpace(base)
    rng = np.random.default_rng(5)
    rows = pairs.canonical(pairs.sample(400, rng))
    columns = [i for i, c in enumerate(pairs.choices) if c.name.endswith("kernel_3_0")]
    active = ~pairs.inactive(rows)[:, columns]
    fives = ((rows[:, columns] == 1) & active).sum(axis=1)
    values = 0.9 - 0.02 * fives + rng.normal(0, 0.005, len(rows))
    costs = compile_cost(pairs, Macs())(rows)
    flat = rng.normal(0.1, 0.001, len(rows))
    dropped = worse(gather(pairs, rows, values, costs, diversity=flat))
    assert dropped == {"kernel_3_0": [5]}
    diverse = flat + 0.05 * fives
    assert not worse(gather(pairs, rows, values, costs, diversity=diverse))
    assert pairs.restrict(remaining(pairs, dropped)).fraction < 1


def test_too_little_evidence_is_refused(space: SearchSpace) -> None:
    rows = space.sample(10, np.random.default_rng(0))
    with pytest.raises(ConfigError, match="10 evaluations say too little"):
        gather(space, rows, np.zeros(10), np.ones(10))
    with pytest.raises(ConfigError, match="between 0 and 1"):
        gather(space, rows, np.zeros(10), np.ones(10), confidence=95)


def test_a_window_drops_what_cannot_lie_in_it(space: SearchSpace) -> None:
    macs, params = compile_cost(space, Macs()), compile_cost(space, Params())
    narrow = Band(macs, Fraction(0), Fraction(1_100_000))
    dropped = outside(space, [narrow])
    part = space.restrict(remaining(space, dropped))
    assert part.fraction < 1
    inside = Band(compile_cost(part, Macs()), narrow.low, narrow.high).count()
    assert inside == narrow.count()  # nothing of the window is lost
    ratio = Band(macs, Fraction(17), Fraction(20), params)
    part = space.restrict(remaining(space, outside(space, [ratio])))
    again = Band(compile_cost(part, Macs()), ratio.low, ratio.high, compile_cost(part, Params()))
    assert again.count() == ratio.count()
    assert ratio.count().exact
    assert 0 < ratio.count().low < space.size


def test_impossible_windows_are_refused(space: SearchSpace) -> None:
    macs, peak = compile_cost(space, Macs()), compile_cost(space, PeakMemory())
    with pytest.raises(InfeasibleError, match="widen the window"):
        outside(space, [Band(macs, Fraction(1), Fraction(2))])
    with pytest.raises(InfeasibleError, match=r"It has 12\.488 to 136\.135; widen"):
        outside(space, [Band(macs, Fraction(1), Fraction(2), compile_cost(space, Params()))])
    with pytest.raises(ConfigError, match="lower end lies above"):
        Band(macs, Fraction(2), Fraction(1))
    with pytest.raises(ConfigError, match="maximum over blocks"):
        Band(peak, Fraction(1), Fraction(2))
