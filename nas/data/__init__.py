"""Images: read, split, batched and augmented. This module is the only door.

Names that need torch are imported when first used, so that reading a configuration stays fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.data.config import AugmentConfig, DataConfig
from search_spaces.lazy import lazy_names

if TYPE_CHECKING:
    from nas.data.batching import batches, calibration_subset, epoch_order
    from nas.data.erasing import erase
    from nas.data.image_set import DataSplits, ImageSet
    from nas.data.load import load_data
    from nas.data.mixing import mix
    from nas.data.operations import rand_augment
    from nas.data.transforms import augment, normalise, resize

__all__ = [
    "AugmentConfig",
    "DataConfig",
    "DataSplits",
    "ImageSet",
    "augment",
    "batches",
    "calibration_subset",
    "epoch_order",
    "erase",
    "load_data",
    "mix",
    "normalise",
    "rand_augment",
    "resize",
]

__getattr__ = lazy_names(
    __name__,
    {
        "DataSplits": "image_set",
        "ImageSet": "image_set",
        "augment": "transforms",
        "batches": "batching",
        "calibration_subset": "batching",
        "epoch_order": "batching",
        "erase": "erasing",
        "load_data": "load",
        "mix": "mixing",
        "normalise": "transforms",
        "rand_augment": "operations",
        "resize": "transforms",
    },
)
