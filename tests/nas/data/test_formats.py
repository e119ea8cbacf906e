from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nas.data import DataConfig, load_data
from nas.data.formats import read_folder, read_idx
from nas.errors import DataError
from search_spaces.progress import silent

FASHION = Path("/usr/share/datasets/fashion-mnist")
NAMES = {
    "train-images-idx3-ubyte": (30, 4, 5),
    "train-labels-idx1-ubyte": (30,),
    "t10k-images-idx3-ubyte": (10, 4, 5),
    "t10k-labels-idx1-ubyte": (10,),
}


def folder_config(**values) -> DataConfig:
    return DataConfig(format="folder", path="unused", validation=2, **values)


@pytest.fixture
def idx(tmp_path, pixels, write_idx):
    for i, (name, shape) in enumerate(NAMES.items()):
        array = pixels(*shape) if len(shape) > 1 else (np.arange(shape[0]) % 3).astype(np.uint8)
        write_idx(tmp_path / (name + ".gz" * (i % 2)), array)
    return tmp_path


def test_idx_is_read_plain_and_compressed(idx, pixels):
    raw = read_idx(idx)
    assert raw.images.shape == (40, 1, 4, 5)
    assert np.array_equal(raw.images[:30, 0], pixels(30, 4, 5))
    assert raw.test.tolist() == [False] * 30 + [True] * 10
    assert raw.labels.tolist() == [*(np.arange(30) % 3), *(np.arange(10) % 3)]


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_idx_file_is_named_with_what_is_there(idx, name):
    for file in idx.glob(f"{name}*"):
        file.unlink()
    with pytest.raises(DataError, match=rf"holds no {name} or .*there is: .*ubyte"):
        read_idx(idx)


@pytest.mark.parametrize("magic", [bytes((0, 0, 8, 1)), bytes((0, 0, 13, 3)), b"\x89PNG"])
def test_a_wrong_magic_number_shows_both(idx, pixels, write_idx, magic):
    write_idx(idx / "train-images-idx3-ubyte", pixels(30, 4, 5), magic=magic)
    with pytest.raises(DataError, match=rf"starts with the bytes {magic.hex(' ')}.*00 00 08 03"):
        read_idx(idx)


@pytest.mark.parametrize("keep", [0, 3, 4, 10, 16, 300, -1])
@pytest.mark.parametrize("packed", [False, True])
def test_truncated_idx_is_refused(idx, pixels, write_idx, keep, packed):
    file = idx / "train-images-idx3-ubyte"
    data = write_idx(file, pixels(30, 4, 5)).read_bytes()
    if packed:
        file.unlink()
        file = file.with_name(f"{file.name}.gz")
        data = gzip.compress(data)
    file.write_bytes(data[:keep])
    with pytest.raises(DataError, match="train-images"):
        read_idx(idx)


def test_idx_with_more_labels_than_images_is_refused(idx, write_idx):
    (idx / "t10k-labels-idx1-ubyte.gz").unlink()
    write_idx(idx / "t10k-labels-idx1-ubyte", np.zeros(11, np.uint8))
    with pytest.raises(DataError, match=r"\(test\): 10 images but 11 labels"):
        read_idx(idx)


def test_a_folder_with_splits(tmp_path, write_folder):
    layout = {"train/cat": 5, "train/dog": 6, "test/dog": 2, "test/cat": 1, "val/cat": 3}
    raw = read_folder(write_folder(tmp_path, layout), folder_config(), silent)
    assert raw.class_names == ("cat", "dog")
    assert np.bincount(raw.labels[~raw.test]).tolist() == [8, 6]  # val joins train
    assert np.bincount(raw.labels[raw.test]).tolist() == [1, 2]
    with Image.open(tmp_path / "train/dog/002.png") as image:
        expected = np.asarray(image).transpose(2, 0, 1)
    assert np.array_equal(raw.images[5 + 2], expected)


def test_val_takes_the_place_of_a_missing_test(tmp_path, write_folder):
    layout = {"train/cat": 5, "train/dog": 6, "val/cat": 3, "val/dog": 1}
    raw = read_folder(write_folder(tmp_path, layout), folder_config(), silent)
    assert raw.test.sum() == 4


def test_class_folders_alone_have_no_test_split(tmp_path, write_folder, encode, pixels):
    write_folder(tmp_path, {"b": 5, "a/deeper": 4})
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "a" / "._x.png").write_bytes(b"not an image")
    (tmp_path / "a" / "notes.txt").write_text("not an image")
    (tmp_path / "a" / "shout.JPG").write_bytes(encode(pixels(6, 5, 3), "JPEG"))
    raw = read_folder(tmp_path, folder_config(), silent)
    assert raw.class_names == ("a", "b")
    assert np.bincount(raw.labels).tolist() == [5, 5]
    assert not raw.test.any()


def test_a_folder_named_test_as_root_is_no_split(tmp_path, write_folder):
    root = write_folder(tmp_path / "test", {"a": 4, "b": 4})
    assert not read_folder(root, folder_config(), silent).test.any()


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({}, r"has 0 class folder\(s\)"),
        ({"only": 3}, r"has 1 class folder\(s\)"),
        ({"train/a": 3}, r"train has 1 class folder\(s\)"),
        ({"train/a": 3, "train/b": 0}, r"b holds no image. Allowed suffixes: .*\.png"),
        ({"test/a": 3, "test/b": 3}, "has the folder 'test' but no 'train'"),
        ({"train/a": 3, "train/b": 3, "test/c": 3}, "class folders c. Allowed .*: a, b"),
        ({"train/a": 3, "train/b": 3, "test": 3}, r"class folders \(none\)"),
    ],
)
def test_folders_that_are_no_image_set(tmp_path, write_folder, layout, message):
    with pytest.raises(DataError, match=message):
        read_folder(write_folder(tmp_path, layout), folder_config(), silent)


def test_images_of_several_sizes_need_image_size(tmp_path, write_folder):
    write_folder(tmp_path, {"a": 8, "b": 8})
    write_folder(tmp_path, {"c": 8}, shape=(9, 7, 3))
    with pytest.raises(DataError, match=r"c/000.png has 7 x 9 .*a/000.png has 5 x 6.*image_size"):
        read_folder(tmp_path, folder_config(), silent)
    config = DataConfig(format="folder", path=".", validation=3, image_size=4)
    assert load_data(config, seed=0, base=tmp_path).train.shape == (3, 4, 4)


def test_a_broken_image_is_named(tmp_path, write_folder):
    write_folder(tmp_path, {"a": 4, "b": 4})
    file = tmp_path / "b" / "002.png"
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(DataError, match=r"b/002.png is no readable image"):
        read_folder(tmp_path, folder_config(), silent)


def test_a_changed_image_is_not_taken_from_the_cache(tmp_path, write_folder, encode, pixels):
    write_folder(tmp_path, {"a": 4, "b": 4})
    before = np.array(read_folder(tmp_path, folder_config(), silent).images)
    (tmp_path / "a" / "001.png").write_bytes(encode(np.zeros((6, 5, 3), np.uint8)))
    after = read_folder(tmp_path, folder_config(), silent).images
    assert not after[1].any()
    assert np.array_equal(np.delete(after, 1, axis=0), np.delete(before, 1, axis=0))


@pytest.mark.skipif(not FASHION.is_dir(), reason="the package dataset-fashion-mnist is not there")
def test_fashion_mnist():
    config = DataConfig(format="idx", path=str(FASHION), validation=5000)
    splits = load_data(config, seed=0)
    assert splits.train.images.shape == (55000, 1, 28, 28)
    for part, each in ((splits.train, 5500), (splits.validation, 500), (splits.test, 1000)):
        assert part.labels.bincount().tolist() == [each] * 10
    whole = torch.cat([splits.train.images, splits.validation.images]).double() / 255
    assert float(whole.mean()) == pytest.approx(0.2860, abs=5e-5)  # as published
    assert float(whole.std()) == pytest.approx(0.3530, abs=5e-5)
