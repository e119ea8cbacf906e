"""Rank statistics: hand-computed values, and scipy where it is installed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictors.ranking import kendall_tau_b, ranks, spearman


def test_ranks_share_the_mean_of_tied_positions():
    assert ranks([10, 30, 20, 20]).tolist() == [1.0, 4.0, 2.5, 2.5]


def test_spearman_by_hand():
    # Ranks 1 2 3 4 5 against 2 1 4 3 5: 1 - 6 * 4 / (5 * 24) = 0.8.
    assert spearman([1, 2, 3, 4, 5], [20, 10, 40, 30, 50]) == pytest.approx(0.8)


def test_kendall_by_hand():
    # Pairs of (1 2 3 4) and (1 3 2 4): five concordant, one discordant, of six.
    assert kendall_tau_b([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(4 / 6)


def test_kendall_with_ties_by_hand():
    # x ties one pair, y none: 5 concordant; 5 / sqrt(5 * 6).
    assert kendall_tau_b([1, 1, 2, 3], [1, 2, 3, 4]) == pytest.approx(5 / math.sqrt(30))


def test_reversed_order_is_minus_one():
    assert spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert kendall_tau_b([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)


@pytest.mark.parametrize("statistic", [spearman, kendall_tau_b])
@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0, 2.0]])
def test_no_order_is_nan(statistic, values):
    assert math.isnan(statistic(values, values))


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=40))
def test_equal_to_scipy(pairs):
    stats = pytest.importorskip("scipy.stats")
    a, b = np.array(pairs, dtype=float).T
    if len(set(a)) < 2 or len(set(b)) < 2:
        return
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)
    assert kendall_tau_b(a, b) == pytest.approx(stats.kendalltau(a, b).statistic, abs=1e-12)
