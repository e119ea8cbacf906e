"""AttentiveNAS's weights in our supernet: equal outputs, and what is wrong with a file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from nas.errors import CheckpointError
from nas.foreign import import_checkpoint
from search_spaces import SearchSpace, get_space
from search_spaces.supernet import Supernet
from tests.nas.foreign.attentive_reference import Reference, shapes
from tests.nas.foreign.reference import assert_equal, random_state, saved

CLASSES = 10


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return get_space("attentive_nas", classes=CLASSES, resolutions=[32, 64])


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return random_state(shapes(CLASSES), torch.Generator().manual_seed(0))


def test_random_subnets_compute_what_the_published_network_computes(
    state: dict[str, Tensor], space: SearchSpace, tmp_path: Path
) -> None:
    parallel = {f"module.{name}": tensor for name, tensor in state.items()}
    path = saved(tmp_path, {"epoch": 360, "state_dict": parallel, "optimizer": {}})
    supernet = import_checkpoint(path, space, format="attentive_nas")
    assert_equal(supernet, Reference(state), subnets=12)


def test_every_tensor_that_is_read_is_taken_over_once(
    state: dict[str, Tensor], space: SearchSpace
) -> None:
    """Left out are counters, statistics of single subnets, and shortcuts within stages."""
    within = {f"blocks.{i}." for i in (1, 3, 4, 5, 6, *range(8, 13), *range(14, 19))}
    within |= {f"blocks.{i}." for i in (*range(20, 27), *range(28, 35), 36)}
    left_out = [
        name
        for name in state
        if "tracked" in name
        or "bn_tracking" in name
        or (".shortcut." in name and name[: name.index("shortcut")] in within)
    ]
    ours = Supernet(space).state_dict().values()
    assert len(ours) == len(state) - len(left_out)
    read = (t.numel() for name, t in state.items() if name not in set(left_out))
    assert sum(t.numel() for t in ours) == sum(read)


def test_missing_extra_and_misshaped_tensors_are_listed(
    state: dict[str, Tensor], space: SearchSpace, tmp_path: Path
) -> None:
    wrong = dict(state)
    del wrong["blocks.0.shortcut.conv.conv.weight"]
    del wrong["blocks.1.shortcut.conv.conv.weight"]  # which nothing reads
    wrong["blocks.37.shortcut.conv.conv.weight"] = torch.zeros(3)
    wrong["classifier.linear.linear.bias"] = torch.zeros(1000)
    with pytest.raises(CheckpointError) as refused:
        import_checkpoint(saved(tmp_path, wrong), space, format="attentive_nas")
    for part in (
        "1 missing: blocks.0.shortcut.conv.weight",
        "1 unknown: blocks.37.shortcut.conv.weight",
        "classifier.linear.bias is [1000], needed is [10]",
    ):
        assert part in str(refused.value)
