"""The formats of foreign checkpoints by name, and the import of one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from nas.errors import ConfigError, nearest
from nas.foreign import attentive_nas, autoformer, ofa
from nas.foreign.names import unwrapped
from nas.foreign.state import Origin, State, read_state, take_over
from search_spaces import SearchSpace
from search_spaces.supernet import Supernet

__all__ = ["FORMATS", "Format", "import_checkpoint"]


@dataclass(frozen=True, slots=True)
class Format:
    """One publisher's names.

    Attributes:
        spaces: Registered names of the spaces it can fill.
        origins: Where every tensor of a supernet is found in a state dict.
        normalise: Makes the spellings of a state dict one.
        unused: Names that may be there and that no subnet of a supernet reads.
    """

    spaces: tuple[str, ...]
    origins: Callable[[Supernet], Mapping[str, Origin]]
    normalise: Callable[[State], State] = dict
    unused: Callable[[Supernet], Collection[str]] = lambda supernet: ()


FORMATS: Mapping[str, Format] = {
    "attentive_nas": Format(
        attentive_nas.SPACES,
        attentive_nas.origins,
        attentive_nas.normalise,
        attentive_nas.unused,
    ),
    "autoformer": Format(autoformer.SPACES, autoformer.origins),
    "ofa": Format(ofa.SPACES, ofa.origins, unwrapped),
}


def import_checkpoint(path: Path | str, space: SearchSpace, *, format: str) -> Supernet:
    """Return our supernet with the weights of a foreign checkpoint, in evaluation mode.

    Running statistics of batch norm are those of the file, which hold for the largest subnet
    at best: recalibrate every subnet before it is judged, as `nas search` does.

    Args:
        path: Of the checkpoint, read by ``torch.load(weights_only=True)``.
        space: As it was trained: width, classes and choices.
        format: One of `FORMATS`.

    Raises:
        ConfigError: There is no such format, or it does not know the space or an option of it.
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
    origins, unused = known.origins(supernet), known.unused(supernet)
    take_over(supernet, known.normalise(state), origins, str(path), unused=unused)
    return supernet.eval()
