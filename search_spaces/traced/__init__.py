"""A search space out of a plain torch module: traced by torch.fx, its widths made elastic.

See `SearchSpace.from_module`. Importing this package imports torch.
"""

from __future__ import annotations

from search_spaces.traced.adopt import adopt_module
from search_spaces.traced.space import space_of_module

__all__ = ["adopt_module", "space_of_module"]
