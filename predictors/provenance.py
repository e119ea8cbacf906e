"""Provenance: where a number came from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args

from predictors.errors import TableError

__all__ = ["ANALYTIC", "Provenance"]

Kind: TypeAlias = Literal["measured", "table", "predicted", "analytic"]


@dataclasses.dataclass(frozen=True, slots=True)
class Provenance:
    """Says of a number how it was obtained.

    Attributes:
        kind: Measured on this very network, summed from a table, predicted, or analytic.
        source: What computed it, for example ``latency table pixel.lut.json`` or
            ``validation split, 5000 images``.
        device: Where it was measured; empty when it does not depend on one.
        runtime: Runtime and version; empty when it does not depend on one.
        date: ISO date of the measurement; empty for analytic numbers.
    """

    kind: Kind
    source: str
    device: str = ""
    runtime: str = ""
    date: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the fields that are set."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Provenance:
        """Read what `to_json` wrote.

        Raises:
            TableError: It is no object of these fields, or its kind is unknown.
        """
        fields = [field.name for field in dataclasses.fields(cls)]
        if not isinstance(value, Mapping) or not {"kind", "source"} <= set(value) <= set(fields):
            raise TableError(
                f"A provenance is an object with the fields {fields}, the first two required; "
                f"got {value!r:.120}."
            )
        if value["kind"] not in get_args(Kind):
            raise TableError(
                f"A provenance is one of {list(get_args(Kind))}, got {value['kind']!r}."
            )
        return cls(**value)

    def __str__(self) -> str:
        parts = [self.kind, self.source, self.device, self.runtime, self.date]
        return ", ".join(part for part in parts if part)


ANALYTIC = Provenance("analytic", "counted from the block's layers")
