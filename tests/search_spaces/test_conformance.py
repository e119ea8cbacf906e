"""Every registered space passes the conformance suites."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from predictors import CostModel, CostTable
from predictors.testing import CostSuite
from search_spaces import SearchSpace, get_space, list_spaces
from search_spaces.testing import SpaceSuite
from tests.small_spaces import SMALL


@cache
def registered(name: str, **options: Any) -> SearchSpace:
    return get_space(name, **options)


@cache
def compiled(space: SearchSpace) -> list[tuple[CostModel, CostTable]]:
    return CostSuite().compiled(space)


class TestRegisteredSpaces(SpaceSuite, CostSuite):
    networks = 3

    def compiled(self, space: SearchSpace) -> list[tuple[CostModel, CostTable]]:
        return compiled(space)

    @pytest.fixture(params=list_spaces())
    def space(self, request: pytest.FixtureRequest) -> SearchSpace:
        return registered(request.param)

    def supernet_space(self, space: SearchSpace) -> SearchSpace:
        return get_space(space.name, **SMALL.get(space.name, {}))

    def counted_space(self, space: SearchSpace) -> SearchSpace:
        return self.supernet_space(space)


class TestVariants(TestRegisteredSpaces):
    """Options that add choices, change the stem, or share weights otherwise."""

    @pytest.fixture(
        params=[
            ("spos_shufflenet_v2", "channel_scales", True),
            ("compofa", "elastic_kernel", True),
            ("darts", "imagenet", True),
            ("autoformer", "prefix_bias", True),
            ("mpc_vit", "token_shares", (0.0, 0.25, 0.5, 1.0)),
        ]
    )
    def space(self, request: pytest.FixtureRequest) -> SearchSpace:
        name, option, value = request.param
        return registered(name, **{option: value})

    def supernet_space(self, space: SearchSpace) -> SearchSpace:
        return get_space(space.name, **{**space.options, **SMALL[space.name]})
