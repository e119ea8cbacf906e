"""What a table is a table of: space, device, runtime and conditions."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from predictors.errors import MeasurementError
from predictors.latency.fields import Fields
from predictors.latency.runner.device import Device, device_identity, usable_cores
from predictors.latency.runner.options import LATENCY, LutOptions
from predictors.latency.runtimes.base import Runtime

if TYPE_CHECKING:
    from search_spaces import SearchSpace
    from search_spaces.blocks import Shape

__all__ = ["Conditions", "Identity", "SpaceIdentity", "input_shapes"]

_LISTED = 3


def input_shapes(space: SearchSpace) -> tuple[Shape, ...]:
    """Return every shape (C, H, W) that a network of the space can take, sorted."""
    readers = (
        (slot.name, position)
        for slot in space.slots
        for position, source in enumerate(slot.inputs or ("input",))
        if source == "input"
    )
    shapes = {b.in_shapes[at] for name, at in readers for b in space.slot_blocks(name)}
    return tuple(sorted(shapes))


@dataclass(frozen=True, slots=True)
class SpaceIdentity:
    """The space whose blocks were measured.

    Attributes:
        name: Registered name.
        options: Of its factory.
        fingerprint: Of the space, or of the part that was measured.
        input_shapes: (C, H, W) of all networks' inputs.
        keep: Of a part of the space the options that are left, by choice; empty for a whole
            space, and in files that were written before this was recorded.
    """

    name: str
    options: dict[str, Any]
    fingerprint: str
    input_shapes: tuple[Shape, ...]
    keep: dict[str, list[Any]] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, space: SearchSpace) -> SpaceIdentity:
        """Describe a space."""
        shapes = input_shapes(space)
        return cls(**space.description, fingerprint=space.fingerprint, input_shapes=shapes)

    @property
    def description(self) -> dict[str, Any]:
        """What builds the space again; see `SearchSpace.description`."""
        about: dict[str, Any] = {"name": self.name, "options": self.options}
        return about | ({"keep": self.keep} if self.keep else {})

    def __str__(self) -> str:
        options = [f"{name}={value}" for name, value in self.options.items()]
        return f"{self.name}({', '.join(options)}){self.kept}"

    @property
    def kept(self) -> str:
        """What is left of it in words, such as `` with kernel_1_0 in [3]``; empty for all."""
        first = [f"{name} in {options}" for name, options in self.keep.items()][:_LISTED]
        more = len(self.keep) - len(first)
        listed = ", ".join(first) + (f" and {more} more choices restricted" if more else "")
        return f" with {listed}" if listed else ""

    def to_json(self) -> dict[str, Any]:
        """Return the fields."""
        return {
            **self.description,
            "fingerprint": self.fingerprint,
            "input_shapes": [list(shape) for shape in self.input_shapes],
        }

    @classmethod
    def from_json(cls, fields: Fields) -> SpaceIdentity:
        """Read what `to_json` wrote."""
        return cls(
            fields.text("name"),
            dict(fields.object("options").value),
            fields.text("fingerprint"),
            tuple(tuple(shape.integers()) for shape in fields.items("input_shapes")),
            dict(fields.object("keep").value) if "keep" in fields.value else {},
        )


@dataclass(frozen=True, slots=True)
class Conditions:
    """How networks were run, and what was measured of them."""

    runtime: str
    runtime_version: str
    threads: int
    batch_size: int
    dtype: str
    metric: str = LATENCY

    @classmethod
    def of(cls, options: LutOptions, runtime: Runtime) -> Conditions:
        """Describe the conditions of a measurement that is about to begin on this device.

        Raises:
            MeasurementError: It has fewer cores than threads were asked for, or a runtime does
                not measure the metric.
            MissingExtraError: The runtime is not installed.
        """
        if options.metric != LATENCY:
            raise MeasurementError(
                f"The runtime {options.runtime!r} measures {LATENCY}, not {options.metric}. Name "
                "a program that prints it: --command './meter {model}' --device NAME."
            )
        cores = usable_cores()
        if options.threads > cores:
            raise MeasurementError(
                f"{options.threads} threads were asked for, but this device lets a process use "
                f"{cores} cores. Choose from 1 to {cores}."
            )
        return cls.asked(options, runtime.version())

    @classmethod
    def asked(cls, options: LutOptions, version: str) -> Conditions:
        """Describe the conditions that options ask for.

        Args:
            options: How networks are run.
            version: Of the runtime.
        """
        return cls(
            options.runtime,
            version,
            options.threads,
            options.batch_size,
            options.dtype,
            options.metric,
        )

    @classmethod
    def from_json(cls, fields: Fields) -> Conditions:
        """Read the fields."""
        return cls(
            fields.text("runtime"),
            fields.text("runtime_version"),
            fields.integer("threads"),
            fields.integer("batch_size"),
            fields.text("dtype"),
            fields.text("metric"),
        )

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return f"{self.runtime} {self.runtime_version}, {threads}, batch {self.batch_size}"


@dataclass(frozen=True, slots=True)
class Identity:
    """Everything that must agree before measurements may be mixed."""

    space: SpaceIdentity
    conditions: Conditions
    device: Device

    @classmethod
    def of(cls, space: SearchSpace, options: LutOptions, runtime: Runtime) -> Identity:
        """Describe a measurement of a space that is about to begin on this device."""
        return cls.here(SpaceIdentity.of(space), options, runtime)

    @classmethod
    def here(cls, space: SpaceIdentity, options: LutOptions, runtime: Runtime) -> Identity:
        """Describe the same for a space of which only the description is known.

        Raises:
            MeasurementError: This device has fewer cores than threads were asked for.
            MissingExtraError: The runtime is not installed.
        """
        conditions = Conditions.of(options, runtime)
        return cls(space, conditions, device_identity(runtime.accelerator()))

    def to_json(self) -> dict[str, Any]:
        """Return the fields."""
        return {
            "space": self.space.to_json(),
            "conditions": asdict(self.conditions),
            "device": asdict(self.device),
        }

    @classmethod
    def from_json(cls, fields: Fields) -> Identity:
        """Read what `to_json` wrote."""
        return cls(
            SpaceIdentity.from_json(fields.object("space")),
            Conditions.from_json(fields.object("conditions")),
            Device.from_json(fields.object("device")),
        )

    def differences(self, other: Identity) -> list[str]:
        """Return what tells two apart, as ``threads 1 against 2``; empty if nothing."""
        found = []
        if self.space.fingerprint != other.space.fingerprint:
            found.append(f"space {self.space} against {other.space}")
        for name in Conditions.__dataclass_fields__:
            mine, theirs = getattr(self.conditions, name), getattr(other.conditions, name)
            if mine != theirs:
                found.append(f"{name} {mine!r} against {theirs!r}")
        return found + [f"device {text}" for text in self.device.differences(other.device)]
