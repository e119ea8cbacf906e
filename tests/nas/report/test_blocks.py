"""Blocks in words, for every block of every space."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import nn

from nas.report.blocks import describe
from search_spaces import SearchSpace, get_space, list_spaces
from search_spaces.blocks import Conv, GeneralConv, Head, MBConv
from tests.search_spaces.traced.models import DenseNet, Functional, MobileNet, small_resnet


@pytest.mark.parametrize("name", list_spaces())
def test_every_block_has_words_of_its_own(name: str) -> None:
    blocks = get_space(name).distinct_blocks()[:3000]
    for block in blocks:
        words = describe(block)
        assert words != str(block), "a new family needs a line in describe"
        assert "  " not in words
        assert ", ," not in words


def test_known_blocks() -> None:
    block = MBConv(24, 40, 72, 16, kernel=5, stride=2, se=18)
    assert describe(block) == (
        "inverted residual 5\u00d75, 24 → 40 channels, 72 inside, stride 2, squeeze-excite, "
        "16\u00d716 px"
    )
    assert (
        describe(Conv(3, 16, 32, kernel=3))
        == "convolution 3\u00d73, 3 → 16 channels, 32\u00d732 px"
    )
    assert describe(Head(256, 10, 4)) == "pooling and classifier, 256 → 10, 4\u00d74 px"


@pytest.mark.parametrize("make", [small_resnet, MobileNet, DenseNet, Functional])
def test_blocks_of_traced_models_have_words(make: Callable[[], nn.Module]) -> None:
    for block in SearchSpace.from_module(make()).distinct_blocks():
        words = describe(block)
        assert words != str(block)
        assert "  " not in words
        assert ", ," not in words
    block = GeneralConv((8, 4), 12, (9, 7), (3, 5), stride=(2, 1), depthwise=True)
    assert describe(block) == (
        "depthwise convolution 3\u00d75, 12 → 12 channels, stride 2\u00d71, 9\u00d77 px"
    )
