"""How a stage of a run is noted, and how its progress is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeAlias

from nas.errors import InterruptedRunError, NasError
from nas.runs import RunFolder
from search_spaces.progress import Progress

__all__ = ["Bars", "stage"]

Bars: TypeAlias = Callable[[str], AbstractContextManager[Progress]]
"""Opens a progress report under a title."""


@contextmanager
def stage(run: RunFolder, name: str) -> Iterator[None]:
    """Note in the run folder how a stage stands."""
    run.mark(name, "running")
    try:
        yield
    except (KeyboardInterrupt, InterruptedRunError):
        run.mark(name, "interrupted")
        raise
    except NasError:
        run.mark(name, "failed")
        raise
    run.mark(name, "done")
