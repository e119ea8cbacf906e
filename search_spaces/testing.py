"""A conformance suite that every search space must pass, for third parties' spaces too.

    class TestMySpace(SpaceSuite):
        @pytest.fixture
        def space(self) -> SearchSpace:
            return get_space("my_space")

Each test is a property of the whole design, checked on random architectures of the space.
`predictors.testing.CostSuite` adds the costs. Checks of the supernet need torch and are
skipped without it. Nothing but the standard library, numpy and the space is imported before a
test runs.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
from collections.abc import Hashable
from typing import Any

import numpy as np

from search_spaces.architecture import Architecture
from search_spaces.blocks import block_from_json
from search_spaces.registry import get_space
from search_spaces.space import Population, SearchSpace

__all__ = ["SpaceSuite"]


def network_key(space: SearchSpace, architecture: Architecture) -> Hashable:
    """Return what an architecture builds, the slow way: the block of every slot.

    Of isomorphic architectures it is what their representative builds.
    """
    row = space.representative(space.encode(architecture)[None])[0]
    return tuple(space.blocks(space.decode(row)).items())


class SpaceSuite:
    """Subclass it with a fixture ``space``.

    Attributes:
        samples: Random architectures for each vectorised property.
        networks: Architectures for each property of graphs and torch modules.
        seed: Of the sampling.
    """

    samples = 200
    networks = 4
    seed = 0

    def population(self, space: SearchSpace) -> Population:
        """Return random architectures; half of them mutations of one, so that twins occur."""
        rng = np.random.default_rng(self.seed)
        half = self.samples // 2
        parent = space.sample(1, rng)
        near = space.mutate(np.repeat(parent, half, axis=0), rng, probability=0.05)
        return np.concatenate([space.sample(self.samples - half, rng), near])

    def architectures(self, space: SearchSpace) -> list[Architecture]:
        """Return all first options, all last options, and random architectures."""
        corners = np.array([np.zeros_like(space.option_counts), space.option_counts - 1])
        random = space.sample(self.networks, np.random.default_rng(self.seed))
        return space.decode_all(np.concatenate([corners.astype(np.int16), random]))

    def supernet_space(self, space: SearchSpace) -> SearchSpace:
        """Return the variant of the space whose supernet is checked; override for speed."""
        return space

    # the algebra

    def test_samples_are_option_indices(self, space: SearchSpace) -> None:
        """Samples are int16 option indices, in range."""
        population = self.population(space)
        assert population.dtype == np.int16
        assert population.shape == (self.samples, len(space.choices))
        assert ((population >= 0) & (population < space.option_counts)).all()

    def test_size_is_an_exact_number(self, space: SearchSpace) -> None:
        """The size is a plain int between one and the number of combinations."""
        assert type(space.size) is int
        assert len(space.unique(self.population(space))) <= space.size
        combinations = 1
        for choice in space.choices:
            combinations *= len(choice.options)
        assert 1 <= space.size <= combinations

    def test_canonical_form_keeps_the_network_and_is_final(self, space: SearchSpace) -> None:
        """Canonical forms build the same blocks and are fixed points."""
        population = self.population(space)
        canonical = space.canonical(population)
        assert np.array_equal(space.canonical(canonical), canonical)
        assert np.array_equal(space.keys(canonical), space.keys(population))
        for before, after in zip(
            space.decode_all(population), space.decode_all(canonical), strict=True
        ):
            assert network_key(space, before) == network_key(space, after)

    def test_ids_are_equal_for_equal_networks_only(self, space: SearchSpace) -> None:
        """Ids and networks correspond one to one."""
        population = self.population(space)
        networks = [network_key(space, a) for a in space.decode_all(population)]
        pairs = set(zip(space.ids(population), networks, strict=True))
        assert len(pairs) == len({i for i, _ in pairs}) == len({n for _, n in pairs})

    def test_unique_keeps_the_first_of_each_network(self, space: SearchSpace) -> None:
        """Deduplication keeps the order of first occurrence."""
        population = self.population(space)
        expected = list(dict.fromkeys(space.ids(population)))
        assert space.ids(space.unique(population)) == expected

    def test_operators_stay_in_the_space(self, space: SearchSpace) -> None:
        """Mutation and crossover yield option indices of the parents and in range."""
        rng = np.random.default_rng(self.seed)
        population = self.population(space)
        mutated = space.mutate(population, rng, probability=0.5)
        crossed = space.crossover(population, mutated, rng)
        for result in (mutated, crossed):
            assert result.dtype == np.int16
            assert result.shape == population.shape
            assert ((result >= 0) & (result < space.option_counts)).all()
        assert ((crossed == population) | (crossed == mutated)).all()
        assert np.array_equal(space.mutate(population, rng, probability=0.0), population)

    def test_neighbours_are_one_changed_choice_away(self, space: SearchSpace) -> None:
        """Neighbours are all different networks one changed choice away."""
        for architecture in self.architectures(space):
            own = space.canonical(space.encode(architecture)[None])
            neighbours = space.neighbours(architecture)
            ids = space.ids(neighbours)
            assert len({*ids, *space.ids(own)}) == len(ids) + 1
            changed = [
                np.where(np.arange(own.shape[1]) == column, option, own[0])
                for column, count in enumerate(space.option_counts)
                for option in range(count)
            ]
            assert {*ids, *space.ids(own)} == set(space.ids(np.array(changed, dtype=np.int16)))

    def test_encoding_round_trip(self, space: SearchSpace) -> None:
        """Architectures survive encoding and JSON."""
        population = self.population(space)
        architectures = space.decode_all(population)
        assert np.array_equal(space.encode_all(architectures), population)
        for architecture in architectures[:20]:
            text = json.dumps(architecture.to_json(), allow_nan=False)
            assert Architecture.from_json(json.loads(text)) == architecture

    def test_one_hot_tells_networks_apart(self, space: SearchSpace) -> None:
        """One-hot rows mark active choices, and equal rows mean equal networks."""
        population = self.population(space)
        features = space.one_hot(population)
        assert features.shape == (self.samples, int(space.option_counts.sum()))
        active = ~space.inactive(space.canonical(population))
        starts = np.cumsum([0, *space.option_counts[:-1]])
        assert np.array_equal(np.add.reduceat(features, starts, axis=1), active)
        rows: dict[bytes, str] = {}
        for row, key in zip(features, space.ids(population), strict=True):
            assert rows.setdefault(row.tobytes(), key) == key

    def test_inactive_choices_have_no_influence(self, space: SearchSpace) -> None:
        """Whatever an inactive choice takes, the network stays."""
        population = self.population(space)
        inactive = space.inactive(population)
        for column, count in enumerate(space.option_counts):
            rows = population[inactive[:, column]]
            for option in range(count):
                changed = rows.copy()
                changed[:, column] = option
                assert np.array_equal(space.keys(changed), space.keys(rows))

    def test_the_same_options_build_the_same_space(self, space: SearchSpace) -> None:
        """The recorded options are JSON and rebuild the space."""
        json.dumps(dict(space.options), allow_nan=False)
        again = get_space(space.name, **space.options)
        assert again.fingerprint == space.fingerprint
        population = self.population(space)
        assert again.ids(population) == space.ids(population)

    # blocks and their graph

    def test_every_block_is_a_value_that_json_keeps(self, space: SearchSpace) -> None:
        """Blocks survive JSON, equal and with equal hashes."""
        for block in space.distinct_blocks():
            again = block_from_json(json.loads(json.dumps(block.to_json(), allow_nan=False)))
            assert again == block
            assert hash(again) == hash(block)
            assert again.to_json() == block.to_json()

    def test_every_block_can_be_expanded(self, space: SearchSpace) -> None:
        """Blocks have shapes and layers with counts that are not negative."""
        for block in space.distinct_blocks():
            assert min(block.in_shape) >= 1
            assert min(block.out_shape) >= 1
            for layer in block.layers():
                assert layer.macs >= 0
                assert layer.params >= 0

    def test_shapes_chain_along_the_graph(self, space: SearchSpace) -> None:
        """Every block gets the shapes it declares, and the output hangs on the input."""
        import networkx

        for architecture in self.architectures(space):
            graph = space.layer_graph(architecture)
            assert networkx.is_directed_acyclic_graph(graph)
            shape = space.input_shape_of(architecture)
            for before, after, positions in graph.edges(data="positions"):
                made = shape if before == "input" else graph.nodes[before]["block"].out_shape
                for position in positions:
                    assert graph.nodes[after]["block"].in_shapes[position] == made, (before, after)
            *_, last = (name for name in graph if name != "input")
            assert networkx.has_path(graph, "input", last)

    # the supernet

    def test_supernet_equals_the_extracted_subnet(self, space: SearchSpace) -> None:
        """The defining property, in float64 and evaluation mode."""
        torch = _torch_or_skip()
        from search_spaces.supernet import Supernet

        space = self.supernet_space(space)
        net = Supernet(space, seed=self.seed).double().eval()
        generator = torch.Generator().manual_seed(self.seed)
        for tensor in itertools.chain(net.parameters(), net.buffers()):
            if not tensor.is_floating_point():
                continue
            scale = 0.1 + torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
            tensor.data = tensor.data * scale + (0.1 * scale if tensor.dim() == 1 else 0.0)
        with torch.no_grad():
            for architecture in self.architectures(space)[: self.networks]:
                shape = (2, *space.input_shape_of(architecture))
                x = torch.randn(shape, generator=generator, dtype=torch.float64)
                expected = net.subnet(architecture)(x)
                largest = expected.abs().max()
                assert largest > 0
                assert (net(x, architecture) - expected).abs().max() <= 1e-6 * largest

    def test_gradients_outside_the_active_slice_are_zero(self, space: SearchSpace) -> None:
        """A step touches the declared regions of the declared parameters only."""
        torch = _torch_or_skip()
        from search_spaces.supernet import Supernet

        space = self.supernet_space(space)
        net = Supernet(space, seed=self.seed)
        generator = torch.Generator().manual_seed(self.seed)
        for architecture in self.architectures(space)[:2]:
            net.zero_grad(set_to_none=True)
            x = torch.randn((2, *space.input_shape_of(architecture)), generator=generator)
            net(x, architecture).square().sum().backward()
            regions = net.active_parameters(architecture)
            for name, parameter in net.named_parameters():
                assert (parameter.grad is not None) == (name in regions), name
                if parameter.grad is not None:
                    parameter.grad[regions[name]] = 0
                    assert not parameter.grad.any(), name


def _torch_or_skip() -> Any:
    """Return torch, or skip the test that asked for it."""
    if importlib.util.find_spec("torch") is None:
        import pytest

        pytest.skip("torch is not installed")
    import torch

    return torch
