"""SpaceBuilder: how a search space is written down."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Sequence

from search_spaces.blocks import BlockSpec
from search_spaces.choices import Choice, Option
from search_spaces.errors import SpaceError, nearest
from search_spaces.folds import Fold
from search_spaces.isomorphism import Isomorphism
from search_spaces.slots import Slot
from search_spaces.space import SearchSpace

__all__ = ["SpaceBuilder"]


class SpaceBuilder:
    """Collects choices, folds, isomorphisms and slots in the order they are declared.

    Example:
        >>> from search_spaces.blocks import Conv, Head
        >>> builder = SpaceBuilder("two_convs")
        >>> width = builder.choice("width", (8, 16))
        >>> builder.slot("stem", reads=(width,), block=lambda w: Conv(3, w, hw=8, kernel=3))
        'stem'
        >>> builder.slot("head", reads=(width,), block=lambda w: Head(w, 10, hw=8))
        'head'
        >>> builder.build().size
        2
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._choices: list[Choice] = []
        self._folds: list[Fold] = []
        self._slots: list[tuple[Slot, tuple[str, ...]]] = []
        self._isomorphisms: list[Isomorphism] = []

    def choice(self, name: str, options: Sequence[Option]) -> str:
        """Declare a choice and return its name, by which slots read it.

        Raises:
            SpaceError: The name is taken, or the options are empty or repeat.
        """
        self._refuse_taken(name, self._positions(), "choice")
        self._choices.append(Choice(name, tuple(options)))
        return name

    def fold(
        self,
        name: str,
        *,
        reads: Sequence[str],
        states: Sequence[Option],
        initial: Option,
        step: Callable[[Option, Option], Option],
    ) -> str:
        """Declare a variable derived from many choices and return its name.

        Args:
            name: Of the fold.
            reads: Choices declared before, in the order they are folded.
            states: Values it can have, which slots receive.
            initial: Where it starts.
            step: ``step(state, option) -> state``, called for every state and option.

        Raises:
            SpaceError: The name is taken, a choice is unknown, or a step leaves the states.
        """
        self._refuse_taken(name, self._positions(), "fold")
        reads = _names(f"Fold {name!r}", reads)
        by_name = {choice.name: (i, choice) for i, choice in enumerate(self._choices)}
        for read in reads:
            if read not in by_name:
                raise SpaceError(
                    f"Fold {name!r} reads {read!r}, which is no choice declared before it. "
                    f"{nearest(read, by_name)}"
                )
        self._folds.append(
            Fold.build(
                name, reads=[by_name[r] for r in reads], states=states, initial=initial, step=step
            )
        )
        return name

    def slot(
        self,
        name: str,
        *,
        block: Callable[..., BlockSpec | None],
        reads: Sequence[str] = (),
        inputs: Sequence[str] | None = None,
        separate_weights: Sequence[str] = (),
    ) -> str:
        """Declare a slot and return its name; see `Slot`.

        Args:
            name: Of the slot.
            block: Called with one option for each name in ``reads``.
            reads: Choices and folds that the block depends on.
            inputs: Slots whose outputs it takes, ``"input"`` for the network's input; by
                default the slot declared before it. A block with several inputs may read
                only some of them, see `graph.layer_graph`; a `Select` passes one of them on.
            separate_weights: Fields of the block that select their own weights.

        Raises:
            SpaceError: The name is taken or empty, a choice is read twice, or an input is not
                declared before.
        """
        declared = [slot.name for slot, _ in self._slots]
        self._refuse_taken(name, [*declared, "input"], "slot")
        reads = _names(f"Slot {name!r}", reads)
        if len(set(reads)) != len(reads):
            raise SpaceError(f"Slot {name!r} reads a choice twice: {list(reads)}.")
        if inputs is None:
            inputs = declared[-1:]
        inputs = _names(f"Slot {name!r}", inputs)
        for source in inputs:
            if source not in (*declared, "input"):
                raise SpaceError(
                    f"Slot {name!r} takes its input from {source!r}, which is not declared "
                    f"before it. {nearest(source, declared)}"
                )
        separate_weights = _names(f"Slot {name!r}", separate_weights)
        slot = Slot(name, (), block, inputs, separate_weights)
        self._slots.append((slot, reads))
        return name

    def isomorphism(self, *, reads: Sequence[str], form: Callable[..., Hashable]) -> None:
        """Declare that combinations of some choices with equal forms build one network.

        Args:
            reads: Choices declared before, in the order of the arguments of ``form``.
            form: Called with one option for each; see `Isomorphism`.

        Raises:
            SpaceError: A choice is unknown or read out of order, or there are too many
                combinations.
        """
        reads = _names("An isomorphism", reads)
        positions = {choice.name: i for i, choice in enumerate(self._choices)}
        for read in reads:
            if read not in positions:
                raise SpaceError(
                    f"An isomorphism reads {read!r}, which is no choice declared before it. "
                    f"{nearest(read, positions)}"
                )
        scope = tuple(positions[read] for read in reads)
        if not scope or list(scope) != sorted(set(scope)):
            raise SpaceError(
                f"An isomorphism reads choices once each and in the order of their declaration, "
                f"got {list(reads)}."
            )
        choices = tuple(self._choices[position] for position in scope)
        self._isomorphisms.append(Isomorphism(scope, choices, form))

    def build(self) -> SearchSpace:
        """Return the space.

        Raises:
            SpaceError: A slot reads what is not declared, or there is no slot.
        """
        positions = self._positions()
        slots = []
        for slot, reads in self._slots:
            for read in reads:
                if read not in positions:
                    raise SpaceError(
                        f"Slot {slot.name!r} reads {read!r}, which is no choice or fold of "
                        f"space {self._name!r}. {nearest(read, positions)}"
                    )
            scope = tuple(positions[read] for read in reads)
            slots.append(dataclasses.replace(slot, scope=scope))
        return SearchSpace(
            self._name,
            self._choices,
            folds=self._folds,
            slots=slots,
            isomorphisms=self._isomorphisms,
        )

    def _positions(self) -> dict[str, int]:
        """Return the variable of every choice and fold; the folds come after all choices."""
        names = [*(choice.name for choice in self._choices), *(fold.name for fold in self._folds)]
        return {name: position for position, name in enumerate(names)}

    def _refuse_taken(self, name: str, taken: Iterable[str], kind: str) -> None:
        if not name:
            raise SpaceError(f"A {kind} of space {self._name!r} needs a name.")
        if name in taken:
            raise SpaceError(
                f"Space {self._name!r} already has the name {name!r}; a {kind} needs its own."
            )


def _names(owner: str, reads: Sequence[str]) -> tuple[str, ...]:
    """Return names as a tuple.

    Raises:
        SpaceError: They are one text, the slip of ``reads=(name)``.
    """
    if isinstance(reads, str):
        raise SpaceError(f"{owner} must read a tuple of names, got {reads!r}; write ({reads!r},).")
    return tuple(reads)
