"""Images: read, split, batched and augmented. This module is the only door.

Names that need torch are imported when first used, so that reading a configuration stays fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.data.config import AugmentConfig, DataConfig
from search_spaces.lazy import lazy_names

if TYPE_CHECKING:
    from nas.data.batching import batches, calibration_subset, check_calibration, epoch_order
    from nas.data.erasing import erase
    from nas.data.image_set import ImageSet
    from nas.data.load import load_data
    from nas.data.mixing import mix
    from nas.data.operations import rand_augment
    from nas.data.prefetch import on_device
    from nas.data.splits import DataSplits
    from nas.data.streaming import Images, StreamedSet, explained_decoding
    from nas.data.transforms import augment, normalise, resize

__all__ = [
    "AugmentConfig",
    "DataConfig",
    "DataSplits",
    "ImageSet",
    "Images",
    "StreamedSet",
    "augment",
    "batches",
    "calibration_subset",
    "check_calibration",
    "epoch_order",
    "erase",
    "explained_decoding",
    "load_data",
    "mix",
    "normalise",
    "on_device",
    "rand_augment",
    "resize",
]

__getattr__ = lazy_names(
    __name__,
    {
        "DataSplits": "splits",
        "ImageSet": "image_set",
        "Images": "streaming",
        "StreamedSet": "streaming",
        "augment": "transforms",
        "batches": "batching",
        "calibration_subset": "batching",
        "check_calibration": "batching",
        "epoch_order": "batching",
        "erase": "erasing",
        "explained_decoding": "streaming",
        "load_data": "load",
        "mix": "mixing",
        "normalise": "transforms",
        "on_device": "prefetch",
        "rand_augment": "operations",
        "resize": "transforms",
    },
)
