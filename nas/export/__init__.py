"""Export: one subnet as files that other programs load, checked and described.

This module is the only door; names that need torch are imported when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.export.manifest import Manifest, read_manifest
from nas.export.measurements import read_measurements, write_measurements
from search_spaces.lazy import lazy_names

if TYPE_CHECKING:
    from nas.export.accuracy import exported_accuracy
    from nas.export.folder import ExportedFiles, export_subnet
    from nas.export.weights import load_exported

__all__ = [
    "ExportedFiles",
    "Manifest",
    "export_subnet",
    "exported_accuracy",
    "load_exported",
    "read_manifest",
    "read_measurements",
    "write_measurements",
]

__getattr__ = lazy_names(
    __name__,
    {
        "ExportedFiles": "folder",
        "export_subnet": "folder",
        "exported_accuracy": "accuracy",
        "load_exported": "weights",
    },
)
