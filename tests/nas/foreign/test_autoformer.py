"""AutoFormer's weights in our supernet: equal outputs, and what is wrong with a file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nas.errors import CheckpointError, ConfigError
from nas.foreign import import_checkpoint
from search_spaces import SearchSpace, get_space
from search_spaces.autoformer import SIZES
from tests.nas.foreign.autoformer_reference import Reference, Size, shapes
from tests.nas.foreign.reference import assert_equal, random_state, saved

CLASSES, PATCH, RESOLUTION = 10, 8, 32
SMALL = Size(256, 4, 4.0, 3, PATCH, RESOLUTION, CLASSES)
"""As the tiny supernet, but for layers and patches: wider than the widest subnet."""

PUBLISHED = {"tiny": (256, 4, 14), "small": (448, 7, 14), "base": (640, 10, 16)}
"""Features, heads and layers of the three supernets, with perceptrons four times as wide."""


def _space(**options: Any) -> SearchSpace:
    small = {"resolution": RESOLUTION, "patch": PATCH, "classes": CLASSES, "depths": [2, 3]}
    return get_space("autoformer", **(small | {"prefix_bias": True} | options))


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return random_state(shapes(SMALL), torch.Generator().manual_seed(0))


def test_random_subnets_compute_what_the_published_network_computes(
    state: dict[str, Tensor], tmp_path: Path
) -> None:
    space = _space()
    options = argparse.Namespace(epochs=500, change_qk=True)
    path = saved(tmp_path, {"model": state, "epoch": 499, "args": options})
    supernet = import_checkpoint(path, space, format="autoformer")
    reference = Reference(state, PATCH)

    def theirs(x: Tensor, a: Any) -> Tensor:
        layers = range(1, a["depth"] + 1)
        heads, ratios = ([a[f"{what}_{i}"] for i in layers] for what in ("heads", "mlp_ratio"))
        return reference(x, a["embed_dim"], heads, ratios)

    assert_equal(supernet, theirs, subnets=12)
    rows = space.sample(50, np.random.default_rng(3))
    assert len({space.decode(row)["heads_1"] for row in rows[:12]}) == 2


@pytest.mark.parametrize("size", SIZES)
def test_the_published_supernets_have_these_tensors(size: str, tmp_path: Path) -> None:
    """Names and shapes of all three, at the resolution and patch of the paper."""
    features, heads, depth = PUBLISHED[size]
    published = shapes(Size(features, heads, 4.0, depth, 16, 224, CLASSES))
    space = get_space("autoformer", size=size, classes=CLASSES, prefix_bias=True)
    state = {name: torch.zeros(1).expand(shape) for name, shape in published.items()}
    state["norm.bias"] = torch.arange(features, dtype=torch.float32)
    supernet = import_checkpoint(saved(tmp_path, state), space, format="autoformer")
    widest = max(SIZES[size].embed_dims)
    assert torch.equal(supernet.get_parameter("blocks.head.norm.bias"), torch.arange(widest) * 1.0)


def test_missing_extra_and_misshaped_tensors_are_listed(
    state: dict[str, Tensor], tmp_path: Path
) -> None:
    wrong = dict(state)
    del wrong["blocks.1.attn.rel_pos_embed_v.embeddings_table_h"]
    wrong["blocks.3.fc1.bias"] = torch.zeros(1024)
    wrong["blocks.0.attn.qkv.weight"] = torch.zeros(768, 240)
    wrong["cls_token"] = torch.full((1, 1, 256), float("inf"))
    with pytest.raises(CheckpointError) as refused:
        import_checkpoint(saved(tmp_path, wrong), _space(), format="autoformer")
    for part in (
        "1 missing: blocks.1.attn.rel_pos_embed_v.embeddings_table_h",
        "1 unknown: blocks.3.fc1.bias",
        "blocks.0.attn.qkv.weight is [768, 240], needed is [768, 256]",
        "1 with NaN or infinity: cls_token",
    ):
        assert part in str(refused.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prefix_bias": False}, r"biases by head.*--option prefix_bias=true"),
        ({"embed_dims": [192, 320]}, r"256 with the most heads.*embed_dims go up to 320"),
    ],
)
def test_spaces_that_published_weights_do_not_fit(
    state: dict[str, Tensor], tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        import_checkpoint(saved(tmp_path, state), _space(**options), format="autoformer")
