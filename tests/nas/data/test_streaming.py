"""Images decoded by processes while a network trains: the same as those in memory."""

from __future__ import annotations

import io
import os
import signal
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nas.data import DataConfig, DataSplits, StreamedSet, batches, load_data
from nas.data.shards import list_shards
from nas.errors import DataError

LAYOUT = {"train/cat": 12, "train/dog": 9, "val/cat": 4, "val/dog": 5}


def config(path: Path, **values) -> DataConfig:
    values = {"format": "folder", "validation": 4, "image_size": 5, "workers": 2, **values}
    return DataConfig(path=str(path), **values)


def write_shards(root: Path, folder: Path, *, per_shard: int = 8) -> Path:
    """Write an image folder as WebDataset shards, in the order of the files."""
    root.mkdir()
    classes = sorted(path.name for path in (folder / "train").iterdir())
    for split in ("train", "val"):
        files = sorted((folder / split).rglob("*.png"))
        for number, start in enumerate(range(0, len(files), per_shard)):
            with tarfile.open(root / f"small-{split}-{number:03}.tar", "w") as archive:
                for file in files[start : start + per_shard]:
                    key = f"{file.parent.name}_{file.stem}"
                    parts = {"png": file.read_bytes(), "json": b"{}"}
                    parts["cls"] = str(classes.index(file.parent.name)).encode()
                    for suffix, data in parts.items():
                        member = tarfile.TarInfo(f"./{key}.{suffix}")
                        member.size = len(data)
                        archive.addfile(member, io.BytesIO(data))
    (root / "classes.txt").write_text("\n".join(classes) + "\n")
    return root


def everything(splits: DataSplits) -> list[torch.Tensor]:
    """Return images and labels of all splits, as the batches of a pass give them."""
    found = []
    for split in (splits.train, splits.validation, splits.test):
        parts = zip(*batches(split, 4), strict=True)
        found += [torch.cat(part) for part in parts]
    return found


@pytest.mark.parametrize("channels", [None, 1])
def test_streamed_images_are_those_in_memory(tmp_path: Path, write_folder, channels) -> None:
    folder = write_folder(tmp_path / "images", LAYOUT, shape=(9, 7, 3))
    shards = write_shards(tmp_path / "shards", folder)
    memory = load_data(config(folder, channels=channels), seed=3)
    for path, format_ in ((folder, "folder"), (shards, "webdataset")):
        streamed = load_data(
            config(path, format=format_, channels=channels, streamed=True), seed=3
        )
        assert isinstance(streamed.train, StreamedSet)
        assert isinstance(streamed.test, StreamedSet)
        assert streamed.train.shape == memory.train.shape
        assert streamed.train.class_names == ("cat", "dog")
        assert streamed.mean == pytest.approx(memory.mean)
        for ours, theirs in zip(everything(streamed), everything(memory), strict=True):
            assert torch.equal(ours, theirs)
        in_memory = load_data(config(path, format=format_, channels=channels), seed=3)
        assert torch.equal(in_memory.train.select(torch.arange(17)).images, memory.train.images)


def test_one_broken_image_is_named_and_its_process_survives(tmp_path: Path, write_folder) -> None:
    folder = write_folder(tmp_path, LAYOUT)
    splits = load_data(config(folder, streamed=True), seed=0)
    broken = folder / "train" / "cat" / "003.png"
    broken.write_bytes(broken.read_bytes()[:40])
    with pytest.raises(DataError, match=r"cat/003\.png is no readable image"):
        list(batches(splits.train, 3))
    broken.unlink()
    with pytest.raises(DataError, match=r"cat/003\.png is no readable image .*No such file"):
        list(batches(splits.train, 3))


def test_without_image_size_all_images_have_that_of_the_first(
    tmp_path: Path, write_folder, encode, pixels
) -> None:
    folder = write_folder(tmp_path, LAYOUT)
    splits = load_data(config(folder, streamed=True, image_size=None), seed=0)
    assert splits.train.shape == (3, 6, 5)
    for file in (folder / "train").rglob("*.png"):
        if file.name != "000.png":
            file.write_bytes(encode(pixels(4, 4, 3)))
    with pytest.raises(DataError, match=r"has 4 x 4 pixels, but .*000\.png has 5 x 6"):
        list(batches(splits.train, 3))


class Slow:
    """A source that takes its time, so that a process is killed at work."""

    def __init__(self, source) -> None:
        self.source = source

    def __call__(self, index: int):
        time.sleep(0.2)
        return self.source(index)


def test_a_killed_process_is_reported(tmp_path: Path, write_folder) -> None:
    splits = load_data(config(write_folder(tmp_path, LAYOUT), streamed=True), seed=0)
    train = replace(splits.train, source=Slow(splits.train.source))
    running = train.batches(torch.arange(17).split(2))
    next(running)
    workers = [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and _decodes(entry)
    ]
    assert workers
    os.kill(workers[0], signal.SIGKILL)
    with pytest.raises(DataError, match=r"process that decodes images is gone.*data\.workers"):
        list(running)


def _decodes(process: Path) -> bool:
    """Return whether a process is a decoding one of this test's: a grandchild by the server."""
    try:
        parent = (process / "stat").read_text().rsplit(")", 1)[1].split()[1]
        grandparent = Path(f"/proc/{parent}/stat").read_text().rsplit(")", 1)[1].split()[1]
        name = Path(f"/proc/{parent}/cmdline").read_bytes()
    except OSError:
        return False
    return int(grandparent) == os.getpid() and b"forkserver" in name


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda shard: shard.write_bytes(b"no tar" * 200), "damaged, compressed"),
        (lambda shard: add(shard, "b.cls", b"two"), "class that is no number"),
        (lambda shard: add(shard, "lonely.png", b"x"), "'lonely' has an image or a class"),
    ],
)
def test_damaged_shards(tmp_path: Path, write_folder, damage, message) -> None:
    shards = write_shards(tmp_path / "shards", write_folder(tmp_path / "images", LAYOUT))
    damage(shards / "small-train-001.tar")
    with pytest.raises(DataError, match=message):
        list_shards(shards)


def add(shard: Path, name: str, data: bytes) -> None:
    with tarfile.open(shard, "a") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))


def test_no_shards(tmp_path: Path) -> None:
    (tmp_path / "a.zip").touch()
    with pytest.raises(DataError, match=r"holds no \.tar file \(there is: a\.zip\)"):
        list_shards(tmp_path)


def test_streaming_is_for_encoded_images() -> None:
    with pytest.raises(ValueError, match="`streamed` is for the formats folder and webdataset"):
        DataConfig(format="npz", path="x", validation=1, streamed=True)


def test_tiny_imagenet_as_it_is_unpacked(tmp_path: Path, write_folder) -> None:
    layout = {"train/n01/images": 4, "train/n02/images": 4, "val/images": 5, "test/images": 3}
    folder = write_folder(tmp_path, layout)
    (folder / "train" / "n01" / "n01_boxes.txt").write_text("000.png\t0\t0\t1\t1\n")
    classes = ["n02", "n01", "n02", "n02", "n01"]
    lines = [f"{i:03}.png\t{name}\t0\t0\t62\t62\n" for i, name in enumerate(classes)]
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))
    splits = load_data(config(folder, validation=2), seed=0)
    assert len(splits.test) == 5
    assert [splits.test.class_names[i] for i in splits.test.labels] == classes
    lines[2] = "002.png\tn77\t0\t0\t1\t1\n"
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))
    with pytest.raises(DataError, match=r"line 3: '002\.png.*names no class"):
        load_data(config(folder, validation=2), seed=0)


def test_small_imagenet_batches(tmp_path: Path, pixels) -> None:
    for seed, name in enumerate(("train_data_batch_1", "train_data_batch_2", "val_data")):
        data, labels = pixels(6, 3 * 16, seed=seed), np.arange(6) % 3 + 1
        np.savez(tmp_path / name, data=data, labels=labels, mean=data.mean(0))
    splits = load_data(DataConfig(format="npz", path=str(tmp_path), validation=3), seed=0)
    assert splits.train.shape == (3, 4, 4)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (9, 3, 6)
    assert torch.equal(splits.test.images, torch.from_numpy(pixels(6, 3, 4, 4, seed=2)))
    assert splits.test.labels.tolist() == [0, 1, 2, 0, 1, 2]
    np.savez(tmp_path / "val_data", data=np.zeros((2, 50), np.uint8), labels=np.zeros(2, int))
    with pytest.raises(DataError, match=r"val_data\.npz: `data` is \[2, 50\]"):
        load_data(DataConfig(format="npz", path=str(tmp_path), validation=3), seed=0)
