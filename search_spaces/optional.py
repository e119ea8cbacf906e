"""Import of optional packages: each has one importing module, and its absence one clear error."""

from __future__ import annotations

import importlib
from types import ModuleType

from search_spaces.errors import MissingExtraError

__all__ = ["import_optional"]


def import_optional(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import an optional module or say which extra brings it.

    Args:
        module: Dotted name, for example ``onnxruntime``.
        extra: The extra of this distribution that installs it.
        purpose: What it is needed for, as the start of the sentence.

    Raises:
        MissingExtraError: The package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or module
        raise MissingExtraError(
            f"{purpose} needs the package `{missing}`, which is not installed. "
            f"Install it with: pip install 'subnet-search[{extra}]'"
        ) from error
