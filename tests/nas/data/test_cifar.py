"""CIFAR in all published versions, and pickles that hold more than values."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from nas.data import DataConfig, load_data
from nas.data.cifar import read_cifar
from nas.errors import DataError

TRAIN = [f"data_batch_{i}" for i in range(1, 6)]
CLASSES = ["aeroplane", "car", "bird"]


def write_pickled(root: Path, pixels, *, protocol: int = 2, hundred: bool = False) -> np.ndarray:
    """Write CIFAR's python version; return the training images."""
    files = ["train", "test"] if hundred else [*TRAIN, "test_batch"]
    images = []
    for seed, name in enumerate(files):
        data = pixels(6, 3072, seed=seed)
        labels = [i % 3 for i in range(6)]
        batch = {"data": data, "filenames": ["a.png"] * 6, "batch_label": name}
        batch |= (
            {"fine_labels": labels, "coarse_labels": [0] * 6} if hundred else {"labels": labels}
        )
        (root / name).write_bytes(pickle.dumps(batch, protocol=protocol))
        images.append(data)
    key = "fine_label_names" if hundred else "label_names"
    name = "meta" if hundred else "batches.meta"
    (root / name).write_bytes(pickle.dumps({key: CLASSES}, protocol=protocol))
    return np.concatenate(images[:-1]).reshape(-1, 3, 32, 32)


@pytest.mark.parametrize("protocol", [1, 2, 4])
@pytest.mark.parametrize("hundred", [False, True])
def test_python_batches_of_every_protocol(
    tmp_path: Path, pixels, protocol: int, hundred: bool
) -> None:
    train = write_pickled(tmp_path, pixels, protocol=protocol, hundred=hundred)
    raw = read_cifar(tmp_path)
    assert np.array_equal(raw.images[: len(train)], train)
    assert raw.labels.tolist() == [i % 3 for i in range(len(raw.images))]
    assert raw.test.tolist() == [False] * len(train) + [True] * 6
    assert raw.class_names == tuple(CLASSES)


def test_batches_as_python_2_wrote_them(tmp_path: Path, pixels) -> None:
    """Texts and the array's contents are byte strings there, which Python 3 does not write."""
    write_pickled(tmp_path, pixels)
    data = pixels(2, 3072, seed=9).tobytes()
    file = io.BytesIO()
    file.write(b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03")
    file.write(b"cnumpy\nndarray\nq\x04K\x00\x85U\x01b\x87Rq\x05(K\x01K\x02M\x00\x0c\x86")
    file.write(b"cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07(K\x03U\x01|NNNJ\xff\xff\xff\xff")
    file.write(b"J\xff\xff\xff\xffK\x00tb\x89T" + len(data).to_bytes(4, "little") + data)
    file.write(b"tbU\x06labelsq\x08]q\t(K\x01K\x02eu.")
    (tmp_path / "test_batch").write_bytes(file.getvalue())
    raw = read_cifar(tmp_path)
    assert raw.labels[-2:].tolist() == [1, 2]
    assert raw.images[-2:].tobytes() == data


def test_binary_batches(tmp_path: Path, pixels) -> None:
    train = []
    for seed, name in enumerate([*TRAIN, "test_batch"]):
        records = pixels(6, 3073, seed=seed)
        records[:, 0] = np.arange(6) % 3
        records.tofile(tmp_path / f"{name}.bin")
        train.append(records[:, 1:])
    (tmp_path / "batches.meta.txt").write_text("\n".join(CLASSES) + "\n")
    raw = read_cifar(tmp_path)
    assert np.array_equal(raw.images.reshape(36, -1), np.concatenate(train))
    assert raw.labels.tolist() == [0, 1, 2] * 12
    assert raw.class_names == tuple(CLASSES)
    (tmp_path / "test_batch.bin").write_bytes(b"x" * 100)
    with pytest.raises(DataError, match=r"100 bytes.*multiple of 3,073"):
        read_cifar(tmp_path)


class Harmful:
    """Runs a command when unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_would_run_something_is_refused(
    tmp_path: Path, pixels, protocol: int
) -> None:
    write_pickled(tmp_path, pixels)
    harmful = pickle.dumps({"data": Harmful(f"touch {tmp_path}/ran")}, protocol=protocol)
    (tmp_path / "data_batch_3").write_bytes(harmful)
    with pytest.raises(DataError, match=r"data_batch_3 .*calls posix\.system.*was run"):
        read_cifar(tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "value",
    [[1], {"data": np.zeros((2, 5), np.uint8)}, {"data": np.zeros((2, 3072))}, {1: {2, 3}}],
)
def test_other_values_are_refused(tmp_path: Path, pixels, value: object) -> None:
    write_pickled(tmp_path, pixels)
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(value))
    with pytest.raises(DataError, match="data_batch_1"):
        read_cifar(tmp_path)


def test_truncated_and_missing_files(tmp_path: Path, pixels) -> None:
    write_pickled(tmp_path, pixels)
    whole = (tmp_path / "data_batch_2").read_bytes()
    (tmp_path / "data_batch_2").write_bytes(whole[:5000])
    with pytest.raises(DataError, match="data_batch_2 is damaged"):
        read_cifar(tmp_path)
    (tmp_path / "data_batch_2").unlink()
    with pytest.raises(DataError, match="lacks data_batch_2"):
        read_cifar(tmp_path)
    with pytest.raises(DataError, match="holds no CIFAR batches"):
        read_cifar(tmp_path.parent)


def test_a_run_can_use_it(tmp_path: Path, pixels) -> None:
    write_pickled(tmp_path, pixels)
    config = DataConfig(format="cifar", path=str(tmp_path), validation=6)
    splits = load_data(config, seed=0)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (24, 6, 6)
    assert splits.train.class_names == tuple(CLASSES)
