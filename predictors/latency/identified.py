"""The space that a file of measurements names."""

from __future__ import annotations

from predictors.errors import TableError
from predictors.latency.runner.identity import SpaceIdentity
from search_spaces import SearchSpace, described_space
from search_spaces.errors import SpaceError

__all__ = ["identified_space"]


def identified_space(identity: SpaceIdentity, source: str) -> SearchSpace:
    """Build the space that was measured, or the part of one.

    Args:
        identity: Of the space.
        source: The file that holds it, for messages.

    Raises:
        TableError: There is no such space here.
    """
    try:
        return described_space(identity.description)
    except SpaceError as error:
        raise TableError(
            f"{source} is of space {identity.name!r}, which cannot be built here: {error}"
        ) from error
