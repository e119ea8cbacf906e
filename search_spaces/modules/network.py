"""Blocks wired as a network: which slot reads what, and the plain network of one architecture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from search_spaces.blocks import BlockSpec, passed_on
from search_spaces.errors import SpaceError
from search_spaces.slots import Slot

__all__ = ["Step", "Subnet", "Wiring", "module_names", "wire"]

_INPUT = "input"


@dataclass(frozen=True, slots=True)
class Step:
    """One block of a network: its slot, the slots it reads, and what nobody reads after it."""

    slot: str
    inputs: tuple[str, ...]
    release: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wiring:
    """The blocks of one architecture in running order.

    Attributes:
        steps: One for each slot whose block has layers; ``"input"`` among the inputs is the
            network's input.
        output: The slot, or ``"input"``, whose output is the network's.
    """

    steps: tuple[Step, ...]
    output: str

    def run(self, x: Tensor, block: Callable[[str, list[Tensor]], Tensor]) -> Tensor:
        """Run ``block(slot, inputs)`` for every step and return the network's output."""
        outputs = {_INPUT: x}
        for step in self.steps:
            outputs[step.slot] = block(step.slot, [outputs[name] for name in step.inputs])
            for name in step.release:
                del outputs[name]
        return outputs[self.output]


def wire(slots: Sequence[Slot], blocks: Mapping[str, BlockSpec | None]) -> Wiring:
    """Return the wiring of one architecture; see `passed_on` for slots that run nothing."""
    source = {_INPUT: _INPUT}
    reads: dict[str, tuple[str, ...]] = {}
    for slot in slots:
        inputs = tuple(source[name] for name in slot.inputs or (_INPUT,))
        passed = passed_on(blocks[slot.name])
        source[slot.name] = slot.name if passed is None else inputs[passed]
        if passed is None:
            reads[slot.name] = inputs
    output = source[slots[-1].name]
    last_reader = {name: reader for reader, inputs in reads.items() for name in inputs}
    release: dict[str, list[str]] = {reader: [] for reader in reads}
    for name, reader in last_reader.items():
        if name != output:
            release[reader].append(name)
    steps = [Step(slot, inputs, tuple(release[slot])) for slot, inputs in reads.items()]
    return Wiring(tuple(steps), output)


def module_names(slots: Iterable[str]) -> dict[str, str]:
    """Return a legal module name for every slot: underscores for dots.

    Raises:
        SpaceError: Two names become one, or `torch.nn.ModuleDict` has an attribute of that name.
    """
    names: dict[str, str] = {}
    for slot in slots:
        name = slot.replace(".", "_")
        if hasattr(nn.ModuleDict, name) or name in names.values():
            raise SpaceError(
                f"Slot {slot!r} cannot name a torch module: {name!r} is taken. Rename the slot, "
                f"for example to '{slot}_block'."
            )
        names[slot] = name
    return names


class Subnet(nn.Module):
    """The plain network of one architecture: static blocks, no choices left.

    Args:
        blocks: The module of every slot whose block has layers.
        wiring: What each of them reads.
    """

    def __init__(self, blocks: Mapping[str, nn.Module], wiring: Wiring) -> None:
        super().__init__()
        self.wiring = wiring
        self._names = module_names(blocks)
        self.blocks = nn.ModuleDict({self._names[slot]: m for slot, m in blocks.items()})

    def forward(self, x: Tensor) -> Tensor:
        """Map images [n, channels, resolution, resolution] to the last slot's output."""
        return self.wiring.run(x, self._run)

    def _run(self, slot: str, inputs: list[Tensor]) -> Tensor:
        output: Tensor = self.blocks[self._names[slot]](*inputs)
        return output
