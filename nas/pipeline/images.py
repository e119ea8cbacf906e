"""The images of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.config import Config
from nas.errors import ConfigError
from nas.pipeline.stage import Bars
from predictors import Macs, compile_cost
from search_spaces import SearchSpace

if TYPE_CHECKING:
    from nas.data import DataSplits

__all__ = ["load_splits"]


def load_splits(config: Config, space: SearchSpace, bars: Bars) -> DataSplits:
    """Load the images of a configuration.

    Raises:
        DataError: The data are missing or damaged.
        ConfigError: The space was built for other classes or channels than the data have.
    """
    from nas.data import load_data

    with bars("images") as progress:
        splits = load_data(config.data, seed=config.seed, progress=progress)
    largest = compile_cost(space, Macs()).maximum().architecture
    blocks = [block for block in space.blocks(largest).values() if block is not None]
    classes, channels = blocks[-1].out_shape[0], blocks[0].in_shape[0]
    found = {"classes": len(splits.train.class_names), "channels": splits.train.shape[0]}
    for option, expected in (("classes", classes), ("channels", channels)):
        if found[option] != expected:
            raise ConfigError(
                f"The images have {found[option]} {option}, the space {space.name!r} was built "
                f"for {expected}. Set space.options.{option} = {found[option]}."
            )
    return splits
