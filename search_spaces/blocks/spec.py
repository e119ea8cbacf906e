"""BlockSpec: a block with every number resolved, as a value."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar, dataclass_transform

from search_spaces.blocks.layers import Layer, Shape
from search_spaces.errors import SpaceError, nearest

__all__ = ["BlockSpec", "block_family", "block_from_json", "layers_of"]

_FAMILIES: dict[str, type[BlockSpec]] = {}
_Family = TypeVar("_Family", bound="type[BlockSpec]")


@dataclasses.dataclass(frozen=True, slots=True)
class BlockSpec:
    """Base of all block families; a family adds its fields and lists its primitive layers.

    A spec drives everything: the elastic module runs it, the static module is built from
    it, cost models price it, a latency table is keyed by it, the report prints it.
    """

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (C, H, W) or (features,)."""
        raise NotImplementedError

    @property
    def out_shape(self) -> Shape:
        """Shape of the output."""
        return layers_of(self)[-1].out_shape

    def layers(self) -> list[Layer]:
        """List the primitive layers in the order they run; `layers_of` caches it."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """Return ``{"block": family, field: value, ...}``."""
        return {"block": type(self).__name__, **dataclasses.asdict(self)}

    def __str__(self) -> str:
        fields = dataclasses.asdict(self).items()
        inside = ", ".join(f"{name}={value}" for name, value in fields)
        return f"{type(self).__name__}({inside})"


@dataclass_transform(frozen_default=True)
def block_family(cls: _Family) -> _Family:
    """Turn a subclass of `BlockSpec` into a frozen value type known by its name in JSON."""
    family: Any = dataclasses.dataclass(frozen=True, slots=True)(cls)
    _FAMILIES[family.__name__] = family
    return family  # type: ignore[no-any-return]


@lru_cache(maxsize=1 << 16)
def layers_of(spec: BlockSpec) -> tuple[Layer, ...]:
    """Return the primitive layers of a block, computed once."""
    return tuple(spec.layers())


def block_from_json(value: Mapping[str, Any]) -> BlockSpec:
    """Read what `BlockSpec.to_json` wrote.

    Raises:
        SpaceError: Unknown family, missing or unknown field, or a value of another type.
    """
    if not isinstance(value, Mapping) or "block" not in value:
        raise SpaceError(f"A block must be an object with the key 'block', got {value!r:.80}.")
    name = value["block"]
    if name not in _FAMILIES:
        raise SpaceError(f"Unknown block family {name!r}. {nearest(str(name), _FAMILIES)}")
    family = _FAMILIES[name]
    given = {key: item for key, item in value.items() if key != "block"}
    known = {field.name: field for field in dataclasses.fields(family)}
    for key in given:
        if key not in known:
            raise SpaceError(f"Block {name} has no field {key!r}. {nearest(key, known)}")
    required = {n for n, f in known.items() if f.default is dataclasses.MISSING}
    if missing := sorted(required - set(given)):
        raise SpaceError(f"Block {name} lacks the fields {missing}.")
    for key, item in given.items():
        _check_field(name, known[key], item)
    return family(**given)


_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "bool": (bool,),
    "float": (int, float),
    "str": (str,),
    "str | None": (str, type(None)),
}


def _check_field(block: str, field: dataclasses.Field[Any], item: object) -> None:
    """Refuse a value whose type the field does not have."""
    annotation = str(field.type)
    allowed = _TYPES[annotation]
    wrong_bool = isinstance(item, bool) and annotation != "bool"
    if not isinstance(item, allowed) or wrong_bool:
        raise SpaceError(f"Block {block}: field {field.name!r} must be {annotation}, got {item!r}.")
