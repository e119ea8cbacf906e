"""SpaceBuilder: how a search space is written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from search_spaces.blocks import BlockSpec
from search_spaces.choices import Choice, Fold, Option
from search_spaces.errors import SpaceError, nearest
from search_spaces.slots import Slot
from search_spaces.space import SearchSpace

__all__ = ["SpaceBuilder"]


class SpaceBuilder:
    """Collects choices, folds and slots in the order they are declared.

    Example:
        >>> from search_spaces.blocks import Conv, Head
        >>> builder = SpaceBuilder("two_convs")
        >>> width = builder.choice("width", (8, 16))
        >>> builder.slot("stem", reads=(width,), block=lambda w: Conv(3, w, hw=8, kernel=3))
        >>> builder.slot("head", reads=(width,), block=lambda w: Head(w, 10, hw=8))
        >>> builder.build().size
        2
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._choices: list[Choice] = []
        self._folds: list[tuple[str, tuple[str, ...], Fold]] = []
        self._slots: list[tuple[Slot, tuple[str, ...]]] = []

    def choice(self, name: str, options: Sequence[Option]) -> str:
        """Declare a choice and return its name, by which slots read it.

        Raises:
            SpaceError: The name is taken, or the options are empty or repeat.
        """
        self._refuse_taken(name, [*self._positions()], "choice")
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
        """Declare a derived variable over many choices; see `Fold`."""
        self._refuse_taken(name, [*self._positions()], "fold")
        by_name = {choice.name: (i, choice) for i, choice in enumerate(self._choices)}
        for read in reads:
            if read not in by_name:
                raise SpaceError(f"Fold {name!r} reads {read!r}. {nearest(read, by_name)}")
        fold = Fold.build(
            name, reads=[by_name[r] for r in reads], states=states, initial=initial, step=step
        )
        self._folds.append((name, tuple(reads), fold))
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
            inputs: Slots whose outputs it takes; by default the slot declared before it.
            separate_weights: Fields of the block that select their own weights.

        Raises:
            SpaceError: The name is taken, or an input is not declared before.
        """
        declared = [slot.name for slot, _ in self._slots]
        self._refuse_taken(name, [*declared, "input"], "slot")
        if inputs is None:
            inputs = declared[-1:]
        for source in inputs:
            if source not in declared:
                raise SpaceError(
                    f"Slot {name!r} takes its input from {source!r}, which is not declared "
                    f"before it. {nearest(source, declared)}"
                )
        slot = Slot(name, (), block, tuple(inputs), tuple(separate_weights))
        self._slots.append((slot, tuple(reads)))
        return name

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
            slots.append(
                Slot(slot.name, scope, slot.block, slot.inputs, slot.separate_weights)
            )
        folds = [fold for _, _, fold in self._folds]
        return SearchSpace(self._name, self._choices, folds=folds, slots=slots)

    def _positions(self) -> dict[str, int]:
        names = [choice.name for choice in self._choices] + [name for name, _, _ in self._folds]
        return {name: position for position, name in enumerate(names)}

    def _refuse_taken(self, name: str, taken: Sequence[str], kind: str) -> None:
        if name in taken:
            raise SpaceError(f"Space {self._name!r} already has the name {name!r}; a {kind} needs its own.")
