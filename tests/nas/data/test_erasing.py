from __future__ import annotations

import pytest
import torch

from nas.data import erase


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_rectangles_of_noise_in_the_asked_share_of_images() -> None:
    images = torch.full((2000, 3, 16, 20), 7.0)
    erased = erase(images, 0.25, generator=generator())
    changed = (erased != 7.0).any(1)
    hit = changed.flatten(1).any(1)
    assert float(hit.float().mean()) == pytest.approx(0.25, abs=0.03)
    shares = changed[hit].flatten(1).float().mean(1)
    assert float(shares.min()) < 0.04
    assert 0.2 < float(shares.max()) <= 0.36
    for mask in changed[hit][:50]:
        rows, columns = mask.any(1), mask.any(0)
        assert torch.equal(mask, rows[:, None] & columns[None, :])
        for line in (rows, columns):
            places = line.nonzero().flatten()
            assert len(places) == places[-1] - places[0] + 1
    noise = erased[:, 0][changed]
    assert float(noise.mean()) == pytest.approx(0.0, abs=0.05)
    assert float(noise.std()) == pytest.approx(1.0, abs=0.05)


def test_nothing_is_erased_by_default_and_all_can_be() -> None:
    images = torch.zeros(8, 1, 8, 8)
    assert erase(images, 0.0, generator=generator()) is images
    assert bool((erase(images, 1.0, generator=generator()) != 0).flatten(1).any(1).all())


def test_the_same_seed_erases_alike() -> None:
    images = torch.zeros(8, 3, 8, 8)
    first, second = (erase(images, 0.5, generator=generator(3)) for _ in range(2))
    assert torch.equal(first, second)


def test_a_part_of_a_batch_is_erased_as_in_the_whole() -> None:
    images = torch.zeros(10, 3, 8, 8)
    whole = erase(images, 0.7, generator=generator(3))
    part = erase(images[4:7], 0.7, generator=generator(3), first=4, count=10)
    assert torch.equal(part, whole[4:7])
