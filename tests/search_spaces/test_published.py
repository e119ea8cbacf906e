"""Every published subnet has, in the space of this package, the counts its authors print."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from predictors import CostTable, Macs, Params, compile_cost
from search_spaces import SpaceError, get_space
from search_spaces.blocks import (
    Conv,
    Head,
    MBConv,
    NodeSum,
    PatchEmbed,
    SpatialReduction,
    TransformerLayer,
    layers_of,
)
from search_spaces.published import PublishedSubnet, published_subnets


@cache
def _costs(space: str, options: str) -> tuple[CostTable, CostTable]:
    built = get_space(space, **json.loads(options))
    return compile_cost(built, Macs()), compile_cost(built, Params())


def counts(subnet: PublishedSubnet) -> tuple[float, float]:
    """Return our MACs and parameters."""
    macs, params = _costs(subnet.space, json.dumps(dict(subnet.options)))
    return macs.of(subnet.architecture), params.of(subnet.architecture)


@pytest.mark.parametrize("subnet", published_subnets(), ids=lambda subnet: subnet.name)
def test_counts_are_the_published_ones(subnet: PublishedSubnet) -> None:
    macs, params = counts(subnet)
    assert subnet.macs is not None or subnet.params is not None
    if subnet.macs is not None:
        assert macs == pytest.approx(subnet.macs, rel=0, abs=subnet.macs_within)
    if subnet.params is not None:
        assert params == pytest.approx(subnet.params, rel=0, abs=subnet.params_within)
    assert subnet.source


def test_names_are_different() -> None:
    names = [(subnet.space, subnet.name) for subnet in published_subnets()]
    assert len(set(names)) == len(names)


def by_name(space: str) -> dict[str, PublishedSubnet]:
    return {s.name: s for s in published_subnets() if s.space.startswith(space)}


def check_computed(subnet: PublishedSubnet, entry: dict[str, Any]) -> None:
    """Compare with the digits of an independent count."""
    macs, params = counts(subnet)
    assert round(macs / 1e6, 3) == pytest.approx(entry["computed"]["macs_M"], abs=6e-3)
    assert round(params / 1e6, 4) == pytest.approx(entry["computed"]["params_M"], abs=6e-4)


def test_once_for_all_against_an_independent_count(shared_data: Path) -> None:
    """Ours to a thousandth of a million; the published numbers in the list are the file's."""
    entries = json.loads((shared_data / "once_for_all_published.json").read_text())
    subnets = by_name("ofa_")
    assert {entry["name"] for entry in entries["ofa_specialized"]} <= set(subnets)
    for entry in entries["ofa_specialized"]:
        subnet = subnets[entry["name"]]
        check_computed(subnet, entry)
        assert subnet.macs == entry["published"]["macs_M"] * 1e6
        assert subnet.params == entry["published"]["params_M"] * 1e6


def test_attentive_nas_against_an_independent_count(shared_data: Path) -> None:
    entries = json.loads((shared_data / "once_for_all_published.json").read_text())
    subnets = by_name("attentive_nas")
    assert {entry["name"].lower() for entry in entries["attentivenas"]} == {
        name.lower() for name in subnets
    }
    for entry in entries["attentivenas"]:
        subnet = next(s for name, s in subnets.items() if name.lower() == entry["name"].lower())
        check_computed(subnet, entry)
        assert subnet.macs == entry["published"]["macs_M"] * 1e6


@pytest.mark.parametrize("name", ["proxyless_cpu", "proxyless_mobile"])
def test_proxyless_against_its_configuration_file(shared_data: Path, name: str) -> None:
    """Layer by layer: channels, kernel, stride, expansion and shortcut."""
    path = shared_data / "latency_tables" / f"{name}.config.json"
    config = json.loads(path.read_text())
    subnet = by_name("proxyless")[name]
    blocks = get_space(subnet.space, **subnet.options).blocks(subnet.architecture)
    ours = [block for slot, block in blocks.items() if slot.startswith(("first", "layer"))]
    assert len(ours) == len(config["blocks"])
    for block, layer in zip(ours, config["blocks"], strict=True):
        theirs = layer["mobile_inverted_conv"]
        if theirs["name"] == "ZeroLayer":
            assert block is None
            continue
        assert isinstance(block, MBConv)
        assert (block.cin, block.cout) == (theirs["in_channels"], theirs["out_channels"])
        assert (block.kernel, block.stride) == (theirs["kernel_size"], theirs["stride"])
        assert block.mid == block.cin * theirs["expand_ratio"]
        assert block.shortcut == (layer["shortcut"] is not None)
    final, head = blocks["final"], blocks["head"]
    assert isinstance(final, Conv)
    assert isinstance(head, Head)
    assert final.cout == head.cin == config["feature_mix_layer"]["out_channels"]


@pytest.mark.parametrize(
    ("name", "exact"),
    [
        ("SPOS block search", (322.919, 3_558_464)),
        ("SPOS block and channel search", (327.858, 3_432_579)),
    ],
)
def test_single_path_against_the_closed_form(name: str, exact: tuple[float, int]) -> None:
    macs, params = counts(by_name("spos")[name])
    assert (round(macs / 1e6, 3), params) == exact


def test_single_path_architectures_are_the_file_s(shared_data: Path) -> None:
    entries = json.loads((shared_data / "vit_spos_published.json").read_text())["models"]
    found = [e for e in entries if e["family"] == "SPOS-ShuffleNetV2" and "arch" in e]
    operations = ("shuffle_3", "shuffle_5", "shuffle_7", "xception")
    for entry, subnet in zip(found[:2], by_name("spos").values(), strict=True):
        arch = entry["arch"]
        for layer, operation in enumerate(arch["ops"], start=1):
            assert subnet.architecture[f"operation_{layer}"] == operations[operation]
        for layer, position in enumerate(arch.get("scale_ids", ()), start=1):
            scale = arch["scale_list"][position]
            assert subnet.architecture[f"scale_{layer}"] == scale
        assert subnet.macs == entry["published"]["flops_M"] * 1e6


def test_scaled_networks_are_the_file_s(shared_data: Path) -> None:
    """Those of the list that an independent counter recounted; B2 is listed at two sizes."""
    entries = json.loads((shared_data / "published_architectures.json").read_text())["entries"]
    recounted = {(e.get("macs"), e.get("params")) for e in entries}
    subnets = {n: s for n, s in by_name("efficientnet").items() if s.space == "efficientnet"}
    assert len(subnets) == 13
    found = [s for s in subnets.values() if (s.macs, s.params) in recounted]
    assert len(found) >= 8


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [("ghostnet", 2), ("fasternet", 4), ("efficientnet_v2", 1), ("lsnet", 2)],
)
def test_recounted_networks_are_the_file_s(shared_data: Path, prefix: str, expected: int) -> None:
    """Those of each space that the file lists, to the integer."""
    entries = json.loads((shared_data / "published_architectures.json").read_text())["entries"]
    listed = {
        (e["macs"], e["params"]) for e in entries if e["name"].split(":")[-1].startswith(prefix)
    }
    subnets = [s for s in published_subnets() if s.space == prefix]
    assert len([s for s in subnets if (s.macs, s.params) in listed]) == expected


def test_mcunet_is_the_file_s(shared_data: Path) -> None:
    """Of in3 the configuration and counts; of vww1 every layer, and weights and biases."""
    file = json.loads((shared_data / "published_architectures.json").read_text())
    in3, vww1 = by_name("mcunet").values()
    entry = next(e for e in file["entries"] if e["name"] == "netaug/MCUNet(mcunet-in3)")
    assert (in3.macs, in3.params) == (entry["macs"], entry["params"])
    for s, stage in enumerate(entry["config"]["stages"], start=1):
        depth = in3.architecture[f"depth_{s}"]
        assert depth == stage["n"]
        assert [in3.architecture[f"kernel_{s}_{b}"] for b in range(depth)] == stage["k"]
        assert [in3.architecture[f"expand_{s}_{b}"] for b in range(depth)] == stage["e"]
    golden = file["peak_memory"]["vww_tflite_mcunet_vww1"]
    blocks = get_space("mcunet", **vww1.options).blocks(vww1.architecture).values()
    layers = [layer for block in blocks if block for layer in layers_of(block)]
    convolved = [layer for layer in layers if layer.op in ("conv2d", "linear")]
    theirs = [row for row in golden["layers"] if "CONV" in row["op"]]
    for layer, row in zip(convolved, theirs, strict=True):
        assert layer.macs == row["macs"]
        assert (layer.in_shape[0], layer.out_shape[0]) == (row["input_c"], row["output_c"])
        assert layer.kernel == row["kernel_h"]
    folded = sum(la.params // (2 if la.op == "batch_norm" else 1) for la in layers)
    assert folded == golden["weights_plus_bias"]


def test_multi_stage_transformers_are_the_file_s(shared_data: Path) -> None:
    """Stem, every layer and reduction, and the parameters of the layers."""
    entries = json.loads((shared_data / "vit_spos_published.json").read_text())["models"]
    found = [e for e in entries if e["family"] == "ViT-ResNAS"]
    assert len(found) == 2
    for entry in found:
        subnet = by_name("vit_resnas")[entry["name"]]
        built = get_space(subnet.space, **subnet.options).blocks(subnet.architecture)
        blocks = [block for block in built.values() if block is not None]
        (stem, width), *rows, (_, _, classes) = entry["arch"]["network_def"]
        assert stem == 4, "three convolutions and patches of their map"
        assert [type(block) for block in blocks[:5]] == [Conv, Conv, Conv, NodeSum, PatchEmbed]
        assert (blocks[3].cin, blocks[4].cout) == (24, width)
        for block, (kind, *row) in zip(blocks[5:-1], rows, strict=True):
            if kind == 3:
                assert isinstance(block, SpatialReduction)
                assert [block.cin, block.cout] == row
            else:
                assert isinstance(block, TransformerLayer)
                assert [[block.cin, block.heads, block.head_dim], [block.cin, block.mid], 1] == row
        assert blocks[-1].out_shape == (classes,)
        layers = sum(Params()(block) for block in blocks if isinstance(block, TransformerLayer))
        measured = entry["measured"]
        assert round(layers / 1e6, 2) == pytest.approx(
            measured["transformer_block_params_M"], abs=0.011
        )
        assert subnet.macs == measured["macs_M_repo_estimator"] * 1e6


def test_transformers_are_the_file_s(shared_data: Path) -> None:
    """Every layer, and the multiply-accumulates that torch counts."""
    entries = json.loads((shared_data / "vit_spos_published.json").read_text())["models"]
    subnets = by_name("autoformer")
    found = [e for e in entries if e["family"] == "AutoFormer" or "PreNAS" in e["family"]]
    assert len(found) == 11
    for entry in found:
        subnet, arch = subnets[entry["name"].replace(".0M", "M")], entry["arch"]
        blocks = get_space(subnet.space, **subnet.options).blocks(subnet.architecture)
        layers = [b for b in blocks.values() if isinstance(b, TransformerLayer)]
        assert len(layers) == arch["depth"]
        assert [b.heads for b in layers] == arch["num_heads"]
        assert [b.mid / b.cin for b in layers] == arch["mlp_ratio"]
        assert {b.cin for b in layers} == {arch["embed_dim"]}
        assert subnet.params == entry["measured"]["params"]
        if subnet.macs is not None:
            assert subnet.macs == entry["measured"]["macs_M_torch_flopcounter"] * 1e6


@pytest.mark.parametrize(
    "subnet", [s for s in published_subnets() if s.space == "autoformer"], ids=lambda s: s.name
)
def test_transformers_lie_in_their_published_space(subnet: PublishedSubnet) -> None:
    """All but AutoFormer-T, with its perceptrons of three times the width."""
    space = get_space("autoformer", size=subnet.options["size"])
    if subnet.name == "AutoFormer-T":
        with pytest.raises(SpaceError, match=r"mlp_ratio_3.*3\.0"):
            space.blocks(subnet.architecture)
    else:
        assert space.blocks(subnet.architecture)["head"] is not None
