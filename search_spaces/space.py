"""SearchSpace: choices and scoped slots, and everything that compiles from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.architecture import Architecture
from search_spaces.blocks import BlockSpec
from search_spaces.canonical import Canonicaliser
from search_spaces.choices import Choice, Option
from search_spaces.decisions import Decisions, Population
from search_spaces.errors import SpaceError, nearest
from search_spaces.folds import Fold, step_tables
from search_spaces.graph import layer_graph
from search_spaces.identity import fingerprint, id_tables
from search_spaces.isomorphism import Isomorphism, refuse_overlap
from search_spaces.slots import BlockGrid, Slot, tabulate
from search_spaces.tables import Evaluator, Table, absorb, count

if TYPE_CHECKING:
    import networkx
    from torch import nn

    from search_spaces.restriction import Keep

__all__ = ["Population", "SearchSpace"]

_MAX_ENUMERATED = 131_072


class SearchSpace(Decisions):
    """A search space: named choices, and slots that turn a few of them into blocks.

    Built by a `SpaceBuilder`; immutable.

    Args:
        name: Registered name.
        choices: The decisions; position is the column of a population.
        folds: Derived variables, numbered after the choices.
        slots: In an order in which every slot comes after its inputs.
        isomorphisms: Choices whose options, moved around, build the same network.
        options: Arguments of the factory that made it, JSON-able, kept for provenance.
    """

    def __init__(
        self,
        name: str,
        choices: Sequence[Choice],
        *,
        folds: Sequence[Fold] = (),
        slots: Sequence[Slot],
        isomorphisms: Sequence[Isomorphism] = (),
        options: Mapping[str, Any] | None = None,
    ) -> None:
        if not slots:
            raise SpaceError(f"Space {name!r} has no slots.")
        refuse_overlap(isomorphisms)
        super().__init__(name, choices)
        self.folds = tuple(folds)
        self.slots = tuple(slots)
        self.isomorphisms = tuple(isomorphisms)
        self.options: Mapping[str, Any] = dict(options or {})

    @classmethod
    def from_module(
        cls,
        model: nn.Module,
        input_shape: Sequence[int] = (3, 32, 32),
        *,
        name: str = "from_module",
        widths: Sequence[float] = (0.25, 0.5, 0.75, 1.0),
        divisor: int = 8,
        keep: Sequence[str] = (),
    ) -> SearchSpace:
        """Return the space of a plain module's widths; its largest architecture is the module.

        The model is traced by torch.fx. Convolutions, linear layers and batch norms become
        elastic. Channels that meet in a sum, a product or a depthwise convolution shrink
        together, by one choice; those of an input, an output and a grouped convolution stay.
        `adopt_module` gives a supernet the model's weights. Slots are named after modules.

        Runs and exports build a space again by its name: call this in a factory decorated with
        `register_space` and give its name. The model may be on the device ``meta``, where it
        costs no time to build.

        Args:
            model: Takes images [n, C, H, W] and returns one tensor; it is not changed.
            input_shape: (C, H, W).
            name: Of the space.
            widths: Shares of every group's channels, 1.0 among them.
            divisor: Smaller widths are rounded to multiples of it.
            keep: Paths of modules whose output channels stay.

        Raises:
            SpaceError: The model cannot be traced, or does something without an elastic
                counterpart; the message names it and its place.
        """
        from search_spaces.traced.space import Widths, space_of_module

        limits = Widths(tuple(widths), divisor, keep)
        return space_of_module(model, input_shape, name=name, widths=limits)

    def restrict(self, keep: Keep) -> SearchSpace:
        """Return the part of the space that keeps only some options of some choices.

        Its ``fraction`` says exactly which share of the different networks remains. Its
        architectures are architectures of this space too, with the same ids.

        Args:
            keep: The options to keep by choice; a name may be a pattern such as ``kernel_*``.

        Raises:
            SpaceError: A name or an option is unknown, or no option of a choice is kept.
        """
        from search_spaces.restriction import restrict

        return restrict(self, keep)

    @property
    def whole(self) -> SearchSpace:
        """The space that this one restricts; itself where it restricts none."""
        return self

    @property
    def kept(self) -> Mapping[str, Sequence[Option]]:
        """What ``whole.restrict`` takes to make this space: the options of restricted choices."""
        return {}

    @property
    def description(self) -> dict[str, Any]:
        """Name, options and what is kept, for JSON; `described_space` builds it again."""
        kept = {name: list(options) for name, options in self.kept.items()}
        whole = self.whole
        return {"name": whole.name, "options": dict(whole.options)} | (
            {"keep": kept} if kept else {}
        )

    @property
    def fraction(self) -> Fraction:
        """The share of the whole space's different networks that are in this one, exactly."""
        return Fraction(self.size, self.whole.size)

    def __repr__(self) -> str:
        return f"SearchSpace({self.name!r}, {len(self.choices)} choices, {len(self.slots)} slots)"

    # what the slots yield

    @cached_property
    def grid(self) -> BlockGrid:
        """Every block of every slot, tabulated once."""
        return tabulate(self.slots, [*self.choices, *self.folds])

    @cached_property
    def variable_sizes(self) -> tuple[int, ...]:
        """Number of values of every variable: the choices, then the folds."""
        return (
            *(len(c.options) for c in self.choices),
            *(len(f.states) for f in self.folds),
        )

    def variables(self, population: Population) -> Population:
        """Return the population with a column added for every fold, int16 [n, d + folds].

        Raises:
            SpaceError: It is no array [n, d] for this space's d choices.
        """
        if population.ndim != 2 or population.shape[1] != len(self.choices):
            raise SpaceError(
                f"A population of space {self.name!r} is an int array [n, {len(self.choices)}], "
                f"got the shape {list(population.shape)}."
            )
        if not self.folds:
            return population
        return np.column_stack([population, *(fold(population) for fold in self.folds)])

    def blocks(self, architecture: Architecture) -> dict[str, BlockSpec | None]:
        """Return the block of every slot by name; None where the slot is skipped."""
        row = self.variables(self.encode(architecture)[None])[0]
        grid = self.grid
        return {
            slot.name: grid.blocks[table[tuple(row[list(scope)])]]
            for slot, table, scope in zip(self.slots, grid.tables, grid.scopes, strict=True)
        }

    def slot_blocks(self, slot: str) -> tuple[BlockSpec, ...]:
        """Return the different blocks one slot can yield.

        Raises:
            SpaceError: There is no such slot.
        """
        names = [s.name for s in self.slots]
        if slot not in names:
            raise SpaceError(f"Space {self.name!r} has no slot {slot!r}. {nearest(slot, names)}")
        position = names.index(slot)
        present = (self.grid.blocks[i] for i in np.unique(self.grid.tables[position]))
        return tuple(block for block in present if block is not None)

    def distinct_blocks(self) -> tuple[BlockSpec, ...]:
        """Return the different blocks of the space: what a latency table must measure."""
        return tuple(block for block in self.grid.blocks if block is not None)

    def layer_graph(self, architecture: Architecture) -> networkx.DiGraph:
        """Return the blocks of one architecture as a graph; see `graph.layer_graph`."""
        return layer_graph(self.slots, self.blocks(architecture))

    def resolution_of(self, architecture: Architecture) -> int:
        """Return the height = width of the network's input."""
        return self.input_shape_of(architecture)[-1]

    def input_shape_of(self, architecture: Architecture) -> tuple[int, ...]:
        """Return the shape (C, H, W) of the network's input."""
        for block in self.blocks(architecture).values():
            if block is not None:
                return block.in_shape
        raise SpaceError(f"Every slot of {self.name!r} is skipped by {architecture!r}.")

    # identity

    @cached_property
    def _canonicaliser(self) -> Canonicaliser:
        canonicaliser = Canonicaliser(self.grid, self.variable_sizes, self.folds)
        for choice in (c for iso in self.isomorphisms for c in iso.scope):
            if choice in canonicaliser.replaced:
                raise SpaceError(
                    f"An isomorphism of space {self.name!r} reads the choice "
                    f"{self.choices[choice].name!r}, of which some options build the same "
                    "blocks. Let every option of it build a block of its own."
                )
        return canonicaliser

    def representative(self, population: Population) -> Population:
        """Return rows that stand for isomorphic ones, int16 [n, d]; see `isomorphism`.

        Without declared isomorphisms every row stands for itself.
        """
        for isomorphism in self.isomorphisms:
            population = isomorphism(population)
        return population

    @cached_property
    def size(self) -> int:
        """Exact number of different architectures: of canonical forms, see `canonical`."""
        canonical = self.canonical_tables
        if any(variable >= len(self.choices) for table in canonical for variable in table.scope):
            steps, sizes = self.fold_steps
            return count([*canonical, *steps], sizes)
        return count(canonical, self.variable_sizes[: len(self.choices)])

    def canonical(self, population: Population) -> Population:
        """Return the canonical form of every row, int16 [n, d]; see `canonical`.

        Of isomorphic networks it builds the representative.
        """
        return self._canonicaliser(self.variables(self.representative(population)))

    @cached_property
    def canonical_tables(self) -> tuple[Table, ...]:
        """Tables of bool over the variables, all true exactly on canonical architectures."""
        first = [isomorphism.table() for isomorphism in self.isomorphisms]
        return (*self._canonicaliser.canonical_tables(), *first)

    def inactive(self, population: Population) -> NDArray[np.bool_]:
        """Return bool [n, d]: choices without influence on the network."""
        return self._canonicaliser.inactive(self.variables(population))

    @cached_property
    def can_be_inactive(self) -> bool:
        """Whether some choice is without influence in some architecture."""
        return bool(self._canonicaliser.inactive_tables)

    @cached_property
    def _id_tables(self) -> tuple[Table, ...]:
        return id_tables(self.slots, self.grid)

    @cached_property
    def _id_evaluator(self) -> Evaluator:
        return Evaluator(absorb(self._id_tables), dtype=np.uint64)

    def keys(self, population: Population) -> NDArray[np.uint64]:
        """Return the id of every row as a number, uint64 [n]; see `identity`.

        Among a million architectures two collide with a probability of 3e-8.
        """
        return self._id_evaluator(self.variables(self.representative(population)))

    def ids(self, population: Population) -> list[str]:
        """Return the id of every row: 16 hexadecimal digits."""
        return [f"{key:016x}" for key in self.keys(population).tolist()]

    def id_of(self, architecture: Mapping[str, Any]) -> str:
        """Return the id of one architecture."""
        return self.ids(self.encode(architecture)[None])[0]

    @cached_property
    def fingerprint(self) -> str:
        """A hash of choices, folds and all blocks: equal for spaces that mean the same."""
        return fingerprint(
            self.choices,
            self.folds,
            self.slots,
            self._id_tables,
            isomorphisms=self.isomorphisms,
        )

    def unique(self, population: Population) -> Population:
        """Return canonical rows without repetition, in order of first occurrence."""
        _, first = np.unique(self.keys(population), return_index=True)
        return self.canonical(population[np.sort(first)])

    @property
    def enumerable(self) -> bool:
        """Whether all combinations of options fit in memory easily; see `enumerated`."""
        return self.combinations <= _MAX_ENUMERATED

    @cached_property
    def enumerated(self) -> Population:
        """All canonical architectures, int16 [n, d]; for spaces that are `enumerable`.

        Raises:
            SpaceError: There are more combinations than 131,072.
        """
        if not self.enumerable:
            raise SpaceError(
                f"Space {self.name!r} has {self.combinations:,} "
                f"combinations of options; at most {_MAX_ENUMERATED:,} are listed."
            )
        axes = np.indices(self.option_counts.tolist(), dtype=np.int16)
        rows = axes.reshape(len(self.choices), self.combinations).T
        return np.ascontiguousarray(rows[(self.canonical(rows) == rows).all(axis=1)])

    def neighbours(self, architecture: Architecture) -> Population:
        """Return the different architectures one changed choice away, int16 [m, d].

        The choice is changed in the canonical form, and the results are canonical again: a
        block that comes back after its depth was raised has its first options.
        """
        row = self.canonical(self.encode(architecture)[None])
        changed = []
        for column, options in enumerate(self.option_counts):
            block = np.repeat(row, options, axis=0)
            block[:, column] = np.arange(options)
            changed.append(block)
        candidates = self.unique(np.concatenate([row, *changed]))
        return candidates[1:]

    def one_hot(self, population: Population) -> NDArray[np.float32]:
        """Return the canonical form as float32 [n, sum of option counts].

        Inactive choices are all zero, so equal networks are encoded equally. The encoding of
        once-for-all's accuracy predictor (Cai et al. 2020, section 3.3).
        """
        population = self.canonical(population)
        offsets = np.concatenate([[0], np.cumsum(self.option_counts)])
        result = np.zeros((len(population), int(offsets[-1])), dtype=np.float32)
        active = ~self.inactive(population)
        rows, columns = np.nonzero(active)
        result[rows, offsets[columns] + population[rows, columns]] = 1.0
        return result

    # tables

    def slot_tables(self, value: Callable[[BlockSpec], float]) -> list[Table]:
        """Price every different block once and return one table for each slot, float64.

        Args:
            value: A pure function of a block; a skipped slot counts zero.
        """
        values = np.array(
            [0.0 if block is None else value(block) for block in self.grid.blocks],
            dtype=np.float64,
        )
        return [
            Table(scope, values[table])
            for table, scope in zip(self.grid.tables, self.grid.scopes, strict=True)
        ]

    @property
    def inactive_tables(self) -> Mapping[int, tuple[Table, ...]]:
        """Tables of bool that are all true when a choice is inactive, by its position.

        Choices that are always active have no entry; one without tables never is.
        """
        return self._canonicaliser.inactive_tables

    @cached_property
    def fold_steps(self) -> tuple[tuple[Table, ...], tuple[int, ...]]:
        """The automata of the folds and the sizes of all variables; see `step_tables`."""
        return step_tables(self.folds, len(self.choices), self.variable_sizes)
