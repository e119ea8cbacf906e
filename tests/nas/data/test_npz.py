from __future__ import annotations

import numpy as np
import pytest
import torch

from nas.data import DataConfig, load_data
from nas.data.npz import read_npz
from nas.errors import DataError
from search_spaces.progress import silent

CONFIG = DataConfig(format="npz", path="unused", validation=2)
EVEN = np.arange(20) % 2


def read(tmp_path, **arrays):
    np.savez(tmp_path / "a.npz", **arrays)
    return read_npz(tmp_path / "a.npz", CONFIG, silent)


@pytest.mark.parametrize("layout", ["nhw", "nhwc", "nchw"])
def test_pixel_layouts_agree(tmp_path, pixels, layout):
    images = pixels(20, 4, 5) if layout == "nhw" else pixels(20, 4, 5, 3)
    stored = images.transpose(0, 3, 1, 2) if layout == "nchw" else images
    raw = read(tmp_path, images=stored, labels=EVEN)
    expected = images[:, None] if layout == "nhw" else images.transpose(0, 3, 1, 2)
    assert np.array_equal(raw.images, expected)
    assert not raw.test.any()


def test_names_of_keras(tmp_path, pixels):
    raw = read(
        tmp_path,
        X_train=pixels(20, 4, 4),
        y_train=EVEN,
        X_test=pixels(6, 4, 4),
        y_test=EVEN[:6, None],
        unrelated=np.zeros(3),
    )
    assert raw.test.tolist() == [False] * 20 + [True] * 6
    assert raw.class_names is None


def test_names_of_medmnist_join_validation_to_train(tmp_path, pixels):
    parts = {"train": 20, "val": 8, "test": 6}
    arrays = {f"{name}_images": pixels(n, 4, 4, 3) for name, n in parts.items()}
    arrays |= {f"{name}_labels": EVEN[:n, None].astype(np.uint8) for name, n in parts.items()}
    raw = read(tmp_path, **arrays)
    assert (~raw.test).sum() == 28
    assert raw.test.sum() == 6
    del arrays["test_images"], arrays["test_labels"]
    assert read(tmp_path, **arrays).test.sum() == 8  # validation in place of test


def test_split_and_class_names_are_used(tmp_path, pixels):
    raw = read(
        tmp_path,
        images=pixels(20, 4, 4),
        labels=EVEN,
        split=np.arange(20) // 15,
        classes=np.array(["cat", "cat"]),  # not distinct, so the next array counts
        names=np.array(["cat", "dog"]),
    )
    assert raw.test.tolist() == [False] * 15 + [True] * 5
    assert raw.class_names == ("cat", "dog")


def test_encoded_images_are_decoded_in_order(tmp_path, pixels, blob):
    raw = read(tmp_path, **blob())
    expected = np.stack([pixels(6, 5, 3, seed=i) for i in range(20)]).transpose(0, 3, 1, 2)
    assert np.array_equal(raw.images, expected)
    arrays = blob()
    arrays["images_encoded"] = arrays.pop("jpeg")
    assert np.array_equal(read(tmp_path, **arrays).images, expected)


def test_encoded_grey_images_have_one_channel(tmp_path, blob):
    assert read(tmp_path, **blob(shape=(6, 5))).images.shape == (20, 1, 6, 5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((20, 4, 4))}, r"images are float64 \[20, 4, 4\]. Allowed is uint8"),
        ({"images": np.zeros((20, 4, 4, 4), np.uint8)}, "1 or 3 channels"),
        ({"images": np.zeros((20, 4), np.uint8)}, r"uint8 \[20, 4\]"),
        ({"images": np.zeros((0, 4, 4), np.uint8), "labels": EVEN[:0]}, "no image in it"),
        ({"labels": EVEN[:19]}, "20 images but 19 labels"),
        ({"labels": EVEN / 2}, r"labels are float64"),
        ({"labels": np.eye(20, dtype=int)}, r"labels are int64 \[20, 20\]"),
        ({"labels": EVEN - 1}, "image 0 has the label -1"),
        ({"split": EVEN[:5]}, r"`split` is int64 \[5\].*\(20 images\)"),
        ({"split": EVEN + 1}, r"values \[1, 2\]"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, pixels, change, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, **({"images": pixels(20, 4, 4), "labels": EVEN} | change))


def test_splits_of_different_shape_are_refused(tmp_path, pixels):
    arrays = {"x_train": pixels(20, 4, 4), "x_test": pixels(20, 5, 5)}
    with pytest.raises(DataError, match=r"differ in image shape: train .*4, 4\], test .*5, 5\]"):
        read(tmp_path, **arrays, y_train=EVEN, y_test=EVEN)


@pytest.mark.parametrize(
    "arrays",
    [
        {"weights": EVEN, "labels": EVEN},
        {"x_test": np.zeros((20, 4, 4), np.uint8), "y_test": EVEN},
        {"jpeg": EVEN, "labels": EVEN},
        {"images": EVEN},
        {},
    ],
)
def test_unknown_arrays_are_listed(tmp_path, arrays):
    there = ", ".join(sorted(arrays)) or "none"
    with pytest.raises(DataError, match=rf"Arrays in it: {there}. Allowed: x_train"):
        read(tmp_path, **arrays)


@pytest.mark.parametrize(
    "offsets",
    [[0, 10, 5], [0, 10, 10], [-1, 10, 20], [0], [0, 10, 10**9], [0.0, 10.0], [[0, 10]]],
)
def test_offsets_that_do_not_fit_are_refused(tmp_path, blob, offsets):
    with pytest.raises(DataError, match="rising integers"):
        read(tmp_path, **(blob() | {"offsets": np.array(offsets)}))


def test_a_broken_encoded_image_is_named_by_index(tmp_path, blob):
    arrays = blob()
    arrays["jpeg"] = arrays["jpeg"].copy()
    start = arrays["offsets"][7]
    arrays["jpeg"][start : start + 8] = 0
    with pytest.raises(DataError, match=r"Image 7 of .*a.npz is no readable image"):
        read(tmp_path, **arrays)


class Harmful:
    """An object whose unpickling would run code."""

    def __reduce__(self):
        return (pytest.fail, ("the loader unpickled an object",))


def test_pickled_objects_are_never_loaded(tmp_path):
    harmful = np.array([Harmful()] * 20, dtype=object)
    with pytest.raises(DataError, match="holds pickled Python objects"):
        read(tmp_path, images=harmful, labels=EVEN)


def test_other_files_are_refused(tmp_path, pixels):
    np.save(tmp_path / "a.npy", pixels(3, 4, 4))
    (tmp_path / "b.npz").write_bytes(b"")
    (tmp_path / "c.npz").write_bytes(b"\x80\x04not a zip file")
    for name in ("a.npy", "b.npz", "c.npz"):
        with pytest.raises(DataError, match=f"{name} cannot be read"):
            read_npz(tmp_path / name, CONFIG, silent)


@pytest.mark.parametrize("compressed", [False, True])
def test_damaged_files_are_data_errors(tmp_path, pixels, compressed):
    save = np.savez_compressed if compressed else np.savez
    save(tmp_path / "a.npz", images=pixels(20, 4, 4), labels=EVEN, classes=np.array(["a", "b"]))
    data = (tmp_path / "a.npz").read_bytes()
    good = read_npz(tmp_path / "a.npz", CONFIG, silent)
    rng = np.random.default_rng(0)
    refused = 0
    for trial in range(400):
        damaged = bytearray(data)
        if trial % 2:
            damaged = damaged[: rng.integers(len(data))]
        else:
            damaged[rng.integers(len(data))] = rng.integers(256)
        (tmp_path / "b.npz").write_bytes(damaged)
        try:
            raw = read_npz(tmp_path / "b.npz", CONFIG, silent)
        except DataError:
            refused += 1
        else:  # the byte was one that does not matter, or a name
            assert np.array_equal(raw.images, good.images)
    assert refused > 250


@pytest.mark.slow
def test_cifar10_as_jpeg_streams(shared_data):
    seen = []
    config = DataConfig(format="npz", path="cifar10.npz", validation=5000)

    def load():
        return load_data(
            config,
            seed=0,
            base=shared_data,
            progress=lambda done, total, text: seen.append((done, total)),
        )

    splits = load()
    assert splits.train.images.shape == (45000, 3, 32, 32)
    for part, each in ((splits.train, 4500), (splits.validation, 500), (splits.test, 1000)):
        assert part.labels.bincount().tolist() == [each] * 10
    assert splits.train.class_names[0] == "airplane"
    whole = torch.cat([splits.train.images, splits.validation.images]).double() / 255
    assert whole.mean(dim=(0, 2, 3)).tolist() == pytest.approx([0.4913, 0.4821, 0.4465], abs=1e-4)
    assert seen[-1] == (60000, 60000)
    seen.clear()
    again = load()
    assert not seen  # nothing was decoded
    assert torch.equal(again.train.images, splits.train.images)
