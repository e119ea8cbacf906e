"""mpc_vit: the published shape, and tokens that keep their activation (MPCViT+)."""

from __future__ import annotations

import numpy as np
import pytest

from predictors import Macs, Params, compile_cost
from predictors.mpc import (
    ActivationCount,
    Laws,
    Operator,
    ReluCount,
    get_protocol,
    operators_of,
)
from search_spaces import Architecture, SearchSpace, SpaceError, get_space
from search_spaces.blocks import PrivateMlp, layers_of

SHARES = (0.0, 0.01, 0.5, 1.0)
ONE = {"resolution": 8, "dim": 8, "heads": (2,), "depths": (1,), "attention": ("softmax",)}


def with_options(space: SearchSpace, **options: object) -> Architecture:
    """Return the first options but for those that are named."""
    return Architecture({**{c.name: c.options[0] for c in space.choices}, **options})


def test_a_share_says_how_many_of_65_tokens_are_activated() -> None:
    space = get_space("mpc_vit", activations=["gelu"], token_shares=SHARES)
    blocks = {(b.act, b.passed) for b in space.slot_blocks("mlp7") if isinstance(b, PrivateMlp)}
    assert blocks == {("linear", 0), ("gelu", 64), ("gelu", 33), ("gelu", 0)}
    count = compile_cost(space, ActivationCount())
    assert count.maximum().value == 7 * 65 * 512
    assert count.minimum().value == 0
    kept = {f"kept_{layer}": share for layer, share in enumerate((0.01, 0.5, 1.0), start=1)}
    found = with_options(space, **kept)
    assert count.of(found) == (1 + 32 + 65) * 512
    assert compile_cost(space, ReluCount()).of(found) == 0


def test_size_by_the_closed_form() -> None:
    """A share strictly between gives one network for each of GELU and the quadratic."""
    layer = 2 * 3 + 1
    assert get_space("mpc_vit", **ONE, token_shares=SHARES).size == layer
    assert get_space("mpc_vit", **ONE).size == 3


def test_an_activation_of_no_token_is_linear_and_of_all_what_it_was() -> None:
    old, space = get_space("mpc_vit", **ONE), get_space("mpc_vit", **ONE, token_shares=SHARES)
    linear = old.id_of(with_options(old, act_1="linear"))
    none, one, all_tokens = (
        space.id_of(with_options(space, act_1="gelu", kept_1=share)) for share in (0.0, 0.01, 1.0)
    )
    assert none == linear == space.id_of(with_options(space, act_1="linear", kept_1=0.5))
    assert all_tokens == old.id_of(with_options(old, act_1="gelu"))
    assert len({none, one, all_tokens}) == 3


def test_costs_fall_by_the_token_and_rounds_do_not() -> None:
    few = operators_of(PrivateMlp(8, 16, 5, passed=3))
    assert [op for op in few if op.kind not in ("matmul", "layer_norm")] == [
        Operator("partition", (80, 32)),
        Operator("gelu", (32,)),
    ]
    laws = Laws(get_protocol("semi2k"))

    def cost(passed: int) -> tuple[float, float]:
        costs = [laws(op) for op in operators_of(PrivateMlp(8, 16, 5, passed=passed))]
        return sum(c.online_bytes for c in costs), sum(c.sends for c in costs)

    assert cost(0)[0] - cost(3)[0] == 3 * 16 * 792
    assert cost(0)[1] == cost(3)[1] == cost(4)[1]
    space = get_space("mpc_vit", **ONE, token_shares=SHARES)
    for model in (Macs(), Params()):
        table = compile_cost(space, model)
        assert table.minimum().value == table.maximum().value


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (PrivateMlp(8, 16, 5, passed=5), "'gelu' of 5 tokens can leave 0 to 4"),
        (PrivateMlp(8, 16, 5, passed=-1), "can leave 0 to 4 as they are, got passed = -1"),
        (PrivateMlp(8, 16, 5, act="linear", passed=1), "'linear' of 5 tokens can leave 0 to 0"),
    ],
)
def test_a_block_leaves_some_tokens_or_says_so(block: PrivateMlp, said: str) -> None:
    with pytest.raises(SpaceError, match=said):
        layers_of(block)


def test_an_impossible_share_is_refused() -> None:
    with pytest.raises(SpaceError, match=r"token_shares must be from 0 to 1, got 1\.5"):
        get_space("mpc_vit", **ONE, token_shares=(0.5, 1.5))


def test_the_tokens_of_the_largest_scores_are_activated() -> None:
    torch = pytest.importorskip("torch")
    from search_spaces.supernet import Supernet

    space = get_space("mpc_vit", **ONE, token_shares=(0.0, 0.4, 1.0))
    net = Supernet(space).eval()
    net.get_buffer("blocks.mlp1.act.scores").copy_(
        torch.tensor([0.1, 0.9, 0.2, 0.8, 0.3])[:, None]
    )
    mlp = net.subnet(with_options(space, act_1="gelu", kept_1=0.4)).get_submodule("blocks.mlp1")
    kept = torch.tensor([False, True, False, True, False])
    assert torch.equal(mlp.get_buffer("act.mask")[:, 0], kept)
    x = torch.randn(3, 5, 8)
    with torch.no_grad():
        inner = mlp.expand(mlp.norm(x))
        tanh = torch.tanh(np.sqrt(2 / np.pi) * (inner + 0.044715 * inner**3))
        gelu = 0.5 * inner * (1 + tanh)
        by_hand = x + mlp.reduce(torch.where(kept[:, None], gelu, inner))
        torch.testing.assert_close(mlp(x), by_hand)


def test_a_gate_says_how_much_of_each_tokens_activation_is_taken() -> None:
    torch = pytest.importorskip("torch")
    from search_spaces.supernet import Supernet

    space = get_space("mpc_vit", **ONE, activations=["gelu"], token_shares=SHARES)
    net = Supernet(space).eval()
    x = torch.randn(2, 3, 8, 8)
    whole, linear = (with_options(space, kept_1=share) for share in (1.0, 0.0))
    with torch.no_grad():
        outputs = [
            net.mixture(x, whole, {}, rectified={"mlp1": torch.full((5, 1), gate)})
            for gate in (1.0, 0.0)
        ]
        torch.testing.assert_close(outputs[0], net(x, whole))
        torch.testing.assert_close(outputs[1], net(x, linear))
    gate = torch.full((5, 1), 0.5, requires_grad=True)
    net.mixture(x, whole, {}, rectified={"mlp1": gate}).sum().backward()
    assert gate.grad is not None
    moved = gate.grad[:, 0] != 0
    assert moved.tolist() == [False, True, True, True, True]  # the head reads no class token
