"""Memory of microcontroller inference: published totals, to the byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from predictors import INT8_PEAK_MEMORY, PeakMemory, compile_cost
from predictors.tinyengine import Im2colBuffer, KernelBuffer, tinyengine_bytes
from search_spaces import SearchSpace, get_space
from search_spaces.blocks import (
    INPUT,
    BlockSpec,
    Conv,
    Head,
    Layer,
    MBConv,
    Shape,
    Tape,
    block_family,
)
from search_spaces.published import PublishedSubnet, published_subnets

_KIB = 1024


@pytest.fixture
def facts(shared_data: Path) -> dict[str, Any]:
    text = (shared_data / "published_architectures.json").read_text()
    return dict(json.loads(text)["peak_memory"])


@pytest.fixture
def vww1() -> PublishedSubnet:
    return next(s for s in published_subnets() if s.name == "mcunet-vww1")


def space_of(subnet: PublishedSubnet) -> SearchSpace:
    return get_space(subnet.space, **subnet.options)


def mobilenet_v2(resolution: int = 224) -> list[BlockSpec]:
    """Return MobileNetV2 (Sandler et al. 2018, table 2) as a list of blocks."""
    stages = (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
        (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    )  # fmt: skip
    blocks: list[BlockSpec] = [Conv(3, 32, resolution, kernel=3, stride=2, act="relu6")]
    for expand, cout, count, stride in stages:
        for i in range(count):
            cin, hw, _ = blocks[-1].out_shape
            block = MBConv(
                cin,
                cout,
                cin * expand,
                hw,
                stride=1 if i else stride,
                act="relu6",
                shortcut=i > 0,
                expand_conv=expand > 1,
            )
            blocks.append(block)
    blocks.append(Conv(320, 1280, blocks[-1].out_shape[1], act="relu6"))
    return [*blocks, Head(1280, 1000, blocks[-1].out_shape[1])]


def test_mobilenet_v2_needs_what_is_published(facts: dict[str, Any]) -> None:
    """Block by block as the figure shows it, which leaves out a waiting shortcut."""
    figure = facts["mobilenet_v2_224"]
    *blocks, _, _ = mobilenet_v2()
    assert max(map(INT8_PEAK_MEMORY, blocks)) == figure["layer_based_peak_bytes"]
    assert max(map(PeakMemory(bytes_per_element=1), blocks)) == (96 * 112**2 + 96 * 56**2)
    for name, kib in figure["per_block_KiB"].items():
        if name == "head":
            continue
        first, _, last = name.partition("-")
        for block in blocks[int(first) : int(last or first) + 1]:
            waiting = block.cout * block.hw**2 if getattr(block, "shortcut", False) else 0
            assert round((INT8_PEAK_MEMORY(block) - waiting) / _KIB, 1) == kib


def test_vww1_needs_what_the_generated_code_allocates(
    facts: dict[str, Any], vww1: PublishedSubnet
) -> None:
    golden, space = facts["vww_tflite_mcunet_vww1"], space_of(vww1)

    def of(model: Any) -> float:
        return compile_cost(space, model).of(vww1.architecture)

    assert of(INT8_PEAK_MEMORY) == golden["peak_activation_inplace"]
    assert of(PeakMemory(bytes_per_element=1)) == golden["peak_activation_no_inplace"]
    assert (of(Im2colBuffer()), of(KernelBuffer())) == (3528, 864)
    blocks = [block for block in space.blocks(vww1.architecture).values() if block]
    assert tinyengine_bytes(blocks) == golden["golden_PEAK_MEM_layer"]


@block_family
class DepthwiseOnly(BlockSpec):
    channels: int
    hw: int
    kernel: int
    stride: int

    @property
    def in_shape(self) -> Shape:
        return (self.channels, self.hw, self.hw)

    def layers(self) -> list[Layer]:
        tape = Tape(self.in_shape)
        tape.depthwise(INPUT, kernel=self.kernel, stride=self.stride)
        return tape.layers


def test_a_published_list_of_layers_without_a_space(facts: dict[str, Any]) -> None:
    """MCUNetV2's large network, layer by layer; it has squeeze-and-excitation."""
    golden = facts["mcunetv2_large_tflite"]
    blocks: list[BlockSpec] = []
    for row in golden["layers"]:
        sizes = {"kernel": row.get("kernel_h"), "stride": row.get("stride_h") or 1}
        if row["op"] == "DEPTHWISE_CONV_2D":
            blocks.append(DepthwiseOnly(row["input_c"], row["input_h"], **sizes))
        elif row["op"] == "CONV_2D":
            blocks.append(Conv(row["input_c"], row["output_c"], row["input_h"], **sizes, act=None))
    assert max(map(INT8_PEAK_MEMORY, blocks)) == golden["peak_activation_layer_based"]
    assert tinyengine_bytes(blocks) == golden["layer_based_scheduler_total"]


@pytest.mark.parametrize(
    ("block", "in_place", "apart"),
    [
        # one buffer of 16 channels beside the input, which the expansion reads
        (MBConv(4, 4, 16, 8), (4 + 16) * 64, (16 + 16) * 64),
        # after a stride the output is small again, and the projection runs beside it
        (MBConv(2, 60, 16, 8, stride=2), (16 + 60) * 16, (16 * 64 + 16 * 16)),
        # the shortcut still reads the block's input, so its depthwise layer needs its own
        (MBConv(8, 8, 8, 8, expand_conv=False, shortcut=True), 24 * 64, 24 * 64),
        (MBConv(8, 4, 8, 8, expand_conv=False), 12 * 64, 16 * 64),
    ],
    ids=str,
)
def test_depthwise_in_place_by_hand(block: BlockSpec, in_place: int, apart: int) -> None:
    assert INT8_PEAK_MEMORY(block) == in_place
    assert PeakMemory(bytes_per_element=1)(block) == apart
