from __future__ import annotations

from predictors import Macs, Params, compile_cost, largest, largest_cost
from predictors.mpc import Laws, get_protocol, private_costs
from search_spaces import get_space


def test_a_share_is_one_of_the_network_with_most_macs() -> None:
    space = get_space("mobile_small")
    params = compile_cost(space, Params())
    assert largest(space) == compile_cost(space, Macs()).maximum().architecture
    assert largest_cost(params) == params.of(largest(space))


def test_where_all_have_equal_macs_it_is_one_of_the_dearest() -> None:
    space = get_space("mpc_vit", dim=16, heads=(2,), depths=(2,), patch=8)
    for model in private_costs(Laws(get_protocol("semi2k"))):
        cost = compile_cost(space, model)
        assert largest_cost(cost) == cost.maximum().value
