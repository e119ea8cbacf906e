"""Which blocks of a network a runtime executes, for whole populations at once.

A graph runtime leaves out what the output does not read, and folds what does not depend on the
input. Two runtimes differ in how far they go, and on NAS-Bench-201 nothing decides more about
a latency predictor than counting the blocks that really run. Five views are offered:

    all      every block, as an eager framework runs them
    merged   every block, but equal ones without weights that read the same run once
    read     blocks that the output reads; nothing reads through a product with zero
    folded   these, and convolutions that are read by products with zero only: their weights are
             multiplied by zero before the network runs, and they run
    live     blocks that the output reads and that depend on the network's input

ONNX Runtime merges (its graph optimisation "common subexpression elimination"), the converter
of TensorFlow Lite folds factors into convolutions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from search_spaces import Population, SearchSpace
from search_spaces.blocks import Layer, inputs_read, layers_of, passed_on

__all__ = ["VIEWS", "Execution", "View"]

View: TypeAlias = Literal["all", "merged", "read", "folded", "live"]
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
        self._passes = np.full(len(grid.blocks), -1)
        for i, block in enumerate(grid.blocks):
            passed = passed_on(block)
            if passed is not None:
                self._passes[i] = passed
                self._reads[i, passed] = True
            elif block is not None:
                self._reads[i, inputs_read(layers_of(block))] = True
        layers_by_block = [layers_of(b) if b is not None else () for b in grid.blocks]
        self._is_zero = _where(layers_by_block, lambda layers: layers[-1].op == "zero")
        self._is_sum = _where(layers_by_block, lambda layers: {x.op for x in layers} == {"add"})
        self._is_conv = _where(layers_by_block, _ends_in_convolution)
        self._is_plain = _where(layers_by_block, _has_no_weights) & (self._reads.sum(axis=1) == 1)
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
        if view == "merged":
            return present & ~self._repeated(blocks)
        needed = self._needed(blocks)
        if view == "folded":
            needed = self._needed(blocks, also=self._folded(blocks, needed))
        runs: NDArray[np.bool_] = present & ~self._is_zero[blocks] & needed
        return runs & ~self._constant(blocks) if view == "live" else runs

    def operands(self, blocks: NDArray[np.int32], view: View) -> NDArray[np.int64]:
        """Return how many inputs of every slot's block are not left out, int64 [n, slots].

        With ``read`` and ``folded``, an input that is a product with zero is left out; with
        ``live``, one that does not depend on the network's input.
        """
        absent = np.zeros(blocks.shape, dtype=np.bool_)
        if view in ("read", "folded"):
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

    def _needed(
        self, blocks: NDArray[np.int32], also: NDArray[np.bool_] | None = None
    ) -> NDArray[np.bool_]:
        """Return whether the output, or slots that run ``also``, read a slot, bool [n, slots]."""
        needed = np.zeros(blocks.shape, dtype=np.bool_) if also is None else also.copy()
        needed[:, -1] = True
        passes = ~self._is_zero[blocks]
        for slot in reversed(range(blocks.shape[1])):
            for reader, place in self._readers[slot]:
                read = self._reads[blocks[:, reader], place]
                needed[:, slot] |= needed[:, reader] & passes[:, reader] & read
        return needed

    def _zero(self, blocks: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return whether a slot's output is a product with zero, or passed on or summed ones."""
        zero = self._is_zero[blocks]
        for slot, inputs in enumerate(self._inputs):
            if inputs:
                own = blocks[:, slot]
                passes = (self._passes[own] >= 0) | self._is_sum[own]
                for place, source in enumerate(inputs):
                    passes &= zero[:, source] | ~self._reads[own, place]
                zero[:, slot] |= passes
        return zero

    def _repeated(self, blocks: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return which slots compute again what an earlier one has, bool [n, slots].

        Only blocks of one input and without weights are compared.
        """
        count = blocks.shape[1]
        source = np.full(blocks.shape, -1)
        work = np.tile(-1 - np.arange(count), (len(blocks), 1))  # all different
        for slot, inputs in enumerate(self._inputs):
            own, read = blocks[:, slot], np.full(len(blocks), -1)
            for place, before in enumerate(inputs):
                read = np.where(self._reads[own, place], source[:, before], read)
            source[:, slot] = np.where(self._passes[own] >= 0, read, slot)
            same = own * (count + 1) + read
            work[:, slot] = np.where(self._is_plain[own], same, work[:, slot])
        order = np.argsort(work, axis=1, kind="stable")
        ordered = np.take_along_axis(work, order, axis=1)
        again = np.zeros(blocks.shape, dtype=np.bool_)
        np.put_along_axis(again, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
        return again

    def _folded(self, blocks: NDArray[np.int32], needed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return convolutions that run with weights of zero, bool [n, slots].

        Nothing but products with zero reads them, and one of these is needed.
        """
        rows, value = np.arange(len(blocks)), self._convolution_of(blocks)
        times_zero = np.zeros((len(blocks), blocks.shape[1] + 1), dtype=np.bool_)
        otherwise = times_zero.copy()  # the last column is of what is no convolution
        for slot, inputs in enumerate(self._inputs):
            own = blocks[:, slot]
            zero = self._is_zero[own]
            for place, source in enumerate(inputs):
                read = value[:, source]
                times_zero[rows, read] |= zero & needed[:, slot]
                reads = ~zero & self._reads[own, place]
                otherwise[rows, read] |= reads & (value[:, slot] != read)
        found: NDArray[np.bool_] = times_zero & ~otherwise
        return found[:, :-1]

    def _convolution_of(self, blocks: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return the slot of the convolution whose output a slot's is, int64 [n, slots].

        Skipped slots pass it on, and sums of it with products with zero; -1 stands for none.
        """
        zero, value = self._zero(blocks), np.full(blocks.shape, -1)
        for slot, inputs in enumerate(self._inputs):
            own = blocks[:, slot]
            terms = np.zeros(len(blocks), dtype=np.int64)
            passed = np.full(len(blocks), -1)
            for place, source in enumerate(inputs):
                term = self._reads[own, place] & ~zero[:, source]
                terms += term
                passed = np.where(term, value[:, source], passed)
            passes = ((self._passes[own] >= 0) | self._is_sum[own]) & (terms == 1)
            value[:, slot] = np.where(passes, passed, np.where(self._is_conv[own], slot, -1))
        return value

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


def _where(
    blocks: Sequence[tuple[Layer, ...]], test: Callable[[tuple[Layer, ...]], bool]
) -> NDArray[np.bool_]:
    """Return which blocks with layers pass a test."""
    return np.array([bool(layers) and test(layers) for layers in blocks], dtype=np.bool_)


def _ends_in_convolution(layers: tuple[Layer, ...]) -> bool:
    """Return whether a factor on the output can be folded into the weights of the last layers."""
    ops = [layer.op for layer in layers if layer.op != "batch_norm"]
    return ops[-1:] == ["conv2d"]


def _has_no_weights(layers: tuple[Layer, ...]) -> bool:
    return not any(layer.params for layer in layers)
