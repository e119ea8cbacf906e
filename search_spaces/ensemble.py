"""ensemble: several networks of one space that share their first layers and are averaged.

One-shot neural ensemble search (NEAS; Chen et al. 2021, arXiv:2104.00597): members run the same
blocks up to a split point, which is searched too, then blocks of their own, and the mean of
their logits is the answer. Here this is a space like any other, made from any space:

    split       the first slot that every member has for itself
    NAME        option of the shared part, for every choice that it can read
    m1.NAME     option of the first member, and so on

Shared blocks are there once, so every compiled cost counts them once. Slots of members name the
weights of the slot they come from: a supernet of the ensemble space has the tensors of one of the
space itself, and a trained one serves both.

A choice that the shared part reads has the same option for all members: the width of the last
shared block is what every member's first block takes. Members are not ordered: permuted ones
have the same id and the same canonical form.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.architecture import Architecture
from search_spaces.blocks import Average, BlockSpec
from search_spaces.choices import Choice, Option
from search_spaces.errors import SpaceError
from search_spaces.folds import Fold
from search_spaces.identity import id_tables
from search_spaces.isomorphism import Isomorphism
from search_spaces.registry import get_space, register_space
from search_spaces.restriction import Keep
from search_spaces.slots import BlockGrid, Slot
from search_spaces.space import Population, SearchSpace
from search_spaces.splits import SplitPlan, chosen_splits, slot_inputs, split_plan
from search_spaces.tables import Evaluator, Table, absorb, drop_constant_axes, sorted_table

__all__ = ["AVERAGE", "SPLIT", "EnsembleSpace", "ensemble"]

SPLIT = "split"
AVERAGE = "average"
_NAME = "ensemble"
_MAX_MEMBERS = 4


@register_space(_NAME)
def ensemble(
    of: str = "mobile_small",
    of_options: Mapping[str, Any] = {},
    members: int = 2,
    splits: Sequence[str] = (),
) -> SearchSpace:
    """Ensembles of networks of another space that share layers (NEAS, arXiv:2104.00597).

    Args:
        of: Name of the space.
        of_options: Arguments of its factory.
        members: Networks in an ensemble, 2 to 4.
        splits: Slots at which members may part; by default all at which one tensor passes.
    """
    if not isinstance(of_options, Mapping):
        raise SpaceError(f"of_options must be a table of options, got {of_options!r}.")
    if members < 2:
        raise SpaceError(f"An ensemble has 2 to {_MAX_MEMBERS} members, got {members}.")
    return EnsembleSpace(get_space(of, **of_options), members, splits=splits)


class EnsembleSpace(SearchSpace):
    """Ensembles of networks of one space; see the module.

    Args:
        base: The space of the members.
        members: Networks in an ensemble, up to 4; one makes the space of the base itself, once
            for every split.
        splits: Slots at which members may part; by default all of `split_points`.
        whole: The space of which it is a part.

    Raises:
        SpaceError: Members are too few or too many, a split is no slot at which they can part,
            or the space has none.
    """

    def __init__(
        self,
        base: SearchSpace,
        members: int = 2,
        *,
        splits: Sequence[str] = (),
        whole: EnsembleSpace | None = None,
    ) -> None:
        if isinstance(members, bool) or not 1 <= members <= _MAX_MEMBERS:
            raise SpaceError(f"An ensemble has 2 to {_MAX_MEMBERS} members, got {members!r}.")
        self.base = base
        self.members = members
        if whole is None and base.whole is not base:
            whole = EnsembleSpace(base.whole, members, splits=splits)
        self._whole = whole
        plan = split_plan(base, splits) if whole is None else whole._plan
        self._plan: SplitPlan = replace(plan, splits=chosen_splits(base, splits, plan.splits))
        made = _Maker(base, self._plan, members)
        super().__init__(
            _NAME,
            made.choices,
            folds=made.folds,
            slots=made.slots,
            isomorphisms=made.isomorphisms,
            options={
                "of": base.name,
                "of_options": dict(base.options),
                "members": members,
                "splits": [base.slots[split].name for split in self._plan.splits],
            },
        )
        shared = 1 + sum(1 for v in self._plan.shared if v < len(base.choices))
        width = (len(self.choices) - shared) // members
        self._columns = np.arange(shared, len(self.choices)).reshape(members, width)

    @property
    def whole(self) -> EnsembleSpace:
        """The space that this one restricts; itself where it restricts none."""
        return self._whole or self

    @property
    def kept(self) -> dict[str, Sequence[Option]]:
        """What ``whole.restrict`` takes to make this space: of the base's choices, and splits."""
        splits = self.choices[0].options
        fewer = {} if splits == self.whole.choices[0].options else {SPLIT: list(splits)}
        return {**self.base.kept, **fewer}

    def restrict(self, keep: Keep) -> EnsembleSpace:
        """Return the ensembles of a part of the base space.

        Args:
            keep: As of the base space, for the shared part and all members alike; ``split``
                keeps some splits.

        Raises:
            SpaceError: As `SearchSpace.restrict`.
        """
        choices = {name: options for name, options in keep.items() if name != SPLIT}
        splits = [str(split) for split in keep.get(SPLIT, self.choices[0].options)]
        if not splits:
            raise SpaceError(f"keep {SPLIT!r}: no split would be left. Keep at least one.")
        base = self.base.restrict(choices)
        return EnsembleSpace(base, self.members, splits=splits, whole=self.whole)

    def member_architectures(self, architecture: Mapping[str, Option]) -> list[Architecture]:
        """Return the architecture of every member in the base space.

        Raises:
            SpaceError: The architecture is not of this space.
        """
        self.encode(architecture)
        split = self._plan.splits[self.choices[0].index(architecture[SPLIT])]
        found = []
        for member in range(1, self.members + 1):
            options = {}
            for choice, first in zip(self.base.choices, self._plan.first, strict=False):
                own = f"m{member}.{choice.name}"
                name = own if first >= split else choice.name
                options[choice.name] = architecture[name]
            found.append(Architecture(options))
        return found

    @cached_property
    def grid(self) -> BlockGrid:
        """Every block of every slot, taken from the base's tables."""
        blocks = (*self.base.grid.blocks, self.slots[-1].block())
        tables = []
        for slot in self.slots[:-1]:
            assert isinstance(slot.block, _Placed)
            tables.append(drop_constant_axes(sorted_table(slot.scope, slot.block.table)))
        tables.append(Table((), np.array(len(blocks) - 1, dtype=np.int32)))
        return BlockGrid(blocks, tuple(t.values for t in tables), tuple(t.scope for t in tables))

    # identity: members have no order

    def canonical(self, population: Population) -> Population:
        """Return the canonical form of every row, its members in ascending order, [n, d]."""
        isomorphic = SearchSpace.representative(self, population)
        result = self._canonicaliser(self.variables(isomorphic))
        rows = result[:, self._columns]  # [n, members, width]
        flat = rows.reshape(-1, rows.shape[-1])
        _, ranks = np.unique(flat, axis=0, return_inverse=True)
        order = np.argsort(ranks.reshape(rows.shape[:2]), axis=1, kind="stable")
        result[:, self._columns] = np.take_along_axis(rows, order[:, :, None], axis=1)
        return result

    def representative(self, population: Population) -> Population:
        """Return rows that stand for those that build the same ensemble, int16 [n, d]."""
        return self.canonical(population)

    @cached_property
    def size(self) -> int:
        """Exact number of different ensembles.

        With ``n`` networks behind one shared part there are ``n (n+1) ... (n+k-1) / k!`` of k
        members without order. The sums of powers of n over all shared parts are the numbers
        of ensembles of fewer members with an order.
        """
        total = 0
        for power, factor in enumerate(_rising_factorial(self.members)):
            if factor:
                total += factor * self._of_members(power)._ordered
        return total // math.factorial(self.members)

    def _of_members(self, members: int) -> EnsembleSpace:
        """Return the space of ensembles of another number of members."""
        if self._whole is None:
            return EnsembleSpace(self.base, members, splits=self.options["splits"])
        whole = self._whole._of_members(members)
        return EnsembleSpace(self.base, members, splits=self.options["splits"], whole=whole)

    @cached_property
    def _ordered(self) -> int:
        """Exact number of different ensembles whose members have an order."""
        return SearchSpace.size.func(self)  # type: ignore[attr-defined,no-any-return]

    @cached_property
    def _id_tables(self) -> tuple[Table, ...]:
        named = [replace(slot, name=_place(slot.name)) for slot in self.slots]
        return id_tables(named, self.grid)

    @cached_property
    def _key_parts(self) -> tuple[Evaluator, tuple[Evaluator, ...]]:
        """What sums up the hashes of the shared part, and of each member."""
        parts: dict[str, list[Table]] = {}
        for slot, table in zip(self.slots, self._id_tables, strict=True):
            owner = slot.name.partition(".")[0] if _place(slot.name) != slot.name else ""
            parts.setdefault(owner, []).append(table)
        made = {o: Evaluator(absorb(tables), dtype=np.uint64) for o, tables in parts.items()}
        return made[""], tuple(made[f"m{i + 1}"] for i in range(self.members))

    def keys(self, population: Population) -> NDArray[np.uint64]:
        """Return the id of every row as a number, uint64 [n]; the same for permuted members.

        The hash of a member is the sum over its slots, scrambled before the members are added,
        so that members that exchange blocks are others.
        """
        if self._whole is not None and self.isomorphisms:  # a representative may be taken away
            return self._whole.keys(self._whole.encode_all(self.decode_all(population)))
        shared, members = self._key_parts
        variables = self.variables(SearchSpace.representative(self, population))
        total: NDArray[np.uint64] = shared(variables)
        for member in members:
            total = total + _scrambled(member(variables))
        return total


def _place(slot: str) -> str:
    """Return the name by which a slot is hashed: the same for all members."""
    member, dot, rest = slot.partition(".")
    return f"member.{rest}" if dot and member[:1] == "m" and member[1:].isdigit() else slot


def _scrambled(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return a bijection of 64-bit numbers that no sum passes through: splitmix64's."""
    keys = keys + np.uint64(0x9E3779B97F4A7C15)
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(keys ^ (keys >> np.uint64(31)))


def _rising_factorial(members: int) -> list[int]:
    """Return the coefficients of n (n+1) ... (n + members - 1), the constant first."""
    coefficients = [1]
    for shift in range(members):
        raised = [0, *coefficients]
        kept = [*(shift * c for c in coefficients), 0]
        coefficients = [a + b for a, b in zip(raised, kept, strict=True)]
    return coefficients


@dataclass(frozen=True, slots=True)
class _Read:
    """A variable that a slot reads: of the base space, in the ensemble's, and whose it is."""

    variable: int
    position: int
    is_own: bool


class _Placed:
    """The block function of a slot of the base space, in the shared part or in a member.

    Called with the split and the options of what the slot reads.
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


class _Maker:
    """Makes the choices, folds and slots of an ensemble space.

    The variables are numbered: the split, the shared choices, each member's choices, then the
    folds in the same order.
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
            _Placed(self._base, self._plan, k, reads, is_own=member > 0),
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
