"""Costs of every block family grow with every size."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from predictors import Macs, Params, PeakMemory
from search_spaces.blocks import (
    AsymmetricConv,
    BlockSpec,
    Bottleneck,
    ChannelMixer,
    Conv,
    DepthwiseMixer,
    FactorizedReduce,
    FusedMBConv,
    Ghost,
    GhostBottleneck,
    Head,
    LSConv,
    MapAttention,
    MBConv,
    PartialConvBlock,
    PreActConv,
    PreActResidual,
    PrivateMlp,
    SeparableConv,
    ShuffleV2,
    ShuffleXception,
    TokenHead,
    TransformerLayer,
)

SIZES = st.integers(2, 40)
KERNELS = st.sampled_from([1, 3, 5])
BLOCKS = st.one_of(
    st.builds(Conv, SIZES, SIZES, SIZES, kernel=KERNELS),
    st.builds(MBConv, SIZES, SIZES, SIZES, SIZES, kernel=KERNELS, se=st.integers(1, 8)),
    st.builds(Bottleneck, SIZES, SIZES, SIZES, SIZES, kernel=KERNELS, project=st.just(True)),
    st.builds(PreActConv, SIZES, SIZES, SIZES, kernel=KERNELS),
    st.builds(AsymmetricConv, SIZES, SIZES, SIZES, kernel=KERNELS),
    st.builds(FactorizedReduce, SIZES, SIZES, SIZES),
    st.builds(SeparableConv, SIZES, SIZES, SIZES, kernel=KERNELS, repeats=st.integers(1, 3)),
    st.builds(PreActResidual, SIZES, SIZES, SIZES, kernel=KERNELS),
    st.builds(Head, SIZES, SIZES, SIZES, hidden=st.integers(1, 40)),
    st.builds(FusedMBConv, SIZES, SIZES, SIZES, SIZES, kernel=KERNELS, se=st.integers(1, 8)),
    st.builds(Ghost, SIZES, SIZES, SIZES, kernel=KERNELS),
    st.builds(
        GhostBottleneck, SIZES, SIZES, SIZES, SIZES, kernel=KERNELS, stride=st.just(2), se=SIZES
    ),
    st.builds(PartialConvBlock, st.integers(9, 40), SIZES, SIZES, part=st.integers(1, 8)),
    st.builds(LSConv, SIZES, SIZES, SIZES, kernels=SIZES, kernel=KERNELS),
    st.builds(DepthwiseMixer, SIZES, SIZES, kernel=KERNELS, se=SIZES),
    st.builds(ChannelMixer, SIZES, SIZES, SIZES),
    st.builds(MapAttention, SIZES, SIZES, SIZES, SIZES, SIZES, kernel=KERNELS),
    st.builds(TransformerLayer, SIZES, SIZES, SIZES, SIZES, head_dim=SIZES),
    st.builds(TransformerLayer, SIZES, SIZES, SIZES, SIZES, relative=st.just(False)),
    st.builds(PrivateMlp, SIZES, SIZES, SIZES),
    st.builds(TokenHead, SIZES, SIZES, SIZES),
    st.builds(TokenHead, SIZES, SIZES, SIZES, pool=st.just("class")),
    st.builds(ShuffleXception, SIZES, st.integers(41, 80), SIZES, SIZES, stride=st.just(2)),
    st.builds(
        ShuffleV2, SIZES, st.integers(41, 80), SIZES, SIZES, kernel=KERNELS, stride=st.just(2)
    ),
)


@given(BLOCKS, st.data())
def test_costs_grow_with_every_size(block: BlockSpec, data: st.DataObject) -> None:
    """Widths, kernel and resolution: never cheaper, and dearer where something is computed."""
    sizes = (
        "cin",
        "cout",
        "mid",
        "hw",
        "kernel",
        "hidden",
        "classes",
        "se",
        "heads",
        "key_dim",
        "value_dim",
        "tokens",
        "head_dim",
    )
    fields = [field.name for field in dataclasses.fields(block) if field.name in sizes]
    name = data.draw(st.sampled_from(fields))
    step = 2 if name == "kernel" else data.draw(st.integers(1, 8))
    changes = {name: getattr(block, name) + step}
    if name == "cin" and isinstance(block, ShuffleV2 | ShuffleXception):
        changes["cout"] = block.cout + step  # the side branch widens, the main one stays
    larger = dataclasses.replace(block, **changes)
    for cost in (Macs(), Params(), PeakMemory()):
        assert cost(larger) >= cost(block)
    if name not in ("hw", "tokens"):
        assert Params()(larger) > Params()(block)
        assert Macs()(larger) > Macs()(block)
