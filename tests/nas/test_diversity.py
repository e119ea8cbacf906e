"""Diversity: how far the members of an ensemble are from each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nas.diversity import metered, pairwise_distance
from search_spaces import Supernet, get_space
from search_spaces.ensemble import EnsembleSpace


def test_it_is_zero_for_equal_and_one_for_opposite_members() -> None:
    sure = torch.tensor([[100.0, 0.0], [0.0, 100.0]])
    assert pairwise_distance([sure, sure]).tolist() == [0, 0]
    assert pairwise_distance([sure, sure + 5.0]).tolist() == [0, 0]
    assert pairwise_distance([sure, sure.flip(1)]).tolist() == [1, 1]
    assert pairwise_distance([sure, sure, sure.flip(1)]).tolist() == pytest.approx([2 / 3] * 2)


def test_probabilities_are_compared_by_total_variation() -> None:
    half, most = torch.tensor([[0.0, 0.0]]), torch.log(torch.tensor([[0.8, 0.2]]))
    assert pairwise_distance([half, most]).item() == pytest.approx(0.3)


def test_it_is_measured_while_the_ensemble_runs() -> None:
    base = get_space("mobile_small", resolutions=(16,), channels=1)
    pairs = EnsembleSpace(base)
    supernet = Supernet(pairs, seed=1).eval()
    architecture = pairs.decode(pairs.sample(1, np.random.default_rng(0))[0])
    subnet = supernet.subnet(architecture)
    images = torch.randn(12, 1, 16, 16)
    with torch.no_grad():
        with metered(subnet) as meter:
            whole = torch.cat([subnet(images[:5]), subnet(images[5:])])
        alone = Supernet(base, seed=1).eval()
        said = [alone(images, a) for a in pairs.member_architectures(architecture)]
    assert meter.value == pytest.approx(pairwise_distance(said).mean().item(), abs=1e-6)
    subnet(images)  # the hook is gone
    assert meter.value == pytest.approx(pairwise_distance(said).mean().item(), abs=1e-6)
    assert torch.allclose(whole, sum(said) / 2, atol=1e-6)
