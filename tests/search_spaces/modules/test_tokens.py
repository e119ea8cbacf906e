"""Relative positions and attention against a loop over pairs of tokens."""

from __future__ import annotations

import itertools

import pytest

from search_spaces import SpaceError
from search_spaces.blocks import TransformerLayer

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
    result = attention(q, k, v, pk, pv, dim)
    for b, h, i in itertools.product(range(n), range(heads), range(tokens)):
        part = slice(h * dim, (h + 1) * dim)
        scores = ((k[b, :, part] + pk[i]) @ q[b, i, part]) / dim**0.5
        expected = scores.softmax(0) @ (v[b, :, part] + pv[i])
        assert torch.allclose(result[b, i, part], expected, rtol=0, atol=1e-12)


def test_a_fresh_layer_is_drawn_from_its_generator_alone() -> None:
    spec = TransformerLayer(8, 2, 16, 5, head_dim=4)
    first, second = build_block(spec), build_block(spec)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
    assert first.q.weight.std().item() == pytest.approx(0.02, rel=0.3)


def test_layers_of_different_tokens_cannot_share_weights() -> None:
    blocks = [TransformerLayer(8, 2, 16, tokens) for tokens in (5, 10)]
    with pytest.raises(SpaceError, match=r"different tokens: \[5, 10\].*separate_weights"):
        build_elastic(blocks)
    assert build_elastic(blocks, ("tokens",)) is not None
