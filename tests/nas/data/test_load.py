from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.data import DataConfig, load_data
from nas.data.load import _divide
from nas.data.raw import RawData
from nas.errors import DataError, MissingExtraError
from nas.rng import stream


def rows(image_set) -> set[bytes]:
    return {image.numpy().tobytes() for image in image_set.images}


def test_digits_are_divided_without_a_path():
    splits = load_data(DataConfig(format="digits", validation=200), seed=0)
    assert [len(s) for s in (splits.train, splits.validation, splits.test)] == [1238, 200, 359]
    assert splits.train.images.dtype == torch.uint8
    assert splits.train.labels.dtype == torch.int64
    assert splits.train.shape == (1, 8, 8)
    assert int(splits.train.images.max()) == 255
    assert splits.train.class_names == tuple("0123456789")
    assert splits.source == "digits"


def test_statistics_are_those_of_the_training_split():
    splits = load_data(DataConfig(format="digits", validation=200), seed=0)
    scaled = splits.train.images.double() / 255
    assert splits.mean == pytest.approx([float(scaled.mean())])
    assert splits.std == pytest.approx([float(scaled.std(correction=0))])


def test_the_seed_decides_the_split():
    config = DataConfig(format="digits", validation=200)
    first, again, other = (load_data(config, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.validation.images, again.validation.images)
    assert torch.equal(first.train.images, again.train.images)
    assert not torch.equal(first.validation.images, other.validation.images)
    assert not torch.equal(first.test.images, other.test.images)


def test_a_training_limit_leaves_validation_and_test_alone():
    whole = load_data(DataConfig(format="digits", validation=200), seed=0)
    part = load_data(DataConfig(format="digits", validation=200, train_limit=100), seed=0)
    assert torch.equal(whole.validation.images, part.validation.images)
    assert torch.equal(whole.test.images, part.test.images)
    assert len(part.train) == 100
    assert rows(part.train) <= rows(whole.train)
    assert part.train.labels.bincount().tolist() == pytest.approx([10] * 10, abs=1)
    beyond = DataConfig(format="digits", validation=200, train_limit=5000)
    assert len(load_data(beyond, seed=0).train) == len(whole.train)


@settings(max_examples=50)
@given(
    classes=st.integers(2, 5),
    stored=st.integers(0, 40),
    validation=st.integers(5, 40),
    limit=st.one_of(st.none(), st.integers(20, 200)),
    seed=st.integers(0, 99),
)
def test_division_is_disjoint_and_exhaustive(classes, stored, validation, limit, seed):
    labels = stream(seed, "labels").permutation(np.arange(160) % classes)
    raw = RawData(np.zeros((160, 1, 1, 1), np.uint8), labels, np.arange(160) < stored)
    config = DataConfig(format="digits", validation=validation, train_limit=limit)
    train, held, test = _divide(raw, tuple("abcde"[:classes]), config, seed)
    together = np.concatenate([train, held, test])
    assert len(np.unique(together)) == len(together)
    assert len(held) == validation
    assert set(test) == set(range(stored)) if stored else len(test) == 32
    left = 160 - len(test) - validation
    assert len(train) == (left if limit is None else min(limit, left))


def test_channels_are_converted_as_pillow_does(tmp_path, pixels):
    from PIL import Image

    colour = pixels(30, 4, 4, 3)
    np.savez(tmp_path / "a.npz", images=colour, labels=np.arange(30) % 2)
    config = DataConfig(format="npz", path="a.npz", validation=5, channels=1)
    splits = load_data(config, seed=0, base=tmp_path)
    expected = {np.asarray(Image.fromarray(image).convert("L")).tobytes() for image in colour}
    assert rows(splits.train) | rows(splits.validation) | rows(splits.test) == expected


def test_grey_is_repeated_and_sizes_are_fitted():
    config = DataConfig(format="digits", validation=200, channels=3, image_size=12)
    train = load_data(config, seed=0).train
    assert train.shape == (3, 12, 12)
    assert torch.equal(train.images[:, 0], train.images[:, 2])
    plain = load_data(DataConfig(format="digits", validation=200), seed=0).train
    assert float(train.images.float().mean()) == pytest.approx(
        float(plain.images.float().mean()), rel=0.05
    )


def test_labels_without_names_are_numbered_from_zero(tmp_path, pixels):
    np.savez(tmp_path / "a.npz", images=pixels(40, 3, 3), labels=5 + 2 * (np.arange(40) % 4))
    config = DataConfig(format="npz", path="a.npz", validation=8)
    train = load_data(config, seed=0, base=tmp_path).train
    assert train.class_names == ("5", "7", "9", "11")
    assert train.labels.unique().tolist() == [0, 1, 2, 3]


def test_the_home_folder_is_expanded(tmp_path, pixels, monkeypatch):
    np.savez(tmp_path / "a.npz", images=pixels(40, 3, 3), labels=np.arange(40) % 4)
    monkeypatch.setenv("HOME", str(tmp_path))
    splits = load_data(DataConfig(format="npz", path="~/a.npz", validation=8), seed=0)
    assert splits.source == "npz: a.npz"


@pytest.mark.parametrize(
    ("arrays", "settings_", "message"),
    [
        ({"labels": np.zeros(20, int)}, {}, "All images are of class '0'"),
        ({}, {"validation": 16}, r"`validation = 16` takes 16 of 16"),
        ({}, {"train_limit": 1}, r"`train_limit = 1` .* no training image of class"),
        ({}, {"test_fraction": 0.99}, r"`test_fraction = 0.99` takes 20 of 20"),
        ({"labels": np.array([0] * 19 + [1])}, {"test_fraction": 0.6}, "class '1'"),
        ({"classes": np.array(["cat"])}, {}, "A label is 1, but there are 1 class names"),
        (
            {"labels": np.array([0] * 9 + [1] * 9 + [2] * 2), "split": np.arange(20) >= 18},
            {},
            "test split holds images of class '2'",
        ),
    ],
)
def test_what_cannot_be_divided_is_explained(tmp_path, pixels, arrays, settings_, message):
    whole = {"images": pixels(20, 3, 3), "labels": np.arange(20) % 2} | arrays
    np.savez(tmp_path / "a.npz", **whole)
    values = {"format": "npz", "path": "a.npz", "validation": 4} | settings_
    with pytest.raises(DataError, match=message):
        load_data(DataConfig(**values), seed=0, base=tmp_path)


@pytest.mark.parametrize("format_", ["idx", "npz", "folder"])
def test_a_missing_path_names_what_exists_of_it(tmp_path, format_):
    config = DataConfig(format=format_, path="no/such/place", validation=4)
    with pytest.raises(DataError) as caught:
        load_data(config, seed=0, base=tmp_path)
    assert str(tmp_path / "no/such/place") in str(caught.value)
    assert f"what exists of it is {str(tmp_path)!r}" in str(caught.value)


@pytest.mark.parametrize(("format_", "kind"), [("cifar", "file"), ("idx", "file")])
def test_a_path_of_the_wrong_kind_says_so(tmp_path, format_, kind):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match=f"is a {kind}, but this format reads"):
        load_data(DataConfig(format=format_, path=kind, validation=4), seed=0, base=tmp_path)


@pytest.mark.parametrize("path", ["~no_such_user_here/x", "a" * 5000])
def test_impossible_paths_are_data_errors(tmp_path, path):
    with pytest.raises(DataError, match="path"):
        load_data(DataConfig(format="npz", path=path, validation=4), seed=0, base=tmp_path)


def test_digits_without_scikit_learn_name_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.delitem(sys.modules, "sklearn.datasets", raising=False)
    with pytest.raises(MissingExtraError, match=r"subnet-search\[digits\]"):
        load_data(DataConfig(format="digits", validation=4), seed=0)
