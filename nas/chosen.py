"""Architectures that a training has chosen itself, in the file chosen.json of its run.

Some strategies train few subnets only, or end in the architectures that they looked for. Then a
search does not look for others, it scores these.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from nas.errors import RunError
from nas.files import atomic_write
from nas.json_files import read_object
from search_spaces import Architecture, SearchSpace, SpaceError

__all__ = ["keep_chosen", "read_chosen"]

_NAME = "chosen.json"


def keep_chosen(run: Path, strategy: str, chosen: Sequence[Architecture]) -> None:
    """Write what a training has chosen, in its order; nothing where it has chosen nothing.

    Args:
        run: The run folder.
        strategy: Which one chose.
        chosen: The architectures.

    Raises:
        RunError: The disk is full or the folder not writable.
    """
    if chosen:
        document = {"strategy": strategy, "architectures": [dict(one) for one in chosen]}
        atomic_write(run / _NAME, json.dumps(document, indent=2) + "\n")


def read_chosen(run: Path, space: SearchSpace) -> list[Architecture]:
    """Return what the training of a run has chosen; empty where a search is to choose.

    Raises:
        RunError: The file is damaged or of another space.
    """
    path = run / _NAME
    if not path.exists():
        return []
    try:
        chosen = [Architecture(one) for one in read_object(path)["architectures"]]
        space.encode_all(chosen)
    except (KeyError, TypeError, SpaceError) as error:
        raise RunError(
            f"{path} does not list architectures of {space.name!r} ({error}). Restore it, "
            f"or let the training write it at its end: nas train --resume {run}"
        ) from error
    return chosen
