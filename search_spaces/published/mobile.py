"""Networks of inverted residuals for phones and microcontrollers."""

from __future__ import annotations

from search_spaces.architecture import Architecture
from search_spaces.choices import Option
from search_spaces.published.once_for_all import stages_of
from search_spaces.published.subnet import PublishedSubnet

__all__ = ["attentive_nas", "mcunet", "netaug", "proxyless"]

# Wang et al. 2021: name, resolution, widths (stem, seven stages, last), then kernel, expansion
# and depth of the stages; MACs in millions.
_ATTENTIVE_SOURCE = "README.md of facebookresearch/AttentiveNAS (arXiv:2011.09011)"
_ATTENTIVE_NAS = (
    ("A0", 192, (16, 16, 24, 32, 64, 112, 192, 216, 1792), "3333333", "1444466", "1333331", 203),
    ("A1", 224, (16, 16, 24, 32, 64, 112, 192, 216, 1984), "3335353", "1444466", "1333331", 279),
    ("A2", 224, (16, 16, 24, 32, 64, 112, 200, 224, 1984), "3333353", "1454466", "1333341", 317),
    ("A3", 224, (16, 16, 24, 32, 64, 112, 208, 224, 1984), "3335333", "1444466", "2334351", 357),
    ("A4", 256, (16, 16, 24, 32, 64, 112, 192, 216, 1984), "3335353", "1445466", "1334351", 444),
    ("A5", 256, (16, 16, 24, 32, 72, 112, 192, 216, 1792), "3335333", "1454466", "1333461", 491),
    ("A6", 288, (16, 16, 24, 32, 64, 112, 216, 224, 1984), "3333353", "1465466", "1334461", 709),
)


def attentive_nas() -> list[PublishedSubnet]:
    """Return AttentiveNAS A0 to A6."""
    subnets = []
    for name, resolution, widths, kernels, expansions, depths, macs in _ATTENTIVE_NAS:
        options: dict[str, Option] = {"resolution": resolution, "width_stem": widths[0]}
        stages = zip(widths[1:-1], kernels, expansions, depths, strict=True)
        for s, (width, kernel, expand, depth) in enumerate(stages, start=1):
            options |= {f"width_{s}": width, f"kernel_{s}": int(kernel)}
            options |= {f"expand_{s}": int(expand), f"depth_{s}": int(depth)}
        architecture = Architecture({**options, "width_last": widths[-1]})
        subnets.append(
            PublishedSubnet(
                f"AttentiveNAS-{name}",
                "attentive_nas",
                architecture,
                macs * 1e6,
                None,
                _ATTENTIVE_SOURCE,
                macs_within=0.5e6,
            )
        )
    return subnets


# Cai, Zhu, Han 2019: name, widths of the layers, kernel and expansion of each operation (or
# skip), MACs and parameters in millions. The GPU network's configuration is not at hand.
_PROXYLESS_SOURCE = "logs of mit-han-lab/proxylessnas (arXiv:1812.00332)"
_PROXYLESS = (
    (
        "proxyless_cpu",
        (40, 24, 32, 48, 88, 104, 216, 360, 1432),
        "36 33 33 33 36 33 33 53 36 skip skip 33 56 33 33 33 56 53 53 33 56",
        439.24,
        4.36,
    ),
    (
        "proxyless_mobile",
        (32, 16, 32, 40, 80, 96, 192, 320, 1280),
        "53 33 skip skip 73 33 53 53 76 53 53 53 56 53 53 53 76 76 73 73 76",
        320.43,
        4.08,
    ),
)


def proxyless() -> list[PublishedSubnet]:
    """Return ProxylessNAS's networks for CPU, GPU and phones."""
    subnets = []
    for name, widths, operations, macs, params in _PROXYLESS:
        options: dict[str, Option] = {"resolution": 224}
        for layer, operation in enumerate(operations.split(), start=1):
            chosen = operation if operation == "skip" else f"k{operation[0]}_e{operation[1]}"
            options[f"operation_{layer}"] = chosen
        subnets.append(
            PublishedSubnet(
                name,
                "proxyless",
                Architecture(options),
                macs * 1e6,
                params * 1e6,
                _PROXYLESS_SOURCE,
                options={"widths": list(widths)},
                macs_within=0.005e6,
                params_within=0.005e6,
            )
        )
    return subnets


# Cai et al. 2022: width, resolution, channels of the layers, MACs, parameters.
_NETAUG_SOURCE = (
    "mit-han-lab/tinyml's definition of NetAug's networks, recounted (arXiv:2110.08890)"
)
_NETAUG = (
    (0.3, 176, (16, 8, 16, 16, 24, 32, 56, 96, 1280), 40_762_792, 1_695_448),
    (0.35, 160, (16, 8, 16, 16, 32, 32, 64, 112, 1280), 35_716_800, 1_781_344),
)


def netaug() -> list[PublishedSubnet]:
    """Return ProxylessNAS's mobile network at small widths; the last convolution keeps its."""
    mobile = next(subnet for subnet in proxyless() if subnet.name == "proxyless_mobile")
    return [
        PublishedSubnet(
            f"proxyless_mobile-w{width}",
            "proxyless",
            Architecture({**mobile.architecture, "resolution": resolution}),
            macs,
            params,
            _NETAUG_SOURCE,
            options={"widths": list(channels), "resolutions": [resolution]},
        )
        for width, resolution, channels, macs, params in _NETAUG
    ]


# Lin et al. 2020: name, classes, resolution, for each stage the kernels and the expansions of its
# blocks; MACs and parameters, of in3 as its authors' definition counts to the integer, of vww1 as
# the README prints them.
_MCUNET_SOURCE = "mit-han-lab/tinyml's definition and mcunet's README (arXiv:2007.10319)"
_MCUNET = (
    ("in3", 1000, 176, "7375 555 375 573 373 7", "3554 555 564 555 654 5", 81_785_520, 737_408, 0),
    ("vww1", 2, 80, "333 735 77 33 533 7", "633 365 66 64 554 3", 11.6e6, 0.43e6, 0.05e6),
)


def mcunet() -> list[PublishedSubnet]:
    """Return MCUNet's published networks."""
    return [
        PublishedSubnet(
            f"mcunet-{name}",
            "mcunet",
            Architecture(
                {**stages_of(resolution, kernels.split(), expansions.split()), "width": 0.5}
            ),
            macs,
            params,
            _MCUNET_SOURCE,
            options={"classes": classes},
            macs_within=within,
            params_within=within / 10,
        )
        for name, classes, resolution, kernels, expansions, macs, params, within in _MCUNET
    ]
