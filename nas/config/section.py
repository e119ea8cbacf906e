"""What the sections of a configuration are made of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

__all__ = [
    "Count",
    "NotNegative",
    "Positive",
    "Section",
    "Share",
    "check_names",
    "default_values",
    "one_or_named",
    "refuse",
]

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]

_NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)


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


def one_or_named(section: Any) -> Literal["one", "named"]:
    """Return whether a section is one, or holds several that are named, as [latency.phone]."""
    if isinstance(section, Mapping) and any(
        isinstance(value, Mapping | Section) for value in section.values()
    ):
        return "named"
    return "one"


def check_names(section: Any, kind: type[Section], key: str) -> None:
    """Refuse names that several sections of one kind cannot have.

    Args:
        section: What the document holds under the key.
        kind: Of the section.
        key: Of the section in the document.
    """
    if one_or_named(section) == "one":
        return
    problems = {}
    for name, value in section.items():
        if not isinstance(value, Mapping | Section):
            problems[name] = (
                f"it stands beside sections of their own; write all of it as [{key}.NAME] sections"
            )
        elif not _NAME.fullmatch(name):
            problems[name] = (
                "a name must be small letters, digits and underscores and begin with a letter"
            )
        elif name in kind.model_fields:
            problems[name] = "this is a key of the section; choose another name"
    refuse(problems)
