"""A mixture is the weighted sum of what its architectures' blocks put out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from search_spaces import Architecture, SearchSpace, SpaceBuilder, SpaceError, get_space
from search_spaces.blocks import Conv, Head, MBConv
from search_spaces.supernet import Gate, Supernet


def vit() -> SearchSpace:
    return get_space("mpc_vit", dim=16, heads=(2,), depths=(2,), patch=8)


def operations() -> SearchSpace:
    builder = SpaceBuilder("operations")
    o = builder.choice("operation", ("k3", "k5", "skip"))
    builder.slot("stem", block=lambda: Conv(1, 4, 8, kernel=3))
    builder.slot(
        "layer",
        reads=(o,),
        block=lambda o: None if o == "skip" else MBConv(4, 4, 8, 8, kernel=int(o[1])),
        separate_weights=("kernel",),
    )
    builder.slot("head", block=lambda: Head(4, 3, 8))
    return builder.build()


@pytest.mark.parametrize("space", [vit(), operations()], ids=lambda space: space.name)
def test_one_gate_open_of_every_choice_is_that_architecture(space: SearchSpace) -> None:
    supernet = Supernet(space, seed=1).eval()
    rng = np.random.default_rng(0)
    for base, wanted in space.sample(10, rng).reshape(5, 2, -1):
        architecture = space.decode(wanted)
        x = torch.randn(2, *space.input_shape_of(architecture))
        gates = {
            choice.name: Gate(
                tuple(range(len(choice.options))),
                torch.tensor([float(o == architecture[choice.name]) for o in choice.options]),
            )
            for choice in space.choices
            if len(choice.options) > 1
        }
        mixed = supernet.mixture(x, space.decode(base), gates)
        torch.testing.assert_close(mixed, supernet(x, architecture), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("slot", "mixed"),
    [
        ("attention2", {"attention_2_1": (0.2, 0.5, 0.3), "attention_2_2": (0.9, 0.1)}),
        ("mlp2", {"act_2": (0.5, 0.2, 0.3)}),
    ],
)
def test_mixing_inside_a_block_is_the_mean_over_all_combinations(
    slot: str, mixed: dict[str, tuple[float, ...]]
) -> None:
    space = vit()
    elastic = Supernet(space, seed=1).eval().blocks[slot]
    base = space.decode([0] * len(space.choices))
    options = {c.name: c.options[: len(mixed[c.name])] for c in space.choices if c.name in mixed}
    combinations = [
        dict(zip(options, some, strict=True)) for some in itertools.product(*options.values())
    ]
    specs = [space.blocks(Architecture({**base, **some}))[slot] for some in combinations]
    shares = torch.ones(1)
    for name in options:
        shares = (shares[:, None] * torch.tensor(mixed[name])).flatten()
    shares.requires_grad_()
    tokens = torch.randn(2, 17, 16)
    slow = sum(w * elastic(tokens, spec) for w, spec in zip(shares, specs, strict=True))
    (expected,) = torch.autograd.grad(slow.square().sum(), shares, retain_graph=True)
    made = elastic.mixture([tokens], specs, shares)
    torch.testing.assert_close(made, slow)
    (found,) = torch.autograd.grad(made.square().sum(), shares)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-2)


def test_what_is_skipped_passes_its_gate_of_the_input_on() -> None:
    space = operations()
    supernet = Supernet(space, seed=1).eval()
    layer = supernet.blocks["layer"]
    seen: list[torch.Tensor] = []
    supernet.blocks["head"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.randn(2, 1, 8, 8)
    stem = supernet.blocks["stem"](x, space.slot_blocks("stem")[0])
    k3 = space.blocks(Architecture({"operation": "k3"}))["layer"]
    gate = Gate((0, 2), torch.tensor([0.25, 0.75]))
    supernet.mixture(x, Architecture({"operation": "k5"}), {"operation": gate})
    torch.testing.assert_close(seen[0], 0.25 * layer(stem, k3) + 0.75 * stem)


def test_active_regions_hold_every_mixed_block_and_no_other() -> None:
    supernet = Supernet(operations())
    gates = {"operation": Gate((0, 2), torch.tensor([0.5, 0.5]))}
    regions = supernet.active_in_mixture(Architecture({"operation": "k5"}), gates)
    names = {name for region in regions for name in region}
    assert names == set(supernet.active_parameters(Architecture({"operation": "k3"})))


def test_choices_that_change_shapes_are_refused() -> None:
    builder = SpaceBuilder("widths")
    w = builder.choice("width", (4, 8))
    builder.slot("stem", reads=(w,), block=lambda w: Conv(1, w, 8))
    builder.slot("head", reads=(w,), block=lambda w: Head(w, 3, 8))
    space = builder.build()
    gate = Gate((0, 1), torch.tensor([0.5, 0.5]))
    x, first = torch.zeros(1, 1, 8, 8), space.decode([0])
    with pytest.raises(SpaceError, match="cannot be mixed: they map"):
        Supernet(space).mixture(x, first, {"width": gate})
    with pytest.raises(SpaceError, match="no choice 'widht'"):
        Supernet(space).mixture(x, first, {"widht": gate})


def test_a_gate_of_zeros_and_ones_is_the_mask_of_an_architecture() -> None:
    space = get_space("mpc_resnet", resolution=8, widths=(4, 8), depths=(1, 1))
    supernet = Supernet(space, seed=1).eval()
    kept = {
        choice.name: 0.25 if choice.name.startswith("kept") else choice.options[-1]
        for choice in space.choices
    }
    architecture = Architecture({**kept, **dict.fromkeys(_granularities(space), "pixel")})
    nothing = Architecture({**architecture, **dict.fromkeys(_kept(space), 0.0)})
    gates = {
        slot: supernet.blocks[slot.replace(".", "_")].act.mask_of(block.kept, "pixel").float()
        for slot, block in space.blocks(architecture).items()
        if hasattr(block, "kept")
    }
    x = torch.randn(2, 3, 8, 8)
    gated = supernet.mixture(x, nothing, {}, rectified=gates)
    torch.testing.assert_close(gated, supernet(x, architecture))


def _kept(space: SearchSpace) -> list[str]:
    return [choice.name for choice in space.choices if choice.name.startswith("kept")]


def _granularities(space: SearchSpace) -> list[str]:
    return [choice.name for choice in space.choices if choice.name.startswith("granularity")]
