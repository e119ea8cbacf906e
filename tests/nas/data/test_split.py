from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nas.data.split import stratified_choice
from nas.errors import DataError
from nas.rng import stream

CLASS_SIZES = st.lists(st.integers(0, 30), min_size=1, max_size=6).filter(lambda s: sum(s) > 1)


def choose(labels, count, seed=0):
    names = [f"class {k}" for k in range(int(labels.max()) + 1)]
    rng = stream(seed, "validation-split")
    return stratified_choice(labels, count, rng=rng, class_names=names, purpose="`validation`")


@given(sizes=CLASS_SIZES, seed=st.integers(0, 99), data=st.data())
def test_choice_is_exact_and_stratified_within_one(sizes, seed, data):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    np.random.default_rng(seed).shuffle(labels)
    count = data.draw(st.integers(1, len(labels) - 1))
    try:
        chosen = choose(labels, count, seed)
    except DataError:
        # Refused only if rounding up could take a class whole.
        assume(any(m and m * count / len(labels) > m - 1 for m in sizes))
        return
    assert len(chosen) == count
    assert (np.diff(chosen) > 0).all()
    taken = np.bincount(labels[chosen], minlength=len(sizes))
    exact = np.array(sizes) * count / len(labels)
    assert (np.abs(taken - exact) < 1).all()
    assert all(left >= 1 for left, m in zip(np.array(sizes) - taken, sizes, strict=True) if m)


@given(seed=st.integers(0, 2**32))
def test_choice_depends_on_the_seed_alone(seed):
    labels = np.arange(200) % 7
    assert np.array_equal(choose(labels, 50, seed), choose(labels, 50, seed))
    assert not np.array_equal(choose(labels, 50, seed), choose(labels, 50, seed + 1))


def test_every_image_is_equally_likely():
    labels = np.repeat([0, 1], [30, 10])
    hits = np.zeros(40)
    for seed in range(2000):
        hits[choose(labels, 8, seed)] += 1
    assert np.abs(hits / 2000 - 8 / 40).max() < 0.05  # 5.6 standard deviations


@pytest.mark.parametrize("count", [0, 20, 21])
def test_more_than_there_is_is_refused(count):
    with pytest.raises(DataError, match=rf"`validation` takes {count} of 20 .* 1 to 19"):
        choose(np.arange(20) % 2, count)


def test_a_class_too_small_is_named():
    labels = np.array([0] * 50 + [1])
    with pytest.raises(DataError, match=r"no training image of class 'class 1' \(1 in all\)"):
        choose(labels, 30)
