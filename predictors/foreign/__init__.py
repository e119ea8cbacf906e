"""What others measured or trained, as costs and objectives of this package."""

from __future__ import annotations

from predictors.foreign.lookup import LookupTable, load_lookup_table

__all__ = ["LookupTable", "load_lookup_table"]
