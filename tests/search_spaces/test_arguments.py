from __future__ import annotations

import pytest

from search_spaces import SpaceError
from search_spaces.arguments import require_positive, require_probability


def test_numbers_within_are_accepted() -> None:
    require_positive(width=0.1, classes=1, resolutions=range(8, 17))
    require_probability(dropout=0.0)


@pytest.mark.parametrize("value", [0, -1, float("nan"), [32, 0]])
def test_numbers_at_or_below_zero_are_named(value: object) -> None:
    with pytest.raises(SpaceError, match=r"^width must be above zero, got"):
        require_positive(width=value)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [-0.1, 1.0, float("nan")])
def test_what_is_no_probability_is_named(value: float) -> None:
    with pytest.raises(SpaceError, match=r"^dropout must be at least 0 and below 1, got"):
        require_probability(dropout=value)
