"""Which blocks of a network a runtime executes, for whole populations at once.

A graph runtime leaves out what the output does not read, and folds what does not depend on the
input. Two runtimes differ in how far they go, and on NAS-Bench-201 nothing decides more about
a latency predictor than counting the blocks that really run. Three views are offered:

    all    every block, as an eager framework runs them
    read   blocks that the output reads; nothing reads through a product with zero
    live   blocks that the output reads and that depend on the network's input
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from search_spaces import Population, SearchSpace
from search_spaces.blocks import inputs_read, layers_of, passed_on

__all__ = ["VIEWS", "Execution", "View"]

View: TypeAlias = Literal["all", "read", "live"]
VIEWS: tuple[View, ...] = get_args(View)


class Execution:
    """Answers which slots of a space run in each network of a population.

    Args:
        space: Its slots come after their inputs, so that one pass in each direction suffices.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        grid = space.grid
        position = {slot.name: i for i, slot in enumerate(space.slots)}
        self._inputs = [tuple(position[name] for name in slot.inputs) for slot in space.slots]
        widest = max((len(inputs) for inputs in self._inputs), default=0) or 1
        self._reads = np.zeros((len(grid.blocks), widest), dtype=np.bool_)
        self._is_zero = np.zeros(len(grid.blocks), dtype=np.bool_)
        self._passes = np.full(len(grid.blocks), -1)
        for i, block in enumerate(grid.blocks):
            passed = passed_on(block)
            if passed is not None:
                self._passes[i] = passed
                self._reads[i, passed] = True
            elif block is not None:
                layers = layers_of(block)
                self._reads[i, inputs_read(layers)] = True
                self._is_zero[i] = layers[-1].op == "zero"
        self._readers = self._list_readers()
        self._read_by = self._list_choices()

    def blocks(self, population: Population) -> NDArray[np.int32]:
        """Return the position in the space's grid of every slot's block, int32 [n, slots]."""
        variables = self.space.variables(population)
        grid = self.space.grid
        columns = [
            table[tuple(variables[:, v] for v in scope)]
            if scope
            else np.full(len(variables), table)
            for table, scope in zip(grid.tables, grid.scopes, strict=True)
        ]
        return np.stack(columns, axis=1)

    def runs(self, blocks: NDArray[np.int32], view: View) -> NDArray[np.bool_]:
        """Return which slots run, bool [n, slots]; a skipped slot never does.

        Args:
            blocks: From `blocks`, int32 [n, slots].
            view: See the module.
        """
        present: NDArray[np.bool_] = blocks != 0
        if view == "all":
            return present
        runs = present & ~self._is_zero[blocks] & self._needed(blocks)
        live: NDArray[np.bool_] = runs if view == "read" else runs & ~self._constant(blocks)
        return live

    def operands(self, blocks: NDArray[np.int32], view: View) -> NDArray[np.int64]:
        """Return how many inputs of every slot's block are not left out, int64 [n, slots].

        With ``read``, an input that is a product with zero is left out; with ``live``, one
        that does not depend on the network's input.
        """
        absent = np.zeros(blocks.shape, dtype=np.bool_)
        if view == "read":
            absent = self._zero(blocks)
        elif view == "live":
            absent = self._constant(blocks)
        count = np.zeros(blocks.shape, dtype=np.int64)
        for slot, inputs in enumerate(self._inputs):
            for place, source in enumerate(inputs or (-1,)):
                there = ~absent[:, source] if inputs else True
                count[:, slot] += self._reads[blocks[:, slot], place] & there
        return count

    def constant(self, population: Population) -> NDArray[np.bool_]:
        """Return which networks compute a constant: no path leads from input to output."""
        return self._constant(self.blocks(population))[:, -1]

    def reaches(self, population: Population) -> NDArray[np.bool_]:
        """Return which choices a path from input to output depends on, bool [n, choices].

        A skipped slot lies on a path too, as it passes its input on. What no slot reads, having
        one option, counts as reached.
        """
        blocks = self.blocks(population)
        on_path = self._needed(blocks) & ~self._constant(blocks)
        reached: NDArray[np.bool_] = on_path.astype(np.float32) @ self._read_by > 0
        return reached | ~self._read_by.any(axis=0)

    def _list_choices(self) -> NDArray[np.float32]:
        """Return 1 where a slot reads a choice, itself or through a fold, [slots, choices]."""
        choices = len(self.space.choices)
        result = np.zeros((len(self._inputs), choices), dtype=np.float32)
        for slot, scope in enumerate(self.space.grid.scopes):
            for variable in scope:
                folded = variable >= choices
                reads = self.space.folds[variable - choices].reads if folded else (variable,)
                result[slot, list(reads)] = 1.0
        return result

    def _list_readers(self) -> list[list[tuple[int, int]]]:
        """For each slot the slots that may read it, with the place among their inputs."""
        readers: list[list[tuple[int, int]]] = [[] for _ in self._inputs]
        for slot, inputs in enumerate(self._inputs):
            for place, source in enumerate(inputs):
                readers[source].append((slot, place))
        return readers

    def _needed(self, blocks: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return whether the output reads a slot, bool [n, slots]."""
        needed = np.zeros(blocks.shape, dtype=np.bool_)
        needed[:, -1] = True
        passes = ~self._is_zero[blocks]
        for slot in reversed(range(blocks.shape[1])):
            for reader, place in self._readers[slot]:
                read = self._reads[blocks[:, reader], place]
                needed[:, slot] |= needed[:, reader] & passes[:, reader] & read
        return needed

    def _zero(self, blocks: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return whether a slot's output is a product with zero, or passes one on."""
        zero = self._is_zero[blocks]
        for slot, inputs in enumerate(self._inputs):
            for place, source in enumerate(inputs):
                zero[:, slot] |= (self._passes[blocks[:, slot]] == place) & zero[:, source]
        return zero

    def _constant(self, blocks: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return whether a slot's output does not depend on the input, bool [n, slots]."""
        constant = self._is_zero[blocks]
        for slot, inputs in enumerate(self._inputs):
            if inputs:
                depends = np.zeros(len(blocks), dtype=np.bool_)
                for place, source in enumerate(inputs):
                    depends |= self._reads[blocks[:, slot], place] & ~constant[:, source]
                constant[:, slot] |= ~depends
        return constant
