"""CompOFA's coupled space: sizes, and every network one of once-for-all's."""

from __future__ import annotations

import numpy as np
import pytest

from predictors import Macs, Params, compile_cost
from search_spaces import Architecture, SearchSpace, get_space
from search_spaces.compofa import EXPANSION, STAGE_KERNELS


def compofa(elastic: bool) -> SearchSpace:
    return get_space("compofa", elastic_kernel=elastic, resolutions=[224])


def test_sizes_are_the_published_ones() -> None:
    assert compofa(False).size == 3**5 == 243
    assert compofa(True).size == 117**5 == 21_924_480_357


@pytest.mark.parametrize("elastic", [False, True])
def test_networks_are_once_for_all_s(elastic: bool) -> None:
    ours, whole = compofa(elastic), get_space("ofa_mobilenet_v3", resolutions=[224])
    for subnet in ours.decode_all(ours.sample(5, np.random.default_rng(0))):
        options = {"resolution": 224}
        for s in range(1, 6):
            depth = options[f"depth_{s}"] = int(subnet[f"depth_{s}"])
            for b in range(4):
                fixed = STAGE_KERNELS[s - 1]
                options[f"kernel_{s}_{b}"] = int(subnet.get(f"kernel_{s}_{b}", fixed))
                options[f"expand_{s}_{b}"] = EXPANSION[depth]
        assert ours.blocks(subnet) == whole.blocks(Architecture(options))
        assert ours.id_of(subnet) == whole.id_of(options)


def test_elastic_kernels_reach_once_for_all_s_extremes() -> None:
    space = compofa(True)
    macs, params = compile_cost(space, Macs()), compile_cost(space, Params())
    low, high = macs.minimum(), macs.maximum()
    assert (round(low.value / 1e6, 3), round(high.value / 1e6, 3)) == (121.279, 566.171)
    assert round(params.of(high.architecture) / 1e6, 4) == 7.6648
