from __future__ import annotations

import sys

import pytest

from search_spaces import MissingExtraError


def test_it_counts_convolutions_linear_layers_and_products_only() -> None:
    pytest.importorskip("fvcore")
    from torch import Tensor, nn

    from predictors.fvcore_counter import fvcore_macs

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3, padding=1, groups=1)
            self.bn = nn.BatchNorm2d(8)
            self.head = nn.Linear(8, 5)

        def forward(self, x: Tensor) -> Tensor:
            x = self.bn(self.conv(x)).relu().flatten(2)
            attention = x.transpose(1, 2) @ x
            return self.head((x @ attention.softmax(-1)).mean(-1))

    count = fvcore_macs(Net().eval(), (3, 6, 6))
    assert count == 8 * 27 * 36 + 36 * 8 * 36 + 8 * 36 * 36 + 8 * 5


def test_without_fvcore_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch import nn

    from predictors.fvcore_counter import fvcore_macs

    monkeypatch.setitem(sys.modules, "fvcore", None)
    monkeypatch.setitem(sys.modules, "fvcore.nn", None)
    with pytest.raises(MissingExtraError, match=r"\[count\]"):
        fvcore_macs(nn.Linear(2, 2), (2,))
