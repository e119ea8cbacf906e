"""What an ensemble space is made of: the choices, folds and slots of its shared part and members.

See `ensemble`. Slots take their blocks from the tables of the base space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from search_spaces.blocks import Average, BlockSpec
from search_spaces.choices import Choice, Option
from search_spaces.errors import SpaceError
from search_spaces.folds import Fold
from search_spaces.isomorphism import Isomorphism
from search_spaces.slots import Slot
from search_spaces.space import SearchSpace
from search_spaces.splits import SplitPlan, slot_inputs

__all__ = ["AVERAGE", "SPLIT", "Members", "PlacedBlock"]

SPLIT = "split"
AVERAGE = "average"


@dataclass(frozen=True, slots=True)
class _Read:
    """A variable that a slot reads: of the base space, in the ensemble's, and whose it is."""

    variable: int
    position: int
    is_own: bool


class PlacedBlock:
    """The block function of a slot of the base space, in the shared part or in a member.

    Called with the split and the options of what the slot reads.

    Args:
        base: The base space.
        plan: Where its variables go.
        k: Position of the slot in the base space.
        reads: What the slot reads beside the split.
        is_own: Whether a member has it for itself.
    """

    def __init__(
        self, base: SearchSpace, plan: SplitPlan, k: int, reads: Sequence[_Read], *, is_own: bool
    ) -> None:
        self._base, self._plan, self._k = base, plan, k
        self._reads, self._is_own = tuple(reads), is_own

    @cached_property
    def table(self) -> NDArray[np.int32]:
        """Position among the base's blocks for every split and joint option; 0 is skipped."""
        sizes = [self._base.variable_sizes[read.variable] for read in self._reads]
        table = np.zeros((len(self._plan.splits), *sizes), dtype=np.int32)
        if sizes:
            axes = np.indices(sizes, sparse=True)
        for row, split in enumerate(self._plan.splits):
            if (self._k >= split) != self._is_own:
                continue
            taken = {
                read.variable: axes[axis]
                for axis, read in enumerate(self._reads)
                if read.is_own == (self._is_own and self._plan.first[read.variable] >= split)
            }
            scope = self._base.grid.scopes[self._k]
            table[row] = self._base.grid.tables[self._k][tuple(taken[v] for v in scope)]
        return table

    @cached_property
    def _options(self) -> list[dict[Option, int]]:
        """The position of every option of what it reads, the split first."""
        names = [self._base.slots[split].name for split in self._plan.splits]
        variables: list[Choice | Fold] = [*self._base.choices, *self._base.folds]
        read = [variables[read.variable] for read in self._reads]
        values = [v.options if isinstance(v, Choice) else v.states for v in read]
        return [{option: i for i, option in enumerate(known)} for known in (names, *values)]

    def __call__(self, *options: Option) -> BlockSpec | None:
        """Return the block."""
        where = (known[option] for known, option in zip(self._options, options, strict=True))
        position = int(self.table[tuple(where)])
        return self._base.grid.blocks[position]


class Members:
    """Makes the choices, folds and slots of an ensemble space.

    The variables are numbered: the split, the shared choices, each member's choices, then the
    folds in the same order.

    Args:
        base: The base space.
        plan: Where its variables go.
        members: How many.

    Attributes:
        choices: Of the ensemble space.
        folds: Of it.
        slots: Of it; the last one is the mean of the members.
        isomorphisms: Of it.

    Raises:
        SpaceError: A name is taken, or the members' outputs cannot be averaged.
    """

    def __init__(self, base: SearchSpace, plan: SplitPlan, members: int) -> None:
        self._base, self._plan, self._members = base, plan, members
        count = len(base.choices)
        choices = [v for v in plan.shared if v < count], [v for v in plan.own if v < count]
        folds = [v for v in plan.shared if v >= count], [v for v in plan.own if v >= count]
        self._position: dict[tuple[int, int], int] = {}  # member (0: shared) and base variable
        position = 1
        for shared, own in (choices, folds):
            for member in range(members + 1):
                for variable in own if member else shared:
                    self._position[member, variable] = position
                    position += 1
        names = [slot.name for slot in base.slots]
        split = Choice(SPLIT, tuple(names[position] for position in plan.splits))
        taken = {choice.name for choice in base.choices}
        if SPLIT in taken or AVERAGE in names:
            raise SpaceError(
                f"Space {base.name!r} has a choice {SPLIT!r} or a slot {AVERAGE!r}; an ensemble "
                "needs these names. Rename it."
            )
        self.choices = [split]
        self.folds: list[Fold] = []
        for (member, variable), _ in sorted(self._position.items(), key=lambda item: item[1]):
            prefix = f"m{member}." if member else ""
            if variable < count:
                choice = base.choices[variable]
                self.choices.append(Choice(prefix + choice.name, choice.options))
            else:
                fold = base.folds[variable - count]
                reads = tuple(self._position[member, read] for read in fold.reads)
                self.folds.append(replace(fold, name=prefix + fold.name, reads=reads))
        self.isomorphisms = [
            Isomorphism(
                tuple(self._position[member, v] for v in iso.scope),
                tuple(self.choices[self._position[member, v]] for v in iso.scope),
                iso.form,
            )
            for iso in base.isomorphisms
            for member in range(members + 1)
            if all((member, v) in self._position for v in iso.scope)
        ]
        self.slots = self._all_slots()

    def _all_slots(self) -> list[Slot]:
        base, splits = self._base, self._plan.splits
        inputs = slot_inputs(base)
        names = [slot.name for slot in base.slots]
        shared = names[: splits[-1]]
        slots = [self._slot(k, 0, base.slots[k].inputs) for k in range(len(shared))]
        for member in range(1, self._members + 1):
            for k in range(splits[0], len(names)):
                reads = tuple(
                    f"m{member}.{names[i]}" if i >= splits[0] else (shared or ["input"])[-1]
                    for i in inputs[k]
                )
                slots.append(self._slot(k, member, reads))
        ends = tuple(f"m{member}.{names[-1]}" for member in range(1, self._members + 1))
        slots.append(self._average(ends))
        return slots

    def _slot(self, k: int, member: int, inputs: tuple[str, ...]) -> Slot:
        """Return a slot of the shared part (member 0) or of a member."""
        slot = self._base.slots[k]
        reads = [
            _Read(variable, self._position[owner, variable], owner > 0)
            for variable in self._base.grid.scopes[k]
            for owner in ((0, member) if member else (0,))
            if (owner, variable) in self._position
        ]
        return Slot(
            f"m{member}.{slot.name}" if member else slot.name,
            (0, *(read.position for read in reads)),
            PlacedBlock(self._base, self._plan, k, reads, is_own=member > 0),
            inputs,
            slot.separate_weights,
            weights=slot.weights_name,
        )

    def _average(self, inputs: tuple[str, ...]) -> Slot:
        """Return the slot of the members' mean; every network of the base ends in one shape."""
        base = self._base
        shapes = {base.grid.blocks[i].out_shape for i in np.unique(base.grid.tables[-1]) if i}
        if len(shapes) != 1 or 0 in base.grid.tables[-1]:
            raise SpaceError(
                f"The networks of {base.name!r} end in outputs of different shapes or in skipped "
                "slots, which cannot be averaged."
            )
        mean = Average(shapes.pop(), self._members)
        return Slot(AVERAGE, (), lambda: mean, inputs)
