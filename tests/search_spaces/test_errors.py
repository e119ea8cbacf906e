from __future__ import annotations

import pytest

from search_spaces import InfeasibleError, MissingExtraError, NasError, SpaceError
from search_spaces.errors import nearest


@pytest.mark.parametrize(
    ("given", "allowed", "sentence"),
    [
        ("kernal", ["kernel", "depth"], "Did you mean 'kernel'?"),
        ("xyz", ["kernel", "depth"], "Known: depth, kernel."),
        ("width", [], "None is known."),
    ],
)
def test_nearest(given: str, allowed: list[str], sentence: str) -> None:
    assert nearest(given, allowed) == sentence


def test_exit_codes() -> None:
    assert [e.exit_code for e in (NasError, SpaceError, MissingExtraError)] == [2, 2, 2]
    assert InfeasibleError.exit_code == 3
    assert all(issubclass(e, NasError) for e in (SpaceError, MissingExtraError, InfeasibleError))
