"""A conformance suite for the costs of a search space; see `search_spaces.testing`.

class TestMySpace(SpaceSuite, CostSuite):
    @pytest.fixture
    def space(self) -> SearchSpace:
        return get_space("my_space")
"""

from __future__ import annotations

import importlib.util
import math

import numpy as np

from predictors.analytic import Macs, Params, PeakMemory
from predictors.cost import CostModel, CostTable, compile_cost
from search_spaces import Architecture, SearchSpace

__all__ = ["CostSuite", "slow_cost"]


def slow_cost(space: SearchSpace, model: CostModel, architecture: Architecture) -> float:
    """Price an architecture block by block, without tables."""
    prices = [float(model(b)) if b else 0.0 for b in space.blocks(architecture).values()]
    return model.constant + (sum(prices) if model.reduce == "sum" else max(prices))


class CostSuite:
    """Subclass it with a fixture ``space``.

    Attributes:
        cost_samples: Random architectures for each property.
        seed: Of the sampling.
    """

    cost_samples = 50
    seed = 0

    def cost_models(self) -> list[CostModel]:
        """Return the costs to check; override to add one's own."""
        return [Macs(), Params(), PeakMemory(), PeakMemory(bytes_per_element=1)]

    def counted_space(self, space: SearchSpace) -> SearchSpace:
        """Return the variant of the space that is built in torch; override for speed."""
        return space

    def compiled(self, space: SearchSpace) -> list[tuple[CostModel, CostTable]]:
        """Return every cost with its tables."""
        return [(model, compile_cost(space, model)) for model in self.cost_models()]

    def test_tables_equal_the_slow_loop(self, space: SearchSpace) -> None:
        """Compiled prices are those of a loop over blocks."""
        population = space.sample(self.cost_samples, np.random.default_rng(self.seed))
        architectures = space.decode_all(population)
        for model, table in self.compiled(space):
            slow = [slow_cost(space, model, architecture) for architecture in architectures]
            np.testing.assert_allclose(table(population), slow, rtol=1e-12)
            assert table.of(architectures[0]) == table(population[:1])[0]

    def test_the_network_alone_decides_the_cost(self, space: SearchSpace) -> None:
        """Canonical forms cost the same."""
        population = space.sample(self.cost_samples, np.random.default_rng(self.seed))
        for _, table in self.compiled(space):
            assert np.array_equal(table(space.canonical(population)), table(population))

    def test_extremes_are_reached_and_not_exceeded(self, space: SearchSpace) -> None:
        """Exact extremes belong to an architecture and bound every sample."""
        population = space.sample(self.cost_samples, np.random.default_rng(self.seed))
        for _, table in self.compiled(space):
            costs = table(population)
            for extreme in (table.minimum(), table.maximum()):
                assert math.isclose(table.of(extreme.architecture), extreme.value, rel_tol=1e-12)
            assert table.minimum().value <= costs.min() * (1 + 1e-12)
            assert table.maximum().value >= costs.max() * (1 - 1e-12)

    def test_no_neighbour_of_an_extreme_is_beyond_it(self, space: SearchSpace) -> None:
        """No changed choice improves on an exact extreme."""
        for _, table in self.compiled(space):
            low, high = table.minimum(), table.maximum()
            near_low = table(space.neighbours(low.architecture))
            near_high = table(space.neighbours(high.architecture))
            assert (near_low >= low.value * (1 - 1e-12)).all()
            assert (near_high <= high.value * (1 + 1e-12)).all()

    def test_breakdown_reduces_to_the_cost(self, space: SearchSpace) -> None:
        """The prices of the slots reduce to the cost."""
        rows = space.sample(5, np.random.default_rng(self.seed))
        for model, table in self.compiled(space):
            for architecture in space.decode_all(rows):
                parts = table.breakdown(architecture)
                assert list(parts) == [slot.name for slot in space.slots]
                total = sum(parts.values()) if model.reduce == "sum" else max(parts.values())
                assert math.isclose(total + model.constant, table.of(architecture), rel_tol=1e-12)

    def test_counts_of_the_built_network(self, space: SearchSpace) -> None:
        """Parameters of the torch modules, and fvcore's count where it is installed."""
        import pytest

        if importlib.util.find_spec("torch") is None:
            pytest.skip("torch is not installed")
        from search_spaces.supernet import build_network

        space = self.counted_space(space)
        macs, params = compile_cost(space, Macs()), compile_cost(space, Params())
        rows = space.sample(2, np.random.default_rng(self.seed))
        extremes = (macs.minimum().architecture, macs.maximum().architecture)
        for architecture in (*extremes, *space.decode_all(rows)):
            network = build_network(space, architecture).eval()
            assert sum(p.numel() for p in network.parameters()) == params.of(architecture)
            if importlib.util.find_spec("fvcore") is not None:
                from predictors.fvcore_counter import fvcore_macs

                counted = fvcore_macs(network, space.input_shape_of(architecture))
                assert counted == macs.of(architecture)
