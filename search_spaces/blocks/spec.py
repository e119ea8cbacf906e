"""BlockSpec: a block with every number resolved, as a value."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple, TypeVar, dataclass_transform, get_type_hints

import numpy as np

from search_spaces.blocks.layers import Layer, Shape
from search_spaces.errors import SpaceError, nearest

__all__ = ["BlockSpec", "block_family", "block_from_json", "layers_of", "passed_on"]

_FAMILIES: dict[str, type[BlockSpec]] = {}
_Family = TypeVar("_Family", bound="type[BlockSpec]")


@dataclasses.dataclass(frozen=True, slots=True)
class BlockSpec:
    """Base of all block families; a family adds its fields and lists its primitive layers.

    A spec drives everything: the elastic module runs it, the static module is built from
    it, cost models price it, a latency table is keyed by it, the report prints it.

    Fields are of type int, float, bool, str, ``str | None``, or a tuple ``tuple[int, ...]`` or
    ``tuple[str, ...]``. A field declared with ``field(compare=False)`` matters to weights
    and training only (a dropout rate, the epsilon of batch norm): specs that differ in nothing
    else are equal and share a latency.

    Attributes:
        torch_module: Module that registers how the family runs in torch, imported when first
            needed, so that describing a space needs no torch; None where the family's own
            module registers it. Our own families are registered all at once.
    """

    torch_module: ClassVar[str | None] = None

    @property
    def in_shape(self) -> Shape:
        """Shape of the first input, (C, H, W) or (features,)."""
        raise NotImplementedError

    @property
    def in_shapes(self) -> tuple[Shape, ...]:
        """Shapes of all inputs; a family with several overrides it."""
        return (self.in_shape,)

    @property
    def out_shape(self) -> Shape:
        """Shape of the output."""
        layers = layers_of(self)
        return layers[-1].out_shape if layers else self.in_shapes[self.passes]

    @property
    def passes(self) -> int:
        """Which of its inputs a block without layers passes on."""
        return 0

    def layers(self) -> list[Layer]:
        """List the primitive layers in the order they run; `layers_of` caches it."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """Return ``{"block": family, field: value, ...}``."""
        result: dict[str, Any] = {"block": type(self).__name__}
        for field in _fields(type(self)):
            result[field.name] = field.plain(getattr(self, field.name))
        return result

    def identity(self) -> dict[str, Any]:
        """Return `to_json` without fields at their default and those that do not compare."""
        result: dict[str, Any] = {"block": type(self).__name__}
        for field in _fields(type(self)):
            value = getattr(self, field.name)
            if field.compare and value != field.default:
                result[field.name] = field.plain(value)
        return result

    def __str__(self) -> str:
        values = ((field, getattr(self, field.name)) for field in _fields(type(self)))
        said = (f"{field.name}={value}" for field, value in values if value != field.default)
        return f"{type(self).__name__}({', '.join(said)})"


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def block_family(cls: _Family) -> _Family:
    """Turn a subclass of `BlockSpec` into a frozen value type known by its name in JSON.

    Raises:
        SpaceError: Another family has the name, or a field's type is not a plain one.
    """
    family: Any = dataclasses.dataclass(frozen=True, slots=True)(cls)
    known = _FAMILIES.get(family.__name__)
    if known is not None and (known.__module__, known.__qualname__) != (
        family.__module__,
        family.__qualname__,
    ):
        raise SpaceError(
            f"There already is a block family {family.__name__!r}, in {known.__module__}. "
            "Families are told by name in files; give this one another."
        )
    _fields(family)
    _FAMILIES[family.__name__] = family
    return family  # type: ignore[no-any-return]


@lru_cache(maxsize=1 << 16)
def layers_of(spec: BlockSpec) -> tuple[Layer, ...]:
    """Return the primitive layers of a block, computed once."""
    return tuple(spec.layers())


def passed_on(block: BlockSpec | None) -> int | None:
    """Return which input a slot passes on untouched; None where its block has layers."""
    if block is None:
        return 0
    return None if layers_of(block) else block.passes


def block_from_json(value: Mapping[str, Any]) -> BlockSpec:
    """Read what `BlockSpec.to_json` wrote.

    Raises:
        SpaceError: Unknown family, missing or unknown field, or a value of another type.
    """
    if not isinstance(value, Mapping) or "block" not in value:
        raise SpaceError(f"A block must be an object with the key 'block', got {value!r:.80}.")
    name = value["block"]
    if not isinstance(name, str) or name not in _FAMILIES:
        raise SpaceError(f"Unknown block family {name!r}. {nearest(str(name), _FAMILIES)}")
    family = _FAMILIES[name]
    given = {key: item for key, item in value.items() if key != "block"}
    fields = {field.name: field for field in _fields(family)}
    for key in given:
        if key not in fields:
            raise SpaceError(f"Block {name} has no field {key!r}. {nearest(str(key), fields)}")
    required = [field.name for field in fields.values() if field.default is dataclasses.MISSING]
    if missing := [field for field in required if field not in given]:
        raise SpaceError(f"Block {name} lacks the fields {missing}.")
    return family(**{key: fields[key].read(name, item) for key, item in given.items()})


# Annotation -> the type of a value, of a tuple's items, and whether None is allowed.
_TYPES: dict[Any, tuple[type, type | None, bool]] = {
    int: (int, None, False),
    float: (float, None, False),
    bool: (bool, None, False),
    str: (str, None, False),
    str | None: (str, None, True),
    tuple[int, ...]: (tuple, int, False),
    tuple[str, ...]: (tuple, str, False),
}


class _Field(NamedTuple):
    """A field of a family: how its values look in JSON, and how they are read."""

    name: str
    kind: type
    item: type | None
    optional: bool
    default: Any
    compare: bool

    def plain(self, value: Any) -> Any:
        """Return a value for JSON; equal values look equal."""
        if value is None and self.optional:
            return None
        if self.item is not None:
            return [self.item(item) for item in value]
        return self.kind(value)

    def read(self, block: str, value: Any) -> Any:
        """Return a value from JSON.

        Raises:
            SpaceError: It has another type.
        """
        if value is None and self.optional:
            return None
        if self.item is not None:
            if isinstance(value, list | tuple) and all(_is(self.item, item) for item in value):
                return tuple(self.item(item) for item in value)
        elif _is(self.kind, value):
            return self.kind(value)
        wanted = f"list of {self.item.__name__}" if self.item else self.kind.__name__
        wanted += " or null" if self.optional else ""
        raise SpaceError(f"Block {block}: field {self.name!r} must be {wanted}, got {value!r}.")


def _is(kind: type, value: object) -> bool:
    """Return whether a value of JSON has a type; whole numbers are floats too."""
    if isinstance(value, bool | np.bool_) or kind is bool:
        return kind is bool and isinstance(value, bool | np.bool_)
    return isinstance(value, int | float) if kind is float else isinstance(value, kind)


_FIELDS: dict[type[BlockSpec], tuple[_Field, ...]] = {}


def _fields(family: type[BlockSpec]) -> tuple[_Field, ...]:
    """Return the fields of a family, read once."""
    if family not in _FIELDS:
        _FIELDS[family] = _read_fields(family)
    return _FIELDS[family]


def _read_fields(family: type[BlockSpec]) -> tuple[_Field, ...]:
    """Return the fields of a family.

    Raises:
        SpaceError: One has a type that cannot be written and read back.
    """
    hints = get_type_hints(family)
    fields = []
    for field in dataclasses.fields(family):
        if hints[field.name] not in _TYPES:
            raise SpaceError(
                f"Block {family.__name__}: field {field.name!r} is {field.type}; allowed are "
                "int, float, bool, str, str | None, tuple[int, ...] and tuple[str, ...]."
            )
        kind, item, optional = _TYPES[hints[field.name]]
        fields.append(_Field(field.name, kind, item, optional, field.default, field.compare))
    return tuple(fields)
