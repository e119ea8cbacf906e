"""Figures on held-out networks, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from predictors.latency.validation import agreement, validate


def test_agreement_by_hand():
    figures = agreement(np.array([1.04, 2.16, 2.64, 4.0]), np.array([1.0, 2.0, 3.0, 4.0]))
    assert figures.nets == 4
    assert figures.spearman == figures.kendall == 1
    assert figures.bias == pytest.approx(0)
    assert figures.within_5_percent == 0.5
    assert figures.within_10_percent == 0.75
    assert figures.worst == pytest.approx(-0.12)


def test_errors_tell_how_much_slower_a_network_may_be():
    estimated, measured = np.full(101, 2.0), np.linspace(1.8, 2.2, 101)
    figures = validate(estimated, measured, np.column_stack([measured, measured]))
    assert figures is not None
    assert figures.error_quantiles == pytest.approx((-0.09, 0, 0.09))
    assert figures.ceiling.within_5_percent == 1


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_networks(n):
    assert validate(np.ones(n), np.ones(n), np.ones((n, 2))) is None
