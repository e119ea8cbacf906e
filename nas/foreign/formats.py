"""The formats of foreign checkpoints by name, and the import of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nas.errors import ConfigError, nearest
from nas.foreign import ofa
from nas.foreign.state import Origin, State, read_state, take_over
from search_spaces import SearchSpace
from search_spaces.supernet import Supernet

__all__ = ["FORMATS", "Format", "import_checkpoint"]


@dataclass(frozen=True, slots=True)
class Format:
    """One publisher's names.

    Attributes:
        spaces: Registered names of the spaces it can fill.
        normalise: Makes the spellings of a state dict one.
        origins: Where every tensor of a supernet is found in it.
    """

    spaces: tuple[str, ...]
    normalise: Callable[[State], State]
    origins: Callable[[Supernet], Mapping[str, Origin]]


FORMATS: Mapping[str, Format] = {"ofa": Format(ofa.SPACES, ofa.normalise, ofa.origins)}


def import_checkpoint(path: Path | str, space: SearchSpace, *, format: str) -> Supernet:
    """Return our supernet with the weights of a foreign checkpoint, in evaluation mode.

    Running statistics of batch norm are those of the file, which hold for the largest subnet
    at best: recalibrate every subnet before it is judged, as `nas search` does.

    Args:
        path: Of the checkpoint, read by ``torch.load(weights_only=True)``.
        space: As it was trained: width, classes and choices.
        format: One of `FORMATS`.

    Raises:
        ConfigError: There is no such format, or it does not know the space.
        CheckpointError: The file is missing or damaged, or tensors are missing, extra or of
            another shape; they are listed.
    """
    if format not in FORMATS:
        raise ConfigError(f"There is no checkpoint format {format!r}. {nearest(format, FORMATS)}")
    known = FORMATS[format]
    if space.name not in known.spaces:
        raise ConfigError(
            f"The format {format!r} holds weights of {list(known.spaces)}, not of "
            f"{space.name!r}. Name one of them with --space."
        )
    state = read_state(path)
    supernet = Supernet(space)
    take_over(supernet, known.normalise(state), known.origins(supernet), str(path))
    return supernet.eval()
