"""Prices that need no engine: laws, and the table that ships for CHEETAH."""

from __future__ import annotations

from typing import Any

import pytest

from predictors import TableError, compile_cost
from predictors.latency.graph import network
from predictors.mpc import (
    NETWORKS,
    Laws,
    MpcTable,
    Operator,
    PublishedLaws,
    get_protocol,
    known_prices,
    known_rounds,
    operators_of,
    private_costs,
    program_of,
)
from predictors.mpc.measure import operators_of_space
from predictors.mpc.sources import SHIPPED_SPACES
from search_spaces import get_space

CHEETAH = get_protocol("cheetah")


def test_each_protocol_has_its_source() -> None:
    assert isinstance(known_prices(get_protocol("semi2k")), Laws)
    assert isinstance(known_prices(get_protocol("delphi")), PublishedLaws)
    table = known_prices(CHEETAH)
    assert isinstance(table, MpcTable)
    assert table.versions["spu"] == CHEETAH.version
    assert table.provenance.kind == "table"
    assert table.provenance.date


@pytest.mark.parametrize(("name", "options"), SHIPPED_SPACES)
def test_the_shipped_table_prices_whole_spaces(name: str, options: dict[str, Any]) -> None:
    table = known_prices(CHEETAH)
    assert isinstance(table, MpcTable)
    assert not table.missing(operators_of_space(get_space(name, **options)))


def test_rounds_are_delays_and_not_sends() -> None:
    """Softmax sends messages of CHEETAH without waiting; a mean takes two delays for one."""
    table = known_prices(CHEETAH)
    softmax = table(Operator("softmax", (260, 65)))
    assert softmax.rounds < softmax.sends
    mean = table(Operator("mean", (64,)))
    assert (mean.sends, mean.rounds) == (1, pytest.approx(2, abs=0.2))


def test_latency_is_predicted_by_rounds() -> None:
    space = get_space("mpc_vit", dim=64, depths=[1])
    table = known_prices(CHEETAH)
    architecture = space.decode(space.option_counts * 0)
    blocks = [block for block in space.blocks(architecture).values() if block is not None]
    rounds, seconds = (compile_cost(space, model) for model in private_costs(table)[1:])
    costs = [table(operator) for block in blocks for operator in operators_of(block)]
    by_hand = sum(cost.rounds for cost in costs)
    assert rounds.of(architecture) == pytest.approx(by_hand)
    assert seconds.of(architecture) > by_hand * NETWORKS["wan"].rtt_ms / 2e3
    program = program_of(network(space, architecture))
    assert known_rounds(program, CHEETAH) == pytest.approx(by_hand)


def test_a_size_that_was_not_measured_says_what_to_do() -> None:
    with pytest.raises(TableError, match=r"ships \(mpc_vit dim = 64.*lacks relu\(65\).*--prices"):
        known_prices(CHEETAH)(Operator("relu", (65,)))
    space = get_space("mpc_resnet", resolution=8, widths=[4], depths=[1])
    program = program_of(network(space, space.decode(space.option_counts * 0)))
    assert known_rounds(program, CHEETAH) is None
