"""Stratified choice of images: every split keeps the proportions of the classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nas.errors import DataError

__all__ = ["stratified_choice"]


def stratified_choice(
    labels: NDArray[np.int64],
    count: int,
    *,
    rng: np.random.Generator,
    class_names: Sequence[str],
    purpose: str,
) -> NDArray[np.int64]:
    """Choose `count` images, each class in its proportion and none of it whole.

    A class of m among n images gives ``m * count / n`` images, rounded down or up so that the
    sum is exact (largest remainders first).

    Args:
        labels: int64 [n], indices into `class_names`.
        count: How many to choose, 1 <= count < n.
        rng: Decides which images of a class are taken.
        class_names: For messages.
        purpose: The setting that asks for it, for messages.

    Returns:
        int64 [count], rising.

    Raises:
        DataError: There are not so many images, or nothing of a class would remain.
    """
    if not 1 <= count < len(labels):
        raise DataError(
            f"{purpose} takes {count} of {len(labels)} images. Allowed is 1 to "
            f"{len(labels) - 1}, so that some remain for training. Choose another number."
        )
    sizes = np.bincount(labels, minlength=len(class_names))
    quotas, remainders = np.divmod(sizes * count, len(labels))
    quotas[np.argsort(-remainders, kind="stable")[: count - quotas.sum()]] += 1
    if (whole := np.flatnonzero((quotas >= sizes) & (sizes > 0))).size:
        worst = int(whole[0])
        raise DataError(
            f"{purpose} takes {count} of {len(labels)} images, which leaves no training image of "
            f"class {class_names[worst]!r} ({sizes[worst]} in all). Each class needs at least "
            "one. Add images of that class, or choose another number."
        )
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]  # by class, random within
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(order[rank < np.repeat(quotas, sizes)])
