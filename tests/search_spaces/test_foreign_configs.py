"""Once-for-all's net.config: round trip, both spellings, and networks outside the space."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search_spaces import Architecture, SearchSpace, SpaceError, get_space
from search_spaces.foreign_configs import from_net_config, read_net_config, to_net_config


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return get_space("ofa_mobilenet_v3", width=1.2, resolutions=[192, 224])


@pytest.fixture
def config(space: SearchSpace) -> dict[str, Any]:
    return to_net_config(space, _sample(space, 1)[0])


def _sample(space: SearchSpace, n: int) -> list[Architecture]:
    population = space.sample(n, np.random.default_rng(0))
    return [space.decode(row) for row in population]


def test_round_trip_through_json(space: SearchSpace) -> None:
    for architecture in _sample(space, 100):
        text = json.dumps(to_net_config(space, architecture))
        resolution = space.resolution_of(architecture)
        again = from_net_config(space, json.loads(text), resolution=resolution)
        assert space.id_of(again) == space.id_of(architecture)


@pytest.mark.parametrize("width", [0.35, 1.0])
def test_round_trip_at_widths_whose_channels_are_rounded(width: float) -> None:
    space = get_space("ofa_mobilenet_v3", width=width, classes=10, resolutions=[128])
    for architecture in _sample(space, 50):
        again = from_net_config(space, to_net_config(space, architecture))
        assert space.id_of(again) == space.id_of(architecture)


def test_layers_as_the_reference_writes_them(config: dict[str, Any]) -> None:
    """Values of a subnet that the published code extracts at width 1.2."""
    assert list(config) == [
        "name",
        "bn",
        "first_conv",
        "blocks",
        "final_expand_layer",
        "feature_mix_layer",
        "classifier",
    ]
    assert config["first_conv"]["out_channels"] == 24
    first = config["blocks"][0]
    assert first["mobile_inverted_conv"]["expand_ratio"] == 1
    assert first["mobile_inverted_conv"]["mid_channels"] is None
    assert first["shortcut"]["name"] == "IdentityLayer"
    assert config["blocks"][1]["shortcut"] is None
    assert config["feature_mix_layer"]["out_channels"] == 1536
    assert not config["feature_mix_layer"]["use_bn"]
    assert config["classifier"]["dropout_rate"] == 0.1


def test_the_newer_spelling_and_ratios_alone_are_read(
    space: SearchSpace, config: dict[str, Any]
) -> None:
    expected = from_net_config(space, config, resolution=224)
    newer = copy.deepcopy(config)
    for block in newer["blocks"]:
        block["conv"] = block.pop("mobile_inverted_conv")
        block["conv"]["mid_channels"] = None
        block["conv"]["groups"] = None
    assert from_net_config(space, newer, resolution=224) == expected


def _layer(config: dict[str, Any], index: int) -> dict[str, Any]:
    layer: dict[str, Any] = config["blocks"][index]["mobile_inverted_conv"]
    return layer


def test_the_first_choice_outside_the_space_is_named(
    space: SearchSpace, config: dict[str, Any]
) -> None:
    _layer(config, 2)["kernel_size"] = 9
    with pytest.raises(SpaceError, match=r"'kernel_1_1' has no option 9; allowed: \[3, 5, 7\]"):
        from_net_config(space, config, resolution=224)
    _layer(config, 1).update(expand_ratio=5, mid_channels=None)
    with pytest.raises(SpaceError, match=r"'expand_1_0' has no option 5; allowed: \[3, 4, 6\]"):
        from_net_config(space, config, resolution=224)
    config["blocks"].insert(2, config["blocks"][2])
    config["blocks"].insert(2, config["blocks"][2])
    config["blocks"].insert(2, config["blocks"][2])
    with pytest.raises(SpaceError, match=r"'depth_1' has no option \d; allowed: \[2, 3, 4\]"):
        from_net_config(space, config, resolution=224)


def test_the_resolution_is_not_in_the_file(space: SearchSpace, config: dict[str, Any]) -> None:
    with pytest.raises(SpaceError, match=r"holds no resolution.*\[192, 224\]"):
        from_net_config(space, config)
    with pytest.raises(SpaceError, match=r"no option 200"):
        from_net_config(space, config, resolution=200)


def test_other_widths_classes_and_layers_are_refused(
    space: SearchSpace, config: dict[str, Any]
) -> None:
    narrow = get_space("ofa_mobilenet_v3", resolutions=[224])
    with pytest.raises(SpaceError, match=r"first_conv .* out_channels 24, .* 16.*width=1\.2"):
        from_net_config(narrow, config)
    for change, match in (
        (lambda c: c["classifier"].update(out_features=10), "classifier .* out_features 10"),
        (lambda c: _layer(c, 3).update(act_func="h_swish"), "blocks.3 .* act_func 'h_swish'"),
        (lambda c: _layer(c, 2).update(mid_channels=100), "blocks.2 .* mid_channels 100"),
        (lambda c: c["blocks"][0].update(shortcut=None), "blocks.0 .* shortcut False"),
        (lambda c: c.pop("first_conv"), "no object 'first_conv'"),
        (lambda c: c.pop("blocks"), "a list 'blocks'"),
        (lambda c: c["blocks"].insert(1, 3), "Block 1 .* needs an object"),
        (lambda c: c["blocks"][2].update(shortcut=None), "6 blocks without shortcut"),
    ):
        wrong = copy.deepcopy(config)
        change(wrong)
        with pytest.raises(SpaceError, match=match):
            from_net_config(space, wrong, resolution=224)


def test_other_spaces_are_refused(config: dict[str, Any]) -> None:
    space = get_space("mobile_small")
    with pytest.raises(SpaceError, match="belongs to the space 'ofa_mobilenet_v3'"):
        from_net_config(space, config)


def test_files(space: SearchSpace, config: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "net.config"
    with pytest.raises(SpaceError, match="Cannot read"):
        read_net_config(space, path)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(SpaceError, match="no valid JSON"):
        read_net_config(space, path)
    path.write_text(json.dumps(config), encoding="utf-8")
    read = read_net_config(space, path, resolution=192)
    assert read == from_net_config(space, config, resolution=192)
