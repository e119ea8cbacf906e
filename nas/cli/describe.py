"""A search space as JSON: what scripts read of it."""

from __future__ import annotations

from typing import Any

from predictors import CostTable, Macs, Params, compile_cost
from search_spaces import Architecture, SearchSpace

__all__ = ["describe"]


def describe(space: SearchSpace) -> dict[str, Any]:
    """Return the JSON description of a space: size, choices, smallest and largest subnet."""
    macs, params = compile_cost(space, Macs()), compile_cost(space, Params())
    resolutions = len({s for c in space.choices if c.name == "resolution" for s in c.options})
    return {
        "name": space.name,
        "options": dict(space.options),
        "size": space.size,
        "size_per_resolution": space.size // max(1, resolutions),
        "choices": {choice.name: list(choice.options) for choice in space.choices},
        "slots": [slot.name for slot in space.slots],
        "distinct_blocks": len(space.distinct_blocks()),
        "smallest": _subnet(space, macs.minimum().architecture, macs, params),
        "largest": _subnet(space, macs.maximum().architecture, macs, params),
    }


def _subnet(
    space: SearchSpace, architecture: Architecture, macs: CostTable, params: CostTable
) -> dict[str, Any]:
    return {
        "id": space.id_of(architecture),
        "architecture": architecture.to_json(),
        "macs": int(macs.of(architecture)),
        "params": int(params.of(architecture)),
        "resolution": space.resolution_of(architecture),
    }
