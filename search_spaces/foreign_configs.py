"""Architectures as once-for-all's ``net.config`` and back.

The format is that of mit-han-lab/once-for-all (Cai et al. 2020, arXiv:1908.09791): JSON with
one object for each layer. It holds no resolution; that is in a ``run.config`` beside it, under
``image_size``. Both spellings of a block are read: ``conv``, and ``mobile_inverted_conv`` of
the published subnets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from search_spaces.architecture import Architecture
from search_spaces.blocks import BlockSpec, Conv, Head, MBConv
from search_spaces.choices import Option
from search_spaces.errors import SpaceError
from search_spaces.space import SearchSpace

__all__ = ["from_net_config", "read_net_config", "to_net_config"]

_SPACE = "ofa_mobilenet_v3"
_STAGES = 5
_BATCH_NORM = {"momentum": 0.1, "eps": 1e-5}
_LAYER = {"dropout_rate": 0, "ops_order": "weight_bn_act"}


# writing


def to_net_config(space: SearchSpace, architecture: Architecture) -> dict[str, Any]:
    """Return the ``net.config`` of an architecture.

    Args:
        space: ``ofa_mobilenet_v3``.
        architecture: One option for each choice; its resolution is not in the result.

    Raises:
        SpaceError: The space is another, or the architecture is not of the space.
    """
    _check_space(space)
    blocks = [block for block in space.blocks(architecture).values() if block is not None]
    stem, *inner, final, head = blocks
    assert isinstance(stem, Conv)
    assert isinstance(final, Conv)
    assert isinstance(head, Head)
    mixed = _conv_layer(head.cin, head.hidden, act=head.act, use_bn=False)
    return {
        "name": "MobileNetV3",
        "bn": dict(_BATCH_NORM),
        "first_conv": _conv(stem),
        "blocks": [_residual(block) for block in inner],
        "final_expand_layer": _conv(final),
        "feature_mix_layer": mixed,
        "classifier": {
            "name": "LinearLayer",
            "in_features": head.hidden,
            "out_features": head.classes,
            "bias": head.bias,
            "use_bn": False,
            "act_func": None,
            **_LAYER,
            "dropout_rate": head.dropout,
        },
    }


def _conv(block: Conv) -> dict[str, Any]:
    return _conv_layer(
        block.cin, block.cout, kernel=block.kernel, stride=block.stride, act=block.act
    )


def _conv_layer(
    cin: int, cout: int, *, act: str | None, kernel: int = 1, stride: int = 1, use_bn: bool = True
) -> dict[str, Any]:
    return {
        "name": "ConvLayer",
        "kernel_size": kernel,
        "stride": stride,
        "dilation": 1,
        "groups": 1,
        "bias": False,
        "has_shuffle": False,
        "in_channels": cin,
        "out_channels": cout,
        "use_bn": use_bn,
        "act_func": act,
        **_LAYER,
    }


def _residual(block: BlockSpec) -> dict[str, Any]:
    assert isinstance(block, MBConv)
    ends = {"in_channels": block.cin, "out_channels": block.cout}
    identity = {"name": "IdentityLayer", **ends, "use_bn": False, "act_func": None, **_LAYER}
    return {
        "name": "MobileInvertedResidualBlock",
        "mobile_inverted_conv": {
            "name": "MBInvertedConvLayer",
            **ends,
            "kernel_size": block.kernel,
            "stride": block.stride,
            "expand_ratio": round(block.mid / block.cin),
            "mid_channels": block.mid if block.expand_conv else None,
            "act_func": block.act,
            "use_se": block.se > 0,
        },
        "shortcut": identity if block.shortcut else None,
    }


# reading


def read_net_config(
    space: SearchSpace, path: Path | str, *, resolution: int | None = None
) -> Architecture:
    """Read a ``net.config`` file; see `from_net_config`.

    Raises:
        SpaceError: The file is missing, no JSON, or no network of the space.
    """
    path = Path(path)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpaceError(f"Cannot read the net.config {path}: {error.strerror}.") from error
    except ValueError as error:
        raise SpaceError(f"{path} is no valid JSON: {error}.") from error
    return from_net_config(space, config, resolution=resolution)


def from_net_config(
    space: SearchSpace, config: Mapping[str, Any], *, resolution: int | None = None
) -> Architecture:
    """Return the architecture that a ``net.config`` describes, in canonical form.

    Args:
        space: ``ofa_mobilenet_v3``, of the same width and classes.
        config: The object that the file holds.
        resolution: Of the input, which the format lacks; by default the space's only one.

    Raises:
        SpaceError: It is no such object, or describes a network outside the space: the first
            choice without the option is named with what is allowed, or the first layer that
            differs.
    """
    _check_space(space)
    layers = [_block_layer(config, i) for i in range(len(_list(config, "blocks")))]
    stages = _split([shortcut for _, shortcut in layers[1:]])
    options: dict[str, Option] = {c.name: c.options[0] for c in space.choices}
    options["resolution"] = _resolution(space, resolution)
    position = 1
    for s, depth in enumerate(stages, start=1):
        _choose(space, options, f"depth_{s}", depth)
        for b in range(depth):
            layer, _ = layers[position]
            _choose(space, options, f"kernel_{s}_{b}", layer.get("kernel_size"))
            _choose(space, options, f"expand_{s}_{b}", _expansion(layer))
            position += 1
    architecture = Architecture(options)
    _check_layers(config, to_net_config(space, architecture))
    return space.decode(space.canonical(space.encode(architecture)[None])[0])


def _check_space(space: SearchSpace) -> None:
    """Refuse a space whose architectures the format cannot hold.

    Raises:
        SpaceError: It is not once-for-all's MobileNetV3.
    """
    if space.name != _SPACE:
        raise SpaceError(
            f"A net.config of MobileNetV3 belongs to the space {_SPACE!r}, not to "
            f"{space.name!r}. Use get_space({_SPACE!r}, width=...)."
        )


def _list(config: Any, key: str) -> Sequence[Any]:
    value = config.get(key) if isinstance(config, Mapping) else None
    if not isinstance(value, list):
        raise SpaceError(f"A net.config is a JSON object with a list {key!r}, got {config!r:.80}.")
    return value


def _block_layer(config: Mapping[str, Any], index: int) -> tuple[Mapping[str, Any], bool]:
    """Return the inverted residual of a block and whether it has a shortcut."""
    block = config["blocks"][index]
    if isinstance(block, Mapping):
        layer = block.get("conv", block.get("mobile_inverted_conv"))
        if isinstance(layer, Mapping):
            return layer, block.get("shortcut") is not None
    raise SpaceError(
        f"Block {index} of the net.config needs an object 'conv' or 'mobile_inverted_conv', got "
        f"{block!r:.80}."
    )


def _split(shortcuts: Sequence[bool]) -> list[int]:
    """Return the depths of the stages, each of which begins with a block without shortcut.

    Raises:
        SpaceError: There are not five stages.
    """
    starts = [i for i, shortcut in enumerate(shortcuts) if not shortcut]
    if len(starts) != _STAGES or starts[0] != 0:
        raise SpaceError(
            f"The net.config has {len(starts)} blocks without shortcut after the first block; "
            f"the space has {_STAGES} stages, each of which begins with one."
        )
    return [end - start for start, end in zip(starts, [*starts[1:], len(shortcuts)], strict=True)]


def _resolution(space: SearchSpace, resolution: int | None) -> Option:
    [choice] = [choice for choice in space.choices if choice.name == "resolution"]
    if resolution is None:
        if len(choice.options) > 1:
            raise SpaceError(
                "A net.config holds no resolution: give it, as run.config does under "
                f"image_size; allowed: {list(choice.options)}."
            )
        return choice.options[0]
    return choice.options[choice.index(resolution)]


def _choose(space: SearchSpace, options: dict[str, Option], name: str, option: Any) -> None:
    """Set a choice.

    Raises:
        SpaceError: It does not have the option.
    """
    [choice] = [choice for choice in space.choices if choice.name == name]
    options[name] = choice.options[choice.index(option)]


def _expansion(layer: Mapping[str, Any]) -> Any:
    """Return the expansion ratio; it gives way to channels, as in the format's own reader."""
    mid, cin = layer.get("mid_channels"), layer.get("in_channels")
    if isinstance(mid, int) and isinstance(cin, int) and cin > 0:
        return round(mid / cin)  # channels are multiples of 8; `_check_layers` compares them
    return layer.get("expand_ratio")


def _check_layers(given: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    """Compare what the choices do not cover: widths, strides, activations, classes.

    Raises:
        SpaceError: A layer differs.
    """
    pairs: list[tuple[str, Any, Mapping[str, Any]]] = [
        (name, given.get(name), ours[name]) for name in ours if isinstance(ours[name], dict)
    ]
    for i in range(len(ours["blocks"])):
        theirs, shortcut = _block_layer(given, i)
        mine, my_shortcut = _block_layer(ours, i)
        pairs.append((f"blocks.{i}", theirs, mine))
        pairs.append((f"blocks.{i}", {"shortcut": shortcut}, {"shortcut": my_shortcut}))
    for where, theirs, mine in pairs:
        if where != "bn":
            _check_layer(where, theirs, mine)


_COMPARED = (
    "in_channels",
    "out_channels",
    "in_features",
    "out_features",
    "kernel_size",
    "stride",
    "mid_channels",
    "act_func",
    "use_se",
    "use_bn",
    "bias",
    "dilation",
    "groups",
    "shortcut",
)


def _check_layer(where: str, given: Any, ours: Mapping[str, Any]) -> None:
    if not isinstance(given, Mapping):
        raise SpaceError(f"The net.config has no object {where!r}, got {given!r:.80}.")
    for key in _COMPARED:
        if key not in ours or given.get(key) is None:
            continue  # what a file leaves out is what the format assumes
        if given[key] != ours[key]:
            raise SpaceError(
                f"{where} of the net.config has {key} {given[key]!r}, the space's network has "
                f"{ours[key]!r}. Give the space the width and classes of the file, for example "
                "--option width=1.2."
            )
