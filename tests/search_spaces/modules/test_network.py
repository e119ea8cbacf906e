"""Wiring of blocks: chains, skipped slots, branches, names."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from search_spaces import SpaceError
from search_spaces.blocks import BlockSpec, Conv, Select
from search_spaces.modules.network import Step, Wiring, module_names, wire
from search_spaces.slots import Slot

SPEC = Conv(2, 2, 4)


def slot(name: str, *inputs: str) -> Slot:
    return Slot(name, (), lambda: SPEC, inputs)


def blocks(slots: list[Slot], *skipped: str) -> dict[str, BlockSpec | None]:
    return {s.name: None if s.name in skipped else SPEC for s in slots}


def run(wiring: Wiring) -> tuple[list[str], Tensor]:
    """Run blocks that append a digit to every input's sum."""
    order: list[str] = []

    def block(name: str, inputs: list[Tensor]) -> Tensor:
        order.append(name)
        return sum(inputs, torch.zeros(())) * 10 + len(order)

    return order, wiring.run(torch.zeros(()), block)


def test_chain_runs_in_order_and_holds_one_output() -> None:
    slots = [slot("a"), slot("b", "a"), slot("c", "b")]
    wiring = wire(slots, blocks(slots))
    assert wiring.steps == (
        Step("a", ("input",), ("input",)),
        Step("b", ("a",), ("a",)),
        Step("c", ("b",), ("b",)),
    )
    assert run(wiring)[1].item() == 123


def test_a_skipped_slot_passes_its_input_on() -> None:
    slots = [slot("a"), slot("b", "a"), slot("c", "b")]
    order, out = run(wire(slots, blocks(slots, "b")))
    assert order == ["a", "c"]
    assert out.item() == 12
    assert wire(slots, blocks(slots, "c")).output == "b"
    assert wire(slots, blocks(slots, "a", "b", "c")) == Wiring((), "input")


def test_branches_meet_in_the_order_of_the_slot() -> None:
    slots = [slot("a"), slot("left", "a"), slot("right", "a"), slot("join", "left", "right")]
    wiring = wire(slots, blocks(slots))
    assert wiring.steps[-1] == Step("join", ("left", "right"), ("left", "right"))
    assert wiring.steps[1].release == ()
    assert run(wiring)[1].item() == (12 + 13) * 10 + 4
    skipped = wire(slots, blocks(slots, "left"))
    assert skipped.steps[-1].inputs == ("a", "right")
    assert run(skipped)[1].item() == (1 + 12) * 10 + 3


def test_a_selection_runs_nothing_and_frees_what_it_leaves() -> None:
    slots = [slot("a"), slot("b", "a"), slot("pick", "a", "b"), slot("c", "pick")]
    for source, read in enumerate(("a", "b")):
        wiring = wire(slots, {**blocks(slots), "pick": Select((2, 2), (4, 4), source)})
        assert [step.slot for step in wiring.steps] == ["a", "b", "c"]
        assert wiring.steps[-1] == Step("c", (read,), (read,))


def test_names_are_legal_for_torch() -> None:
    assert module_names(["stem", "stage2.1"]) == {"stem": "stem", "stage2.1": "stage2_1"}
    with pytest.raises(SpaceError, match="items_block"):
        module_names(["items"])
    with pytest.raises(SpaceError, match="'a_b' is taken"):
        module_names(["a.b", "a_b"])
