"""Steps of a traced model as slots: fused chains with the channel groups they read and make."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import fx, nn

from search_spaces.blocks import (
    BlockSpec,
    GeneralConcat,
    GeneralConv,
    GeneralLinear,
    GeneralPool,
    Join,
    Pointwise,
    Reshape,
    Shape,
)
from search_spaces.traced.groups import ChannelGroups, Pieces, total
from search_spaces.traced.operations import place_of, refuse, shape_of
from search_spaces.traced.tracing import Step, steps_of

__all__ = ["Draft", "Plan", "plan_of"]


@dataclass
class Draft:
    """A slot in the making.

    Attributes:
        name: Of the slot: the path of its first module.
        family: Of its block.
        inputs: Slots it reads, or ``"input"``.
        read: Channels of every input.
        made: Channels of the output.
        fields: Of the block, those that do not depend on widths.
        modules: Paths in the model of what has weights, by their names in the plain block.
    """

    name: str
    family: type[BlockSpec]
    inputs: tuple[str, ...]
    read: tuple[Pieces, ...]
    made: Pieces
    fields: dict[str, Any]
    modules: dict[str, str] = field(default_factory=dict)

    def block(self, widths: dict[int, int]) -> BlockSpec:
        """Return the block at the given width of every group."""
        sizes: dict[str, Any]
        if self.family is GeneralConcat:
            sizes = {"channels": tuple(total(pieces, widths) for pieces in self.read)}
        elif self.family in (GeneralPool, Join, Reshape):
            sizes = {"channels": total(self.read[0], widths)}
        else:
            sizes = {"cin": tuple(widths[group] * times for group, times in self.read[0])}
            if self.family is not Pointwise:
                sizes["cout"] = total(self.made, widths)
        return self.family(**sizes, **self.fields)


@dataclass(frozen=True)
class _Value:
    """The output of a draft: its channels, and height and width if it is a map."""

    slot: str
    channels: Pieces
    hw: Shape


@dataclass(frozen=True)
class Plan:
    """A traced model: its slots, and the groups of channels that shrink together."""

    drafts: Sequence[Draft]
    groups: ChannelGroups

    def widest(self) -> dict[str, BlockSpec]:
        """Return the model's own block of every slot."""
        return {draft.name: draft.block(self.groups.sizes()) for draft in self.drafts}


def plan_of(model: nn.Module, input_shape: Sequence[int]) -> Plan:
    """Trace a model and plan its slots; for arguments and errors see `steps_of`."""
    steps = steps_of(model, input_shape)
    walk = _Walk(steps, tuple(input_shape))
    for step in steps:
        walk.take(step)
    for draft in walk.drafts:
        draft.read = tuple(walk.resolved(pieces) for pieces in draft.read)
        draft.made = walk.resolved(draft.made)
    return Plan(walk.drafts, walk.groups)


_FUSING = (GeneralConv, GeneralLinear)


class _Walk:
    """Takes the steps of a model one by one and drafts a slot for each chain of them."""

    def __init__(self, steps: Sequence[Step], input_shape: Shape) -> None:
        self.drafts: list[Draft] = []
        self.groups = ChannelGroups()
        self._by_name: dict[str, Draft] = {}
        self._readers = Counter(node for step in steps for node in step.inputs)
        image = ((self.groups.new(input_shape[0], "input", fixed=True), 1),)
        self._input = _Value("input", image, input_shape[1:])
        self._values: dict[fx.Node, _Value] = {}

    def resolved(self, pieces: Pieces) -> Pieces:
        """Return pieces with the groups that their channels ended up in."""
        return tuple((self.groups.find(group), times) for group, times in pieces)

    def take(self, step: Step) -> None:
        """Draft a step, or add it to the draft of its input."""
        inputs = [self._values.get(node, self._input) for node in step.inputs]
        value = self._fused(step, inputs[0]) or getattr(self, f"_{step.operation.kind}")(
            step, *inputs
        )
        if step.output:
            self.groups.freeze(value.channels)
        self._values[step.node] = value

    def _fused(self, step: Step, value: _Value) -> _Value | None:
        """Return the value of a batch norm or activation that ends the draft of its input."""
        kind, draft = step.operation.kind, self._by_name.get(value.slot)
        if draft is None or kind not in ("norm", "act") or self._readers[step.inputs[0]] > 1:
            return None
        if draft.fields.get("act") or draft.fields.get("dropout"):
            return None
        if kind == "norm" and (draft.family not in _FUSING or draft.fields["norm"]):
            return None
        if kind == "act" and draft.family not in (*_FUSING, Join, Pointwise):
            return None
        draft.fields.update(step.operation.fields)
        if kind == "norm":
            draft.modules["bn"] = str(step.node.target)
        return value

    def _draft(
        self,
        step: Step,
        family: type[BlockSpec],
        inputs: Sequence[_Value],
        made: Pieces,
        fields: dict[str, Any],
        out_hw: Shape | None = None,
    ) -> _Value:
        """Add a draft; height and width of its output are those of the node unless given."""
        name = self._name(step.node)
        read = tuple(value.channels for value in inputs)
        slots = tuple(value.slot for value in inputs)
        self.drafts.append(Draft(name, family, slots, read, made, fields))
        self._by_name[name] = self.drafts[-1]
        return _Value(name, made, shape_of(step.node)[1:] if out_hw is None else out_hw)

    def _name(self, node: fx.Node) -> str:
        """Return the path of a module, or of the module that calls a function and its name."""
        place = place_of(node)
        path = str(node.target) if node.op == "call_module" else f"{place}.{node.name}".strip(".")
        name, times = path, 1
        while name in self._by_name:
            times += 1
            name = f"{path}_{times}"
        return name

    def _count(self, value: _Value) -> int:
        return total(self.resolved(value.channels), self.groups.sizes())

    # one method for each kind of operation

    def _conv(self, step: Step, x: _Value) -> _Value:
        fields = {**step.operation.fields, "hw": x.hw}
        cout, path = fields.pop("cout"), str(step.node.target)
        if fields["depthwise"]:
            times = cout // shape_of(step.inputs[0])[0]
            made = tuple((group, n * times) for group, n in x.channels)
        else:
            made = ((self.groups.new(cout, path, fixed=fields["groups"] > 1), 1),)
        if fields["groups"] > 1:
            self.groups.freeze(x.channels)
        value = self._draft(step, GeneralConv, [x], made, fields)
        self.drafts[-1].modules["conv"] = path
        return value

    def _linear(self, step: Step, x: _Value) -> _Value:
        fields = dict(step.operation.fields)
        path = str(step.node.target)
        made = ((self.groups.new(fields.pop("cout"), path), 1),)
        value = self._draft(step, GeneralLinear, [x], made, {**fields, "norm": False})
        self.drafts[-1].modules["linear"] = path
        return value

    def _norm(self, step: Step, x: _Value) -> _Value:
        value = self._pointwise(step, x)
        self.drafts[-1].modules["bn"] = str(step.node.target)
        return value

    def _pointwise(self, step: Step, x: _Value) -> _Value:
        return self._draft(step, Pointwise, [x], x.channels, {**step.operation.fields, "hw": x.hw})

    _act = _dropout = _pointwise

    def _pool(self, step: Step, x: _Value) -> _Value:
        fields = {**step.operation.fields, "hw": x.hw}
        out_hw = (1, 1) if fields["kind"] == "global" else None
        value = self._draft(step, GeneralPool, [x], x.channels, fields, out_hw)
        if len(shape_of(step.node)) == 1:
            value = self._draft(step, Reshape, [value], x.channels, {"hw": (1, 1)})
        return value

    def _join(self, step: Step, x: _Value, other: _Value | None = None) -> _Value:
        op = step.operation.fields["op"]
        pair = (x, x if other is None else other)
        if op == "mul" and pair[0].hw == (1, 1):
            pair = pair[::-1]
        first, second = pair
        gate = op == "mul" and first.hw != second.hw
        fits = second.hw == ((1, 1) if gate else first.hw)
        if not fits or self._count(first) != self._count(second):
            shapes = [(self._count(value), *value.hw) for value in pair]
            raise refuse(
                step.node,
                f"its inputs have the shapes {shapes[0]} and {shapes[1]}; of those that differ "
                "only a product with one element a channel is known",
            )
        self.groups.tie(first.channels, second.channels)
        return self._draft(
            step, Join, pair, first.channels, {"op": op, "gate": gate, "hw": first.hw}
        )

    def _concat(self, step: Step, *inputs: _Value) -> _Value:
        made = tuple(piece for value in inputs for piece in value.channels)
        return self._draft(step, GeneralConcat, inputs, made, {"hw": inputs[0].hw})

    def _reshape(self, step: Step, x: _Value) -> _Value:
        pixels = x.hw[0] * x.hw[1] if x.hw else 1
        made = tuple((group, times * pixels) for group, times in x.channels)
        return self._draft(step, Reshape, [x], made, {**step.operation.fields, "hw": x.hw})
