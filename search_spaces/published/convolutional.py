"""Convolutional networks of other blocks: ShuffleNetV2, GhostNet, FasterNet, LSNet."""

from __future__ import annotations

from search_spaces.architecture import Architecture
from search_spaces.choices import Option
from search_spaces.published.subnet import PublishedSubnet
from search_spaces.spos_shufflenet_v2 import OPERATIONS, SCALES

__all__ = ["fasternet", "ghostnet", "lsnet", "single_path"]

# Guo et al. 2020: positions among the operations, and among the ten channel scales.
_SPOS = (
    (
        "SPOS block search",
        "21012020202300003233",
        None,
        (323e6, 3.5e6),
        "README.md of megvii-model/SinglePathOneShot (arXiv:1904.00420)",
    ),
    (
        "SPOS block and channel search",
        "00311100202110202132",
        "65352634257546744543",
        (328e6, 3.4e6),
        "OneShot/README.md of megvii-model/ShuffleNet-Series (arXiv:1904.00420)",
    ),
)


def single_path() -> list[PublishedSubnet]:
    """Return what SPOS found by blocks, and by blocks and channels."""
    subnets = []
    for name, operations, scales, (macs, params), source in _SPOS:
        options: dict[str, Option] = {
            f"operation_{layer}": OPERATIONS[int(position)]
            for layer, position in enumerate(operations, start=1)
        }
        if scales:
            options |= {
                f"scale_{layer}": SCALES[int(position)]
                for layer, position in enumerate(scales, start=1)
            }
        subnets.append(
            PublishedSubnet(
                name,
                "spos_shufflenet_v2",
                Architecture(options),
                macs,
                params,
                source,
                options={"channel_scales": scales is not None},
                macs_within=0.5e6,
                params_within=0.06e6,
            )
        )
    return subnets


# Han et al. 2020: width, MACs, parameters.
_GHOSTNET_SOURCE = "timm's definition, recounted (arXiv:1911.11907)"
_GHOSTNET = (
    (0.5, 42_328_152, 2_587_292),
    (1.0, 141_150_512, 5_182_508),
    (1.3, 227_003_256, 7_358_820),
)


def ghostnet() -> list[PublishedSubnet]:
    """Return GhostNet at its published widths."""
    return [
        PublishedSubnet(
            f"GhostNet-{width}",
            "ghostnet",
            Architecture({"resolution": 224, "width": width}),
            macs,
            params,
            _GHOSTNET_SOURCE,
        )
        for width, macs, params in _GHOSTNET
    ]


# Chen et al. 2023: name, width, depths, activation, MACs, parameters.
_FASTERNET_SOURCE = "timm's definition, recounted (arXiv:2303.03667)"
_FASTERNET = (
    ("T0", 40, (1, 2, 8, 2), "gelu", 335_422_720, 3_905_500),
    ("T1", 64, (1, 2, 8, 2), "gelu", 850_511_872, 7_595_368),
    ("T2", 96, (1, 2, 8, 2), "relu", 1_904_334_848, 14_982_888),
    ("S", 128, (1, 2, 13, 2), "relu", 4_549_740_544, 31_181_032),
    ("M", 144, (3, 4, 18, 3), "relu", 8_721_938_432, 53_521_464),
    ("L", 192, (3, 4, 18, 3), "relu", 15_494_383_616, 93_465_192),
)


def fasternet() -> list[PublishedSubnet]:
    """Return FasterNet T0 to L."""
    return [
        PublishedSubnet(
            f"FasterNet-{name}",
            "fasternet",
            Architecture(
                {"resolution": 224, "width": width}
                | {f"depth_{s}": depth for s, depth in enumerate(depths, start=1)}
            ),
            macs,
            params,
            _FASTERNET_SOURCE,
            options={"act": act},
        )
        for name, width, depths, act, macs, params in _FASTERNET
    ]


# Wang et al. 2025: name, widths, depths, MACs, parameters; the aggregation of the large-small
# convolutions is left out, as in the authors' own counts.
_LSNET_SOURCE = "jameslahm/lsnet's definition, recounted without aggregation (arXiv:2503.23135)"
_LSNET = (
    ("T", (64, 128, 256, 384), (0, 2, 8, 10), 315_147_392, 11_409_832),
    ("S", (96, 192, 320, 448), (1, 2, 8, 10), 537e6, 16_146_304),
    ("B", (128, 256, 384, 512), (4, 6, 8, 10), 1_240_906_752, 23_313_608),
)


def lsnet() -> list[PublishedSubnet]:
    """Return LSNet T, S and B."""
    return [
        PublishedSubnet(
            f"LSNet-{name}",
            "lsnet",
            Architecture(
                {"resolution": 224}
                | {f"width_{s}": width for s, width in enumerate(widths, start=1)}
                | {f"depth_{s}": depth for s, depth in enumerate(depths, start=1)}
            ),
            macs,
            params,
            _LSNET_SOURCE,
            macs_within=0.5e6 if name == "S" else 0.0,
        )
        for name, widths, depths, macs, params in _LSNET
    ]
