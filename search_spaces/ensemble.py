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
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.architecture import Architecture
from search_spaces.choices import Option
from search_spaces.errors import SpaceError
from search_spaces.identity import id_tables
from search_spaces.members import AVERAGE, SPLIT, Members, PlacedBlock
from search_spaces.registry import get_space, register_space
from search_spaces.restriction import Keep
from search_spaces.slots import BlockGrid
from search_spaces.space import Population, SearchSpace
from search_spaces.splits import SplitPlan, chosen_splits, split_plan
from search_spaces.tables import Evaluator, Table, absorb, drop_constant_axes, sorted_table

__all__ = ["AVERAGE", "SPLIT", "EnsembleSpace", "ensemble"]

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
        made = Members(base, self._plan, members)
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
            assert isinstance(slot.block, PlacedBlock)
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
