from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nas.data import ImageSet, batches, calibration_subset, epoch_order
from nas.errors import DataError


def numbered(count: int) -> ImageSet:
    images = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)
    return ImageSet(images, torch.arange(count), tuple(map(str, range(count))))


@given(count=st.integers(0, 200), seed=st.integers(0, 9), epoch=st.integers(0, 9))
def test_an_epoch_order_is_a_permutation_fixed_by_seed_and_epoch(count, seed, epoch):
    order = epoch_order(count, seed=seed, epoch=epoch)
    assert order.dtype == torch.int64
    assert sorted(order.tolist()) == list(range(count))
    assert torch.equal(order, epoch_order(count, seed=seed, epoch=epoch))


def test_epochs_and_seeds_differ():
    orders = [epoch_order(50, seed=s, epoch=e) for s in (0, 1) for e in (0, 1)]
    assert len({tuple(order.tolist()) for order in orders}) == 4


@given(
    count=st.integers(0, 60), size=st.integers(1, 70), drop=st.booleans(), shuffled=st.booleans()
)
def test_batches_cover_the_order(count, size, drop, shuffled):
    order = epoch_order(count, seed=0, epoch=0) if shuffled else None
    cut = list(batches(numbered(count), size, order=order, drop_last=drop))
    lengths = [len(labels) for _, labels in cut]
    assert all(length == size for length in lengths[:-1])
    if drop:
        assert lengths == [size] * (count // size)
    else:
        assert sum(lengths) == count
        assert 0 not in lengths
    seen = [label for _, labels in cut for label in labels.tolist()]
    expected = list(range(count)) if order is None else order.tolist()
    assert seen == expected[: len(seen)]
    assert all(torch.equal(images[:, 0, 0, 0].long(), labels) for images, labels in cut)


def test_a_part_can_be_batched():
    cut = list(batches(numbered(9), 2, order=torch.tensor([8, 0, 4])))
    assert [labels.tolist() for _, labels in cut] == [[8, 0], [4]]


def test_calibration_images_are_drawn_without_replacement():
    whole = numbered(100)
    subset = calibration_subset(whole, 40, seed=0)
    assert len(set(subset.labels.tolist())) == len(subset) == 40
    assert torch.equal(subset.images[:, 0, 0, 0].long(), subset.labels)
    assert subset.class_names == whole.class_names
    assert torch.equal(subset.labels, calibration_subset(whole, 40, seed=0).labels)
    assert not torch.equal(subset.labels, calibration_subset(whole, 40, seed=1).labels)


@pytest.mark.parametrize("count", [0, 101])
def test_more_calibration_images_than_there_are_is_refused(count):
    with pytest.raises(DataError, match=rf"^{count} calibration images .* 1 to 100"):
        calibration_subset(numbered(100), count, seed=0)
