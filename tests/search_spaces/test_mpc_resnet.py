"""mpc_resnet: published shapes, what a share keeps, and how a trainer sets masks."""

from __future__ import annotations

import numpy as np
import pytest

from predictors import Params, compile_cost
from predictors.mpc import Laws, Operator, ReluCount, get_protocol, operators_of, private_costs
from search_spaces import SpaceError, get_space
from search_spaces.blocks import RectifiedConv, RectifiedSum, layers_of
from search_spaces.mpc_resnet import SHARES

SITES = 17


def test_shapes_are_those_of_the_publications() -> None:
    """ReLUs of ResNet-18 as SNL counts them (arXiv:2202.02340, table 1), and its parameters."""
    cifar, tiny = get_space("mpc_resnet"), get_space("mpc_resnet", classes=200, resolution=64)
    assert compile_cost(cifar, ReluCount()).maximum().value == 557_056
    assert compile_cost(tiny, ReluCount()).maximum().value == 2_228_224
    assert compile_cost(cifar, ReluCount()).minimum().value == 0
    assert compile_cost(cifar, Params()).minimum().value == 11_173_962


def test_size_by_the_closed_form() -> None:
    """All kept, none and one of two rests, or a share by pixel or by channel and a rest."""
    inner = len(SHARES) - 2
    assert get_space("mpc_resnet").size == (1 + 2 + inner * 2 * 2) ** SITES
    assert get_space("mpc_resnet", shares=(0.0, 1.0)).size == 3**SITES


def test_a_share_above_zero_keeps_something() -> None:
    space = get_space("mpc_resnet", widths=(4,), depths=(1,), resolution=4)
    kept = {(b.granularity, b.kept) for b in space.slot_blocks("stem")}
    assert kept >= {("pixel", 1), ("pixel", 2), ("pixel", 4), ("pixel", 8), ("channel", 16)}
    assert {n % 16 for granularity, n in kept if granularity == "channel"} == {0}


def test_a_gathered_mask_costs_what_is_kept_and_the_rounds_of_both() -> None:
    block = RectifiedConv(3, 4, 8, kept=32, rest="polynomial")
    product, *activation = operators_of(block)
    assert product.kind == "matmul"
    assert activation == [
        Operator("partition", (256, 32)),
        Operator("relu", (32,)),
        Operator("polynomial", (224,)),
    ]
    laws = Laws(get_protocol("semi2k"))
    assert sum(laws(op).online_bytes for op in activation) == 144 * 32 + 80 * 224
    assert sum(laws(op).sends for op in activation) == 8 + 4


def test_which_elements_are_kept_changes_no_cost() -> None:
    space = get_space("mpc_resnet", shares=(0.0, 0.25, 1.0))
    rng = np.random.default_rng(0)
    population = space.sample(50, rng)
    other = population.copy()
    columns = [i for i, c in enumerate(space.choices) if c.name.startswith("granularity")]
    other[:, columns] = 1 - other[:, columns]
    for model in private_costs(Laws(get_protocol("aby3"))):
        table = compile_cost(space, model)
        np.testing.assert_allclose(table(population), table(other), rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"shares": (0.5, 1.5)}, "shares must be from 0 to 1, got 1.5"),
        ({"widths": (8, 16)}, "a width and a depth"),
        ({"rests": ("identity", "cubic")}, "rests has no 'cubic'"),
        ({"granularities": ("row",)}, "granularities has no 'row'"),
        ({"resolution": 0}, "resolution must be above zero"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(SpaceError, match=said):
        get_space("mpc_resnet", **options).distinct_blocks()


def test_a_block_keeps_whole_channels_or_says_so() -> None:
    with pytest.raises(SpaceError, match="in steps of 64"):
        layers_of(RectifiedSum(4, 4, 8, kept=63, granularity="channel"))
    with pytest.raises(SpaceError, match="can keep 0 to 256"):
        layers_of(RectifiedSum(4, 4, 8, kept=257))


def test_a_trainer_sets_masks_by_scores() -> None:
    torch = pytest.importorskip("torch")
    from search_spaces.supernet import Supernet

    options = {"resolution": 8, "widths": (4,), "depths": (1,), "shares": (0.0, 0.25, 0.5, 1.0)}
    space = get_space("mpc_resnet", **options)
    net = Supernet(space).eval()
    scores = net.get_buffer("blocks.stem.act.scores")
    wanted = torch.zeros(4, 8, 8)
    wanted[2] = 1.0
    wanted[0, :4] = 0.5
    scores.copy_(wanted)

    def mask(kept: float, granularity: str) -> torch.Tensor:
        options = {choice.name: choice.options[0] for choice in space.choices}
        options |= {"kept_stem": kept, "granularity_stem": granularity}
        row = [c.options.index(options[c.name]) for c in space.choices]
        return net.subnet(space.decode(np.array(row))).get_buffer("blocks.stem.act.mask")

    assert torch.equal(mask(0.25, "pixel"), wanted == 1)
    assert torch.equal(mask(0.25, "channel"), wanted == 1)
    half = mask(0.5, "pixel")
    assert half.sum() == 128
    assert half[wanted > 0].all()
    assert torch.equal(mask(0.5, "channel").all(2).all(1), torch.tensor([1, 0, 1, 0]) == 1)


def test_fresh_coefficients_are_the_parabola_nearest_to_a_relu() -> None:
    """Least squares over the quantiles of a standard normal distribution."""
    torch = pytest.importorskip("torch")
    from search_spaces.modules.block import build_block

    module = build_block(RectifiedConv(3, 2, 4, kept=0, rest="polynomial"))
    x = torch.special.ndtri((torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000)
    powers = torch.stack([x**0, x, x**2], 1)
    best = torch.linalg.lstsq(powers, x.relu()[:, None]).solution[:, 0]
    own = dict(module.named_parameters())["act.coefficients"][:, 1].double()
    assert torch.allclose(own, best, atol=1e-3)
