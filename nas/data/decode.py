"""Encoded images to one array of pixels; the only module that imports Pillow."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from nas.data.cache import cached_images
from nas.data.config import DataConfig
from nas.errors import DataError
from search_spaces.progress import Progress

__all__ = [
    "Encoded",
    "decode_image",
    "decode_images",
    "fit_images",
    "other_size",
    "to_channels",
]

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
_GREY = ("1", "L", "LA")
_MODES = (*_GREY, "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")
_BROKEN = (
    OSError,
    SyntaxError,  # what Pillow raises for a damaged PNG
    ValueError,
    EOFError,
    IndexError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
_CHUNK = 256
# Pillow releases the interpreter lock only inside the codec. Measured with JPEG on two cores:
# threads take 1.2 to 1.4 times as long as none at 32 and 64 px, but 0.6 times at 128 px.
_THREADS_FROM_PIXELS = 128 * 128


class Encoded(NamedTuple):
    """One encoded image: its name in messages, and its bytes or its file."""

    name: str
    data: bytes | Path


class _Decoded(NamedTuple):
    pixels: NDArray[np.uint8]  # [h, w, 3]
    grey: bool
    area: int  # in pixels, as stored


def decode_images(
    source: Callable[[int], Encoded],
    count: int,
    *,
    config: DataConfig,
    identity: Any,
    progress: Progress,
) -> NDArray[np.uint8]:
    """Decode images into one array, or take it from the cache.

    Args:
        source: Gives the encoded image at an index; called from several threads.
        count: Number of images n, at least 1.
        config: Its `image_size` and `cache` apply.
        identity: JSON-able; changes whenever the encoded bytes change.
        progress: Told how many images are decoded.

    Returns:
        uint8 [n, c, h, w]; c is 1 if all images are grey, else 3.

    Raises:
        DataError: An image is broken, of a kind not supported, or of another size than the first.
    """

    def decode() -> NDArray[np.uint8]:
        return _decode_all(source, count, config.image_size, progress)

    if not config.cache:
        return decode()
    decoder = [f"Pillow {PIL.__version__}", config.image_size]
    return cached_images({"of": identity, "decoder": decoder}, decode, count=count)


def _decode_all(
    source: Callable[[int], Encoded], count: int, size: int | None, progress: Progress
) -> NDArray[np.uint8]:
    Image.init()  # registers the codecs here, not in several threads at once
    first = _decode(source(0), size)
    height, width, _ = first.pixels.shape
    images = np.empty((count, 3, height, width), dtype=np.uint8)
    grey = np.zeros(count, dtype=np.bool_)

    def work(start: int) -> int:
        stop = min(start + _CHUNK, count)
        for i in range(start, stop):
            image = _decode(source(i), size)
            pixels = image.pixels.transpose(2, 0, 1)
            if pixels.shape[1:] != (height, width):
                raise other_size(source(i), pixels, source(0), (3, height, width))
            images[i] = pixels
            grey[i] = image.grey
        return stop

    threads = min(8, os.cpu_count() or 1) if first.area >= _THREADS_FROM_PIXELS else 1
    with ThreadPoolExecutor(threads) as pool:
        for done in pool.map(work, range(0, count, _CHUNK)):
            progress(done, count, f"{done:,} of {count:,} decoded")
    return np.ascontiguousarray(images[:, :1]) if grey.all() else images


def decode_image(encoded: Encoded, *, size: int | None) -> NDArray[np.uint8]:
    """Return one image as `decode_images` does, uint8 [3, h, w].

    Raises:
        DataError: It is broken or of a kind not supported.
    """
    return _decode(encoded, size).pixels.transpose(2, 0, 1)


def other_size(
    encoded: Encoded, pixels: NDArray[np.uint8], first: Encoded, shape: tuple[int, int, int]
) -> DataError:
    """Return the error that says that an image has another size than the first.

    Args:
        encoded: The image.
        pixels: Its pixels [c, h, w].
        first: The first image.
        shape: (C, H, W) of the first.
    """
    return DataError(
        f"{encoded.name} has {pixels.shape[2]} x {pixels.shape[1]} pixels, but {first.name} has "
        f"{shape[2]} x {shape[1]}. Without `image_size` all images must be of one size. Set "
        "`image_size` in the data section."
    )


def to_channels(images: NDArray[np.uint8], channels: int | None) -> NDArray[np.uint8]:
    """Return images [n, c, h, w] in colour (3), in grey levels (1), or as they are (None)."""
    if channels == 3 and images.shape[1] == 1:
        return images.repeat(3, axis=1)
    if channels == 1 and images.shape[1] == 3:
        parts = np.array_split(images, len(images) // 4096 + 1)  # 4 bytes a value while computing
        return np.concatenate([_luma(part) for part in parts])
    return images


def _luma(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return grey levels [n, 1, h, w] of colour images (ITU-R BT.601, rounded as Pillow does)."""
    weights = np.array([19595, 38470, 7471], dtype=np.uint32)
    grey = np.tensordot(images.astype(np.uint32), weights, axes=([1], [0])) + 0x8000 >> 16
    return grey[:, None].astype(np.uint8)


def _decode(encoded: Encoded, size: int | None) -> _Decoded:
    name, data = encoded
    try:
        file = io.BytesIO(data) if isinstance(data, bytes) else data
        with Image.open(file, formats=_FORMATS) as image:
            mode, area = image.mode, image.width * image.height
            colour = image.convert("RGB") if mode in _MODES else None
    except _BROKEN as error:
        unknown = isinstance(error, UnidentifiedImageError)
        raise DataError(
            f"{name} is no readable image ({'unknown format' if unknown else error}). Allowed "
            f"are whole {', '.join(_FORMATS)} images. Replace or remove it."
        ) from error
    if colour is None:
        raise DataError(
            f"{name} has the pixel type {mode!r}. Allowed are images of at most 8 bits per "
            f"channel ({', '.join(_MODES)}). Convert it."
        )
    return _Decoded(np.asarray(_fit(colour, size)), mode in _GREY, area)


def _fit(image: Image.Image, size: int | None) -> Image.Image:
    """Scale the short side to `size` and crop the centre."""
    if size is None or image.size == (size, size):
        return image
    return ImageOps.fit(image, (size, size), method=Image.Resampling.BILINEAR)


def fit_images(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Resize and centre-crop images [n, c, h, w] as `decode_images` does."""
    if images.shape[2:] == (size, size):
        return images
    out = np.empty((*images.shape[:2], size, size), dtype=np.uint8)
    for i, image in enumerate(images):
        for c, plane in enumerate(image):
            out[i, c] = _fit(Image.fromarray(np.ascontiguousarray(plane)), size)
    return out
