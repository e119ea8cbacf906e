"""Mixup and cutmix: labels are mixed as the pixels are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nas.data import AugmentConfig, mix

N, CLASSES = 6, 3
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])
# Every image has one value, so a mixed pixel says whose share it is.
IMAGES = torch.arange(N, dtype=torch.float32).view(N, 1, 1, 1).expand(N, 2, 9, 7).contiguous()


def mixed(seed: int, **options: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return images, probabilities, and for every image the mean of its pixels."""
    config = AugmentConfig(**options)
    rng = np.random.default_rng(seed)
    images, targets = mix(IMAGES, LABELS, config, classes=CLASSES, rng=rng)
    return images, targets, images.mean(dim=(1, 2, 3))


def test_without_either_the_arguments_come_back() -> None:
    images, targets = mix(
        IMAGES, LABELS, AugmentConfig(), classes=CLASSES, rng=np.random.default_rng(0)
    )
    assert images is IMAGES
    assert targets is LABELS


@pytest.mark.parametrize("options", [{"mixup": 0.4}, {"cutmix": 1.0}])
def test_labels_have_the_shares_of_the_pixels(options: dict[str, float]) -> None:
    shares = set()
    for seed in range(30):
        images, targets, means = mixed(seed, **options)
        torch.testing.assert_close(targets.sum(dim=1), torch.ones(N))
        # Which share explains the pixels of all images at once?
        other = torch.tensor([1, 0, 3, 2, 5, 4])  # neighbours
        share = 1 - (means - IMAGES[:, 0, 0, 0]) / (other - torch.arange(N))
        assert share.std(unbiased=False) < 1e-4
        one = torch.eye(CLASSES)
        expected = share[0] * one[LABELS] + (1 - share[0]) * one[LABELS[other]]
        torch.testing.assert_close(targets, expected, rtol=1e-3, atol=1e-3)
        shares.add(round(float(share[0]), 3))
        values = {len(image.unique()) for image in images}
        assert values <= ({1} if "mixup" in options else {1, 2})
    assert len(shares) > 10
    assert all(-1e-3 <= share <= 1.001 for share in shares)


def test_a_coin_decides_between_the_two() -> None:
    patched = [
        any(len(image.unique()) > 1 for image in mixed(seed, mixup=1.0, cutmix=1.0)[0])
        for seed in range(60)
    ]
    assert 15 < sum(patched) < 45
    assert torch.equal(mixed(3, mixup=1.0, cutmix=1.0)[0], mixed(3, mixup=1.0, cutmix=1.0)[0])


@pytest.mark.parametrize("options", [{"mixup": 0.4}, {"cutmix": 1.0}])
def test_whole_pairs_of_a_batch_are_mixed_as_the_batch_is(options: dict[str, float]) -> None:
    images, targets, _ = mixed(5, **options)
    for part in (slice(0, 4), slice(4, 6)):
        rng, config = np.random.default_rng(5), AugmentConfig(**options)
        ours, labels = mix(IMAGES[part], LABELS[part], config, classes=CLASSES, rng=rng)
        assert torch.equal(ours, images[part])
        assert torch.equal(labels, targets[part])


def test_a_last_image_without_a_neighbour_stays() -> None:
    images, _ = mix(
        IMAGES[:5],
        LABELS[:5],
        AugmentConfig(mixup=0.4),
        classes=CLASSES,
        rng=np.random.default_rng(0),
    )
    torch.testing.assert_close(images[4], IMAGES[4])
