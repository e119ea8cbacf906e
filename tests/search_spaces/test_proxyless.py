"""ProxylessNAS's space: which layers choose what, and the published integers."""

from __future__ import annotations

import pytest

from predictors import Macs, Params, compile_cost
from search_spaces import SpaceError, get_space
from search_spaces.proxyless import OPERATIONS, SKIP
from search_spaces.published import published_subnets


def test_size_by_the_closed_form() -> None:
    """Six first layers of stages have six operations, fifteen later ones may be skipped."""
    assert len(OPERATIONS) == 6
    assert get_space("proxyless").size == 6**6 * 7**15


def test_the_mobile_network_to_the_last_multiply_accumulate() -> None:
    space = get_space("proxyless")
    subnet = next(s for s in published_subnets() if s.name == "proxyless_mobile")
    assert compile_cost(space, Macs()).of(subnet.architecture) == 320_427_584
    assert compile_cost(space, Params()).of(subnet.architecture) == 4_080_512


def test_a_layer_that_changes_shape_cannot_be_skipped() -> None:
    space = get_space("proxyless")
    for choice in space.choices[1:]:
        layer = choice.name.removeprefix("operation_")
        changes = any(
            block.in_shape != block.out_shape for block in space.slot_blocks(f"layer{layer}")
        )
        assert changes == (SKIP not in choice.options)


def test_operations_do_not_share_weights() -> None:
    pytest.importorskip("torch")
    from search_spaces import Supernet

    space = get_space("proxyless", widths=[8] * 9, resolutions=[32], classes=4)
    net = Supernet(space)
    first = {c.name: c.options[0] for c in space.choices}
    used = []
    for operation in OPERATIONS:
        architecture = space.decode(space.encode({**first, "operation_2": operation}))
        regions = net.active_parameters(architecture)
        used.append({name for name in regions if name.startswith("blocks.layer2.")})
    assert sum(len(names) for names in used) == len(set().union(*used)) > 0


def test_the_number_of_widths_is_checked() -> None:
    with pytest.raises(SpaceError, match=r"widths must name 9 layers .* got 2"):
        get_space("proxyless", widths=[32, 16])
