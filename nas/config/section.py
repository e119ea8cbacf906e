"""What the sections of a configuration are made of."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

__all__ = ["Count", "NotNegative", "Positive", "Section", "Share", "default_values", "refuse"]

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """What all sections share. Types are strict: ``"3"`` is no integer, and true is none."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


def default_values(section: type[BaseModel]) -> dict[str, Any]:
    """Return the defaults of a section as JSON values; keys that must be given are left out."""
    values: dict[str, Any] = section.model_construct().model_dump(mode="json", warnings=False)
    return values


def refuse(problems: dict[str, str]) -> None:
    """Raise one pydantic error that carries a sentence for each of several keys."""
    if problems:
        text = "; ".join(f"{key}: {problem}" for key, problem in problems.items())
        # No template fields: the text may hold braces.
        raise PydanticCustomError("problems", "{text}", {"text": text, "problems": problems})
