from __future__ import annotations

from predictors import Macs, Params
from search_spaces.blocks import Head


def test_head() -> None:
    plain, deep = Head(32, 10, 4), Head(32, 10, 4, hidden=64, bias=False)
    assert (plain.in_shape, plain.out_shape) == ((32, 4, 4), (10,))
    assert (Macs()(plain), Params()(plain)) == (320, 330)
    assert (Macs()(deep), Params()(deep)) == (32 * 64 + 640, 32 * 64 + 640)
