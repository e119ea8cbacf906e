"""Small image sets on disk."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Pixels = np.ndarray


@pytest.fixture(autouse=True)
def cache_root(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the user's cache at an empty folder."""
    root = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(root))
    return root


@pytest.fixture(scope="session")
def pixels() -> Callable[..., Pixels]:
    """Give random uint8 arrays of a shape; the same for the same shape and seed."""

    def make(*shape: int, seed: int = 0) -> Pixels:
        return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)

    return make


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    """Encode [h, w] or [h, w, 3] pixels."""

    def to_bytes(image: Pixels, kind: str = "PNG", **options: object) -> bytes:
        file = io.BytesIO()
        Image.fromarray(image).save(file, kind, **options)
        return file.getvalue()

    return to_bytes


@pytest.fixture
def write_folder(pixels, encode) -> Callable[..., Path]:
    """Write SPLIT/CLASS/i.png below a folder; layout maps "split/class" to a number of images."""

    def write(root: Path, layout: dict[str, int], shape=(6, 5, 3)) -> Path:
        for k, (name, count) in enumerate(layout.items()):
            (root / name).mkdir(parents=True)
            for i in range(count):
                data = encode(pixels(*shape, seed=1000 * k + i))
                (root / name / f"{i:03}.png").write_bytes(data)
        return root

    return write


@pytest.fixture
def write_idx() -> Callable[..., Path]:
    """Write one idx file."""

    def write(path: Path, array: Pixels, *, magic: bytes | None = None) -> Path:
        header = bytes((0, 0, 8, array.ndim)) if magic is None else magic
        data = header + np.array(array.shape, dtype=">u4").tobytes() + array.tobytes()
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
        return path

    return write


@pytest.fixture
def blob(pixels, encode) -> Callable[..., dict[str, np.ndarray]]:
    """Give the arrays of an npz file of `count` PNG images in `classes` classes."""

    def make(count: int = 20, classes: int = 2, shape=(6, 5, 3)) -> dict[str, np.ndarray]:
        streams = [encode(pixels(*shape, seed=i)) for i in range(count)]
        return {
            "jpeg": np.frombuffer(b"".join(streams), dtype=np.uint8),
            "offsets": np.cumsum([0, *map(len, streams)]),
            "labels": np.arange(count) % classes,
        }

    return make
