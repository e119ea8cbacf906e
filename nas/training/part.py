"""Which images of a step a process computes, and what they count in a mean over all of them."""

from __future__ import annotations

from dataclasses import dataclass

from nas.config import TrainConfig
from nas.errors import ConfigError
from nas.world import World
from search_spaces.modules.shard import Shard

__all__ = ["Part", "part_of"]


@dataclass(frozen=True, slots=True)
class Part:
    """This process's part of the images that a member sees.

    Attributes:
        rows: Where they lie among the images that this process has.
        weight: Their share of the member's images.
        shard: The same for the layers; None where this process has all images.
    """

    rows: slice
    weight: float
    shard: Shard | None


def part_of(config: TrainConfig, world: World, images: slice) -> Part:
    """Return this process's part of some images of a step.

    Args:
        config: The training section.
        world: The processes that share a step.
        images: Which of the step's images, counted over all processes.

    Raises:
        ConfigError: This process has none of them.
    """
    if world.size == 1:
        return Part(images, 1.0, None)
    own = world.share(config.batch_size)
    wanted = range(config.batch_size)[images]
    inside = [position - own.start for position in wanted if own.start <= position < own.stop]
    if not inside:
        raise ConfigError(
            f"train.batch_size = {config.batch_size} leaves one of {world.size} processes without "
            f"an image of a subnet that sees {len(wanted)} of them. Set a larger batch, or fewer "
            "architectures or processes."
        )
    total = world.total if config.sync_batch_norm else None
    first = sum(position < own.start for position in wanted)
    rows = slice(inside[0], inside[-1] + 1, wanted.step)
    return Part(rows, len(inside) / len(wanted), Shard(first, len(wanted), total))
