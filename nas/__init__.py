"""The engine: train one supernet, search it under limits, export the best subnets."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
