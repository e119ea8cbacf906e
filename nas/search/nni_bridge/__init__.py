"""NNI 3: tuners as searchers, and search spaces in NNI's forms."""

from __future__ import annotations

from nas.search.nni_bridge.searcher import NniSearcher
from nas.search.nni_bridge.spaces import (
    from_mutable,
    from_search_space,
    to_mutable,
    to_search_space,
)

__all__ = ["NniSearcher", "from_mutable", "from_search_space", "to_mutable", "to_search_space"]
