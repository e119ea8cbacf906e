"""Named random streams: every random number of a run comes from one seed, a name and a position.

A stream keeps no state between calls: ``stream(seed, "shuffle", epoch)`` gives the same numbers
whenever and in whatever order it is asked, so a resumed run continues exactly and adding a
consumer of randomness never shifts the numbers of another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

if TYPE_CHECKING:
    import torch

__all__ = ["stream", "torch_stream"]


def _sequence(seed: int, name: str, position: tuple[int, ...]) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=(crc32(name.encode()), *position))


def stream(seed: int, name: str, *position: int) -> np.random.Generator:
    """Return the generator of one named stream.

    Args:
        seed: The seed of the run, at least 0.
        name: What the numbers are for, for example ``"shuffle"``.
        *position: Where in the run, for example epoch and step; each at least 0.
    """
    return np.random.default_rng(_sequence(seed, name, position))


def torch_stream(seed: int, name: str, *position: int) -> torch.Generator:
    """Return the CPU generator of one named stream for code that draws with torch.

    The CPU is deliberate: drawn there and moved, the numbers are the same on every device.
    Torch's CPU generator uses only the low 32 bits of its seed, so two of 10,000 streams
    coincide with a probability of about one per cent. For many small draws ask one stream
    and keep drawing from it.

    Args:
        seed: The seed of the run, at least 0.
        name: What the numbers are for, for example ``"augment"``.
        *position: Where in the run, for example epoch and step; each at least 0.
    """
    import torch

    generator = torch.Generator()
    generator.manual_seed(int(_sequence(seed, name, position).generate_state(1, np.uint32)[0]))
    return generator
