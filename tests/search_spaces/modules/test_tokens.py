"""Relative positions and attention against a loop over pairs of tokens."""

from __future__ import annotations

import itertools

import pytest

from search_spaces import SpaceError
from search_spaces.blocks import SpatialReduction, TransformerLayer

torch = pytest.importorskip("torch")

from search_spaces.modules import build_block, build_elastic  # noqa: E402
from search_spaces.modules.tokens import RelativePosition, attention  # noqa: E402


@pytest.mark.parametrize(("side", "distance"), [(3, 1), (3, 2), (4, 14)])
def test_relative_positions_pair_by_pair(side: int, distance: int) -> None:
    """Row 0 with the class token; else the clipped vertical and horizontal distance."""
    module = RelativePosition(side * side + 1, 5, distance)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(0))
    embedding = module()
    for i, j in itertools.product(range(side * side + 1), repeat=2):
        rows = [0, 0]
        if i and j:
            apart = [a - b for a, b in zip(divmod(j - 1, side), divmod(i - 1, side), strict=True)]
            rows = [min(max(d, -distance), distance) + distance + 1 for d in apart]
        expected = module.vertical.weight[rows[0]] + module.horizontal.weight[rows[1]]
        assert torch.equal(embedding[i, j], expected)


def test_attention_is_softmax_over_keys_with_their_positions() -> None:
    n, tokens, heads, dim = 2, 5, 3, 4
    generator = torch.Generator().manual_seed(0)
    q, k, v = (
        torch.randn(n, tokens, heads * dim, generator=generator, dtype=torch.float64)
        for _ in range(3)
    )
    pk, pv = (
        torch.randn(tokens, tokens, dim, generator=generator, dtype=torch.float64)
        for _ in range(2)
    )
    relative = attention(q, k, v, dim, (pk, pv))
    plain = attention(q, k, v, dim)
    for result, keys, values in ((relative, pk, pv), (plain, 0 * pk, 0 * pv)):
        for b, h, i in itertools.product(range(n), range(heads), range(tokens)):
            part = slice(h * dim, (h + 1) * dim)
            scores = ((k[b, :, part] + keys[i]) @ q[b, i, part]) / dim**0.5
            expected = scores.softmax(0) @ (v[b, :, part] + values[i])
            assert torch.allclose(result[b, i, part], expected, rtol=0, atol=1e-12)


def test_a_fresh_layer_is_drawn_from_its_generator_alone() -> None:
    spec = TransformerLayer(8, 2, 16, 5, head_dim=4)
    first, second = build_block(spec), build_block(spec)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
    assert first.q.weight.std().item() == pytest.approx(0.02, rel=0.3)


def test_prefix_biases_give_keys_of_few_heads_the_biases_of_queries_of_many() -> None:
    """The published bug: what the plain layers are given, slice by slice."""
    many, few = (TransformerLayer(8, h, 16, 5, head_dim=4, prefix_bias=True) for h in (3, 1))
    block = build_elastic([few, many])
    torch.nn.init.normal_(block.qkv_bias, generator=torch.Generator().manual_seed(0))
    for spec in (many, few):
        plain, width = block.static(spec), 4 * spec.heads
        for i, name in enumerate("qkv"):
            shared = block.qkv_bias[i * width : (i + 1) * width]
            assert torch.equal(getattr(plain, name).bias, shared)
            assert torch.equal(getattr(plain, name).weight, getattr(block, name).weight[:width])
        x = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(1))
        assert torch.equal(block(x, spec), plain(x))
        assert block.active(spec)["qkv_bias"] == (slice(0, 3 * width),)


@pytest.mark.parametrize(("cin", "cout", "side"), [(4, 7, 4), (4, 4, 6), (3, 5, 3)])
def test_spatial_reduction_token_by_token(cin: int, cout: int, side: int) -> None:
    """Sums over windows of three by three; averages of up to two by two."""
    spec = SpatialReduction(cin, cout, side * side + 1)
    module = build_block(spec).double()
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    x = torch.randn(1, spec.tokens, cin, generator=generator, dtype=torch.float64)
    result = module(x)[0]
    normed = module.norm(x)[0]
    zeros = x.new_zeros(cout - cin)
    first = module.token(normed[0]) + torch.cat([x[0, 0], zeros])
    assert torch.allclose(result[0], first, rtol=0, atol=1e-12)
    half = (side + 1) // 2
    assert result.shape == (half * half + 1, cout) == spec.out_shape
    for number, (row, column) in enumerate(itertools.product(range(half), repeat=2)):
        expected = module.reduce.bias + module.position.weight[number]
        for i, j in itertools.product(range(3), repeat=2):
            r, c = 2 * row + i - 1, 2 * column + j - 1
            if 0 <= r < side and 0 <= c < side:
                expected = expected + module.reduce.weight[:, :, i, j] @ normed[1 + r * side + c]
        window = [
            x[0, 1 + r * side + c]
            for r in range(2 * row, min(2 * row + 2, side))
            for c in range(2 * column, min(2 * column + 2, side))
        ]
        expected = expected + torch.cat([sum(window) / len(window), zeros])
        assert torch.allclose(result[1 + number], expected, rtol=0, atol=1e-12)


def test_layers_of_different_tokens_cannot_share_weights() -> None:
    blocks = [TransformerLayer(8, 2, 16, tokens) for tokens in (5, 10)]
    with pytest.raises(SpaceError, match=r"different tokens: \[5, 10\].*separate_weights"):
        build_elastic(blocks)
    assert build_elastic(blocks, ("tokens",)) is not None
