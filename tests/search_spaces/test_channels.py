"""Sorting channels inside blocks: what must not change does not, and important ones lead."""

from __future__ import annotations

import pytest
import torch

from predictors import Macs, compile_cost
from search_spaces import get_space
from search_spaces.modules.channels import importance_order, reorder
from search_spaces.supernet import Supernet
from tests.small_spaces import SMALL


def randomise(net: Supernet) -> None:
    """Give every parameter and buffer values of its own, so that a forgotten one shows."""
    generator = torch.Generator().manual_seed(1)
    for tensor in net.state_dict().values():
        noise = torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
        tensor.copy_(tensor + 0.3 * noise)


def test_order_by_hand() -> None:
    reader = torch.tensor([[1.0, -5.0, 2.0, 0.5, 4.0], [1.0, 0.0, 1.0, 0.5, -4.0]])
    assert importance_order(reader, 1, [5]).tolist() == [4, 1, 2, 0, 3]
    assert importance_order(reader, 1, [2, 5]).tolist() == [1, 0, 4, 2, 3]
    assert importance_order(reader, 0, []).tolist() == [0, 1]


@pytest.mark.parametrize(
    "name",
    [
        "mobile_small",  # MBConv with transforms
        "ofa_mobilenet_v3",  # with squeeze-and-excitation
        "ofa_resnet50",  # bottlenecks
        "efficientnet_v2",  # fused MBConv
        "autoformer",  # transformer layers
        "proxyless",  # kernels with weights of their own
        "spos_shufflenet_v2",  # families that declare nothing are left as they are
    ],
)
def test_the_largest_network_computes_what_it_did(name: str) -> None:
    space = get_space(name, **SMALL.get(name, {}))
    largest = compile_cost(space, Macs()).maximum().architecture
    net = Supernet(space, seed=3).double().eval()
    randomise(net)
    images = torch.randn(2, *space.input_shape_of(largest), dtype=torch.float64)
    with torch.no_grad():
        before = net(images, largest)
        orders = net.channel_orders(
            {slot: [block] for slot, block in space.blocks(largest).items() if block is not None}
        )
        reorder(net.state_dict(), orders)
        after = net(images, largest)
    assert (before - after).abs().max() <= 1e-6 * before.abs().max()
    moved = [o for axes in orders.values() for _, o in axes if not torch.equal(o, o.sort()[0])]
    assert bool(moved) == (name != "spos_shufflenet_v2")


def test_a_narrow_block_gets_the_important_channels() -> None:
    space = get_space("mobile_small", **SMALL["mobile_small"])
    largest = compile_cost(space, Macs()).maximum().architecture
    net = Supernet(space, seed=3)
    randomise(net)
    blocks = {slot: [block] for slot, block in space.blocks(largest).items() if block is not None}
    reorder(net.state_dict(), net.channel_orders(blocks))
    reader = net.state_dict()["blocks.stage2_1.project.conv.weight"]
    importance = reader.abs().sum(dim=(0, 2, 3))
    assert torch.equal(importance, importance.sort(descending=True)[0])
