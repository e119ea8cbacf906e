"""The one importer of PyYAML; only plain data is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from predictors.errors import TableError
from search_spaces.optional import import_optional

__all__ = ["read_yaml"]


def read_yaml(path: Path) -> Any:
    """Return the plain data of a YAML file.

    Raises:
        MissingExtraError: PyYAML is not installed.
        TableError: The file is missing, not readable, or no plain YAML.
    """
    yaml = import_optional("yaml", extra="foreign", purpose="Reading a YAML latency table")
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TableError(f"Cannot read the latency table {path}: {error.strerror}.") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: not UTF-8, or an impossible date
        reason = " ".join(str(error).split())
        raise TableError(
            f"{path} is no plain YAML: {reason:.200}. Download the table again."
        ) from error
