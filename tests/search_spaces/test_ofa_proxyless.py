"""Once-for-all's ProxylessNAS space against its published numbers."""

from __future__ import annotations

import pytest

from predictors import Macs, Params, compile_cost
from search_spaces import SpaceError, get_space

# Resolution, smallest and largest MACs in millions: an independent count of the supernet.
EXTREMES = [
    (128, 87.823, 329.254),
    (160, 136.288, 513.523),
    (192, 195.522, 738.741),
    (224, 265.526, 1004.908),
]


def test_size_is_the_published_one() -> None:
    """The sixth stage has one block and so no choice of depth."""
    space = get_space("ofa_proxyless", resolutions=[224])
    assert space.size == 7371**5 * 9 == 195_827_899_433_152_372_659
    assert "depth_6" not in {choice.name for choice in space.choices}


@pytest.mark.parametrize(("resolution", "smallest", "largest"), EXTREMES)
def test_extremes(resolution: int, smallest: float, largest: float) -> None:
    space = get_space("ofa_proxyless", resolutions=[resolution])
    macs, params = compile_cost(space, Macs()), compile_cost(space, Params())
    low, high = macs.minimum(), macs.maximum()
    assert (round(low.value / 1e6, 3), round(high.value / 1e6, 3)) == (smallest, largest)
    assert round(params.of(low.architecture) / 1e6, 4) == 3.7188
    assert round(params.of(high.architecture) / 1e6, 4) == 7.9421


def test_relu6_and_no_squeeze_excite() -> None:
    blocks = get_space("ofa_proxyless", resolutions=[224]).distinct_blocks()
    assert {getattr(block, "act", "relu6") for block in blocks[:-1]} == {"relu6"}
    assert not any(getattr(block, "se", 0) for block in blocks)


def test_a_bad_width_is_named() -> None:
    with pytest.raises(SpaceError, match="width must be above zero"):
        get_space("ofa_proxyless", width=0.0)
