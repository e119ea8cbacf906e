"""architecture.json: what an exported subnet is, enough to rebuild it and to feed it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from nas.errors import ExportError, SpaceError
from search_spaces.architecture import Architecture

__all__ = ["MANIFEST", "Manifest", "read_manifest"]

MANIFEST = "architecture.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """An exported subnet as a value.

    Attributes:
        space_name: The search space it comes from.
        space_options: Arguments of the space's factory.
        id: Id of the canonical architecture, 16 hexadecimal digits.
        architecture: Its choices.
        input_shape: (C, H, W) of the images it takes.
        mean: Per channel on the scale [0, 1], subtracted from an image.
        std: Per channel on the scale [0, 1], what the difference is divided by.
        class_names: One for each output.
        dataset: What it was trained on, or only scored on where ``weights`` are named.
        weights: Where its weights come from, if not from training on the data set.
    """

    space_name: str
    space_options: Mapping[str, Any]
    id: str
    architecture: Architecture
    input_shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    class_names: tuple[str, ...]
    dataset: str = field(default="")
    weights: str = field(default="")

    def to_json(self) -> dict[str, Any]:
        """Return the object that `read_manifest` reads."""
        return {
            "space": {"name": self.space_name, "options": dict(self.space_options)},
            "id": self.id,
            "architecture": self.architecture.to_json(),
            "input": {
                "shape": list(self.input_shape),
                "mean": list(self.mean),
                "std": list(self.std),
            },
            "classes": list(self.class_names),
            "dataset": self.dataset,
            "weights": self.weights,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ExportError: A key is missing or its value is of the wrong kind.
        """
        try:
            space, entry = value["space"], value["input"]
            channels, height, width = (int(size) for size in entry["shape"])
            manifest = cls(
                space_name=str(space["name"]),
                space_options=dict(space["options"]),
                id=str(value["id"]),
                architecture=Architecture.from_json(value["architecture"]),
                input_shape=(channels, height, width),
                mean=tuple(float(number) for number in entry["mean"]),
                std=tuple(float(number) for number in entry["std"]),
                class_names=tuple(str(name) for name in value["classes"]),
                dataset=str(value.get("dataset", "")),
                weights=str(value.get("weights", "")),
            )
        except KeyError as error:
            raise ExportError(f"it lacks the key {error}.") from error
        except (SpaceError, TypeError, ValueError) as error:
            raise ExportError(f"a value is of the wrong kind: {error}.") from error
        manifest._check()
        return manifest

    def _check(self) -> None:
        channels = self.input_shape[0]
        if not (len(self.mean) == len(self.std) == channels):
            raise ExportError(
                f"it gives {len(self.mean)} means and {len(self.std)} standard deviations "
                f"for {channels} channels."
            )
        if min(self.input_shape) < 1 or min(self.std) <= 0:
            raise ExportError("image sizes and standard deviations must be above 0.")


def read_manifest(folder: Path | str) -> Manifest:
    """Read architecture.json of an export folder.

    Args:
        folder: What `export_subnet` made.

    Raises:
        ExportError: The file is missing, no JSON, or was not written by an export.
    """
    path = Path(folder) / MANIFEST
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ExportError(
            f"{folder} is no export folder, cannot read its {MANIFEST}: {error.strerror}. "
            "Give a folder made by `nas export`."
        ) from error
    except ValueError as error:
        raise ExportError(f"{path} is damaged: {error}. Export the subnet again.") from error
    try:
        if not isinstance(value, Mapping):
            raise ExportError("it holds no JSON object.")
        return Manifest.from_json(value)
    except ExportError as error:
        raise ExportError(
            f"{path} was not written by an export: {error} Export the subnet again."
        ) from error
