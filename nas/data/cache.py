"""Decoded images kept in the user's cache folder; a cache that fails only costs time."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import RunError
from nas.files import atomic_path

__all__ = ["cached_images"]

_log = logging.getLogger(__name__)


def cached_images(
    key: dict[str, Any], build: Callable[[], NDArray[np.uint8]], *, count: int
) -> NDArray[np.uint8]:
    """Return the images of `key` from the cache, or build and store them.

    The cache is ``subnet-search/images`` below ``$XDG_CACHE_HOME`` or ``~/.cache``.

    Args:
        key: JSON-able; everything the pixels depend on.
        build: Decodes the images, uint8 [n, c, h, w].
        count: n, to recognise a file that is not what it should be.
    """
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
    root = Path(os.environ.get("XDG_CACHE_HOME", ""))
    root = root if root.is_absolute() else Path.home() / ".cache"
    path = root / "subnet-search" / "images" / f"{digest}.npy"
    try:
        images: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
        if images.dtype == np.uint8 and images.ndim == 4 and len(images) == count:
            return images
        _log.warning("%s does not hold %d images; decoding them again", path, count)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, EOFError) as error:
        _log.warning("%s cannot be read, decoding the images again: %s", path, error)
    images = build()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            np.save(temporary, images, allow_pickle=False)
    except (OSError, RunError) as error:
        _log.warning("decoded images could not be kept for the next run: %s", error)
    return images
