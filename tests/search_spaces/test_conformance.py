"""Every registered space passes the conformance suites."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from predictors.testing import CostSuite
from search_spaces import SearchSpace, get_space, list_spaces
from search_spaces.testing import SpaceSuite

# Options that make the torch checks fast; a space without an entry is checked as it is.
SMALL: dict[str, dict[str, Any]] = {
    "mobile_small": {"resolutions": [16, 24]},
    "ofa_mobilenet_v3": {"resolutions": [32, 64], "classes": 10},
    "spos_shufflenet_v2": {"resolution": 64, "classes": 10},
}


@cache
def registered(name: str) -> SearchSpace:
    return get_space(name)


class TestRegisteredSpaces(SpaceSuite, CostSuite):
    networks = 3

    @pytest.fixture(params=list_spaces())
    def space(self, request: pytest.FixtureRequest) -> SearchSpace:
        return registered(request.param)

    def supernet_space(self, space: SearchSpace) -> SearchSpace:
        return get_space(space.name, **SMALL.get(space.name, {}))

    def counted_space(self, space: SearchSpace) -> SearchSpace:
        return self.supernet_space(space)
