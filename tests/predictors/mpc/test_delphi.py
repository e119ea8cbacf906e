"""Delphi's published constants as prices: what is known, what is not, and that nobody runs it."""

from __future__ import annotations

import dataclasses

import pytest

from predictors import TableError, compile_cost
from predictors.mpc import (
    Operator,
    PublishedLaws,
    executable_protocol,
    get_protocol,
    known_prices,
    private_costs,
)
from search_spaces import get_space


def test_a_relu_costs_what_is_published() -> None:
    """ResNet-18 on CIFAR: 19,088 bytes ahead and 1,184 online for each of its 557,056 ReLUs."""
    laws = known_prices(get_protocol("delphi"))
    cost = laws(Operator("relu", (557_056,)))
    assert cost.offline_bytes == 557_056 * 19_088
    assert cost.one_way_bytes == 557_056 * 1_184
    assert cost.rounds == 2
    assert laws.provenance.kind == "analytic"
    assert "nobody here" in laws.provenance.source


def test_what_is_not_published_is_unknown_and_not_zero() -> None:
    laws = PublishedLaws()
    linear = laws(Operator("matmul", (1, 4, 4, 4)))
    assert (linear.online_bytes, linear.rounds) == (0, 0)
    assert linear.offline_bytes is linear.cpu_s is None
    assert (linear + laws(Operator("relu", (4,)))).offline_bytes is None
    with pytest.raises(TableError, match="Nothing is published of gelu"):
        laws(Operator("gelu", (4,)))


def test_under_garbled_circuits_relus_are_what_costs() -> None:
    space = get_space("mpc_resnet", shares=(0.0, 1.0), rests=("identity",))
    sent, rounds, _ = (compile_cost(space, m) for m in private_costs(PublishedLaws()))
    assert sent.minimum().value == 0
    assert sent.maximum().value == 557_056 * (1_184 + 8)
    assert rounds.maximum().value == 17 * 2


def test_no_engine_runs_it() -> None:
    with pytest.raises(TableError, match=r"No engine here runs delphi.*semi2k, aby3, cheetah"):
        executable_protocol("delphi")
    assert executable_protocol("aby3").parties == 3
    assert not dataclasses.replace(get_protocol("delphi")).executable
