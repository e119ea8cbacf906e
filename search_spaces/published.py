"""Published subnets: configurations and counts that a space here must reproduce.

Only facts: what a paper or its repository prints, and the architecture it prints it for, in
the choices of the space of this package. Computing the counts is left to the reader:
`predictors.compile_cost`, or a table made of this list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from search_spaces.architecture import Architecture
from search_spaces.autoformer import SIZES
from search_spaces.choices import Option
from search_spaces.spos_shufflenet_v2 import OPERATIONS, SCALES
from search_spaces.vit_resnas import SIZES as RESNAS_SIZES

__all__ = ["PublishedSubnet", "published_subnets"]


@dataclass(frozen=True)
class PublishedSubnet:
    """One architecture with the counts its authors print.

    Attributes:
        name: By which it was published.
        space: Registered name.
        options: Of the space's factory.
        architecture: One option for each choice.
        macs: Multiply-accumulates as published; None where nothing is printed.
        params: Parameters as published; None where nothing is printed.
        source: Where it is printed.
        macs_within: How far a right count may be from the printed number.
        params_within: The same for parameters.
    """

    name: str
    space: str
    architecture: Architecture
    macs: float | None
    params: float | None
    source: str
    options: Mapping[str, Any] = field(default_factory=dict)
    macs_within: float = 0.0
    params_within: float = 0.0


def published_subnets() -> list[PublishedSubnet]:
    """Return all of them, by space."""
    return [
        *_once_for_all(),
        *_ofa_resnet50(),
        *_attentive_nas(),
        *_proxyless(),
        *_netaug(),
        *_single_path(),
        *_efficientnet(),
        *_autoformer(),
        *_prenas(),
        *_vit_resnas(),
        *_nasbench201(),
        *_mcunet(),
        *_ghostnet(),
        *_fasternet(),
        *_efficientnet_v2(),
        *_lsnet(),
        *_nasnet(),
        *_darts(),
    ]


# Cai et al. 2020: name, space, width, resolution, and for each stage the kernels and the
# expansions of its blocks; MACs and parameters in millions as the README prints them.
_OFA_SOURCE = "README.md of mit-han-lab/once-for-all (arXiv:1908.09791)"
_OFA = (
    ("ofa-595M", 1.2, 236, "353 5535 7535 3573 3353", "343 4463 6634 6664 6663", 595, 9.1),
    ("ofa-482M", 1.2, 224, "533 5353 5533 5735 7333", "333 4443 4633 6664 6663", 482, 9.1),
    ("ofa-389M", 1.2, 224, "33 553 553 5533 3373", "33 363 443 6444 6663", 389, 8.4),
    ("ofa-pixel1-143", 1.2, 240, "533 5535 7533 5353 3353", "363 6663 6664 6664 6663", 642, 9.2),
    ("ofa-pixel1-132", 1.2, 228, "53 5535 7535 5555 3353", "36 4663 6664 6664 6663", 593, 9.2),
    ("ofa-pixel1-79", 1.2, 224, "33 53 753 5333 3333", "33 34 443 6443 6663", 356, 8.2),
    ("ofa-pixel1-58", 1.0, 220, "33 753 555 375 5733", "33 433 643 443 6664", 230, 5.8),
    ("ofa-pixel1-40", 1.0, 172, "53 537 773 333 3535", "34 444 434 464 6664", 162, 6.0),
    ("ofa-pixel1-28", 1.0, 160, "33 733 73 35 3333", "34 364 36 64 6436", 109, 5.2),
    ("ofa-pixel1-20", 1.0, 152, "33 55 73 53 37", "33 33 43 34 66", 77, 4.3),
    ("ofa-v100-11", 1.3, 192, "33 55 737 7537 3553 3", "33 63 334 4434 6646 4", 352, 6.2),
    ("ofa-v100-09", 1.3, 188, "33 53 353 337 355 3", "33 36 446 464 644 4", 313, 5.2),
    ("ofa-v100-06", 1.3, 144, "33 53 373 553 353 3", "34 34 633 346 643 4", 179, 4.9),
    ("ofa-v100-05", 1.3, 128, "33 53 353 337 355 3", "33 36 446 464 644 4", 141, 5.2),
    ("ofa-cpu-17", 1.3, 208, "33 53 373 553 353 3", "34 34 633 346 643 4", 365, 4.9),
    ("ofa-cpu-15", 1.3, 188, "33 33 73 533 53 7", "33 46 64 466 63 6", 301, 4.9),
    ("ofa-cpu-11", 1.3, 144, "55 37 537 57 33 5", "43 33 443 44 64 4", 160, 4.4),
    ("ofa-cpu-10", 1.3, 144, "53 33 737 55 53 3", "43 33 333 34 34 4", 143, 4.2),
)


def _once_for_all() -> list[PublishedSubnet]:
    return [
        PublishedSubnet(
            name,
            "ofa_proxyless" if width == 1.3 else "ofa_mobilenet_v3",
            _stages(resolution, kernels.split(), expansions.split()),
            macs * 1e6,
            params * 1e6,
            _OFA_SOURCE,
            options={"width": width, "resolutions": list(range(128, 261, 4))},
            macs_within=1e6,
            params_within=0.06e6,
        )
        for name, width, resolution, kernels, expansions, macs, params in _OFA
    ]


def _stages(resolution: int, kernels: list[str], expansions: list[str]) -> Architecture:
    """Return an architecture of once-for-all; blocks beyond a stage's depth get any option."""
    options: dict[str, Option] = {"resolution": resolution}
    for s, (ks, es) in enumerate(zip(kernels, expansions, strict=True), start=1):
        blocks = 1 if s == 6 else 4
        if blocks > 1:
            options[f"depth_{s}"] = len(ks)
        for b, (k, e) in enumerate(zip(ks.ljust(blocks, "3"), es.ljust(blocks, "3"), strict=True)):
            options[f"kernel_{s}_{b}"], options[f"expand_{s}_{b}"] = int(k), int(e)
    return Architecture(options)


def _ofa_resnet50() -> list[PublishedSubnet]:
    """Return ResNet-50-D, which lies in once-for-all's space."""
    options: dict[str, Option] = {"resolution": 224, "stem_residual": "yes"}
    options |= dict.fromkeys(("width_stem_inner", "width_stem"), 1.0)
    for s, (depth, blocks) in enumerate(((3, 4), (4, 4), (6, 6), (3, 4)), start=1):
        options |= {f"width_{s}": 1.0, f"depth_{s}": depth}
        options |= {f"expand_{s}_{b}": 0.25 for b in range(blocks)}
    return [
        PublishedSubnet(
            "ResNet-50-D",
            "ofa_resnet50",
            Architecture(options),
            4328.8e6,
            25.576e6,
            "resnet50d as commonly defined (arXiv:1812.01187), an independent count",
            macs_within=0.05e6,
            params_within=0.0005e6,
        )
    ]


# Wang et al. 2021: name, resolution, widths (stem, seven stages, last), then kernel, expansion
# and depth of the stages; MACs in millions.
_ATTENTIVE_SOURCE = "README.md of facebookresearch/AttentiveNAS (arXiv:2011.09011)"
_ATTENTIVE_NAS = (
    ("A0", 192, (16, 16, 24, 32, 64, 112, 192, 216, 1792), "3333333", "1444466", "1333331", 203),
    ("A2", 224, (16, 16, 24, 32, 64, 112, 200, 224, 1984), "3333353", "1454466", "1333341", 317),
    ("A5", 256, (16, 16, 24, 32, 72, 112, 192, 216, 1792), "3335333", "1454466", "1333461", 491),
)


def _attentive_nas() -> list[PublishedSubnet]:
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


def _proxyless() -> list[PublishedSubnet]:
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


def _single_path() -> list[PublishedSubnet]:
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


# Tan, Le 2019 and Han et al. 2020: family, name, width, depth, resolution; parameters and MACs,
# which independent definitions of the same networks count to the integer.
_SCALED = (
    ("efficientnet", "B0", 1.0, 1.0, 224, 5_288_548, 385_814_752),
    ("efficientnet", "B1", 1.0, 1.1, 240, 7_794_184, 686_802_832),
    ("efficientnet", "B2", 1.1, 1.2, 260, 9_109_994, 993_561_872),
    ("efficientnet", "B3", 1.2, 1.4, 300, 12_233_232, 1_827_141_392),
    ("efficientnet", "B4", 1.4, 1.8, 380, 19_341_616, 4_393_771_024),
    ("efficientnet", "B5", 1.6, 2.2, 456, 30_389_784, 10_266_384_752),
    ("efficientnet", "B6", 1.8, 2.6, 528, 43_040_704, 19_067_593_536),
    ("efficientnet", "B7", 2.0, 3.1, 600, 66_347_960, 37_745_884_192),
    ("tinynet", "A", 1.0, 1.2, 192, 6_187_972, 336_867_712),
    ("tinynet", "B", 0.75, 1.1, 188, 3_730_562, 200_709_360),
    ("tinynet", "C", 0.54, 0.85, 184, 2_457_234, 99_536_432),
    ("tinynet", "D", 0.54, 0.695, 152, 2_338_446, 51_580_656),
    ("tinynet", "E", 0.51, 0.6, 106, 2_042_972, 24_356_848),
)
_SCALED_NAMES = {"efficientnet": "EfficientNet", "tinynet": "TinyNet"}
_SCALED_SOURCES = {
    "efficientnet": "torchvision's and timm's definitions, recounted (arXiv:1905.11946)",
    "tinynet": "timm's definitions, recounted (arXiv:2010.14819)",
}


def _efficientnet() -> list[PublishedSubnet]:
    return [
        PublishedSubnet(
            f"{_SCALED_NAMES[family]}-{name}",
            "efficientnet",
            Architecture({"resolution": resolution, "depth": depth, "width": width}),
            float(macs),
            float(params),
            _SCALED_SOURCES[family],
            options={
                "family": family,
                "resolutions": [resolution],
                "depths": [depth],
                "widths": [width],
            },
        )
        for family, name, width, depth, resolution, params, macs in _SCALED
    ]


# Chen et al. 2021: name, size, token width, heads of the layers, perceptron ratios times two;
# parameters in closed form, and MACs that torch's counter finds in an independent definition
# (nni's), relative positions included. The authors print 5.7, 22.9 and 53.7 M parameters and
# 1.3, 5.1 and 11 G.
_AUTOFORMER_SOURCE = (
    "experiments/subnet of microsoft/Cream's AutoFormer (arXiv:2107.00651), recounted by torch"
)
_AUTOFORMER = (
    ("T", "tiny", 192, "3333333333433", "7767668878787", 5_867_944, 1480e6, 5e6),
    ("S", "small", 384, "6657555667767", "6767888888878", 22_891_432, 5161.4e6, 0.05e6),
    (
        "B",
        "base",
        576,
        "9 9 9 9 9 10 9 9 10 9 10 9 9 10",
        "77878776886867",
        53_691_688,
        11691.2e6,
        0.05e6,
    ),
)
_TINY_RATIOS = [3.0, 3.5, 4.0]
"""AutoFormer-T has a ratio of 3.0 in three layers, which the tiny space it is published with
lacks; it lies in the space with this option only."""


def _autoformer() -> list[PublishedSubnet]:
    return [
        PublishedSubnet(
            f"AutoFormer-{name}",
            "autoformer",
            _transformer(size, width, heads, ratios),
            macs,
            float(params),
            _AUTOFORMER_SOURCE,
            options={"size": size, **({"mlp_ratios": _TINY_RATIOS} if size == "tiny" else {})},
            macs_within=within,
        )
        for name, size, width, heads, ratios, params, macs, within in _AUTOFORMER
    ]


def _transformer(size: str, width: int, heads: str, ratios: str) -> Architecture:
    """Return an architecture of AutoFormer; layers beyond its depth get any option."""
    space = SIZES[size]
    counts = [int(h) for h in (heads.split() if " " in heads else heads)]
    options: dict[str, Option] = {"embed_dim": width, "depth": len(counts)}
    for i in range(max(space.depths)):
        present = i < len(counts)
        options[f"mlp_ratio_{i + 1}"] = int(ratios[i]) / 2 if present else space.mlp_ratios[-1]
        options[f"heads_{i + 1}"] = counts[i] if present else space.heads[-1]
    return Architecture(options)


# Wang et al. 2023: millions of parameters by which a candidate is named, then as above.
_PRENAS_SOURCE = "interval_cands of tinyvision/PreNAS (arXiv:2304.14636)"
_PRENAS = (
    ("tiny", 6, 192, "444433333434", "888887788788", 5_994_760),
    ("tiny", 7, 216, "444443334434", "878777777777", 6_997_192),
    ("tiny", 8, 240, "333333333333", "878877788787", 7_996_552),
    ("tiny", 9, 240, "444444444444", "888887888788", 8_967_016),
    ("tiny", 10, 240, "44444333443434", "88888778878788", 9_978_232),
    ("tiny", 11, 240, "44444444444444", "88888888888888", 10_517_272),
    ("small", 18, 320, "7777777767565", "8878788788788", 17_991_400),
    ("small", 23, 384, "7777577565565", "8878787788687", 22_989_928),
    ("small", 28, 448, "7777577565565", "8868676686686", 27_976_008),
    ("small", 33, 448, "77777777575657", "88787887887887", 32_981_640),
    ("base", 42, 528, "9 9 9 9 9 9 9 9 9 9 9 9 9 9", "66666666666676", 41_966_944),
    ("base", 54, 576, "9 9 10 9 9 10 9 9 9 9 9 9 10 9", "78777877778678", 53_876_104),
    ("base", 66, 624, "9 10 10 9 9 10 10 9 10 9 9 9 10 10", "88788888888888", 65_916_448),
)


def _prenas() -> list[PublishedSubnet]:
    return [
        PublishedSubnet(
            f"PreNAS-{size}-{millions}M",
            "autoformer",
            _transformer(size, width, heads, ratios),
            None,
            float(params),
            _PRENAS_SOURCE,
            options={"size": size},
        )
        for size, millions, width, heads, ratios, params in _PRENAS
    ]


# Liao et al. 2021: name, size, G multiply-accumulates, and for each stage the width, the heads
# and the perceptrons of its layers. Their estimator counts what is counted here: convolutions,
# linear layers and attention.
_RESNAS_SOURCE = "estimator and scripts of yilunliao/vit-search (arXiv:2109.00642)"
_RESNAS = (
    (
        "Tiny",
        "tiny",
        1.783,
        (176, "3 3 3 4 4", "704 576 640 576 704"),
        (352, "10 8 8 8 10 10", "1408 1408 1280 1408 1280 1024"),
        (704, "10 10 10 8 8", "2560 1792 2816 2816 2560"),
    ),
    (
        "Small",
        "small",
        2.846,
        (220, "5 5 7 5 5 5", "880 880 800 720 720 720"),
        (440, "10 10 10 10 12 12", "1760 1440 1920 1600 1600 1440"),
        (880, "16 12 16 12 14", "3200 3200 2880 2240 2560"),
    ),
    (
        "Medium",
        "small",
        4.513,
        (240, "7 6 7 8 7 8 6", "960 960 800 960 880 880 800"),
        (640, "10 14 14 16 14 16 16", "1120 1760 1920 1760 1440 1760 1920"),
        (880, "16 10 16 12 16 14", "3200 3840 3840 3200 3520 3520"),
    ),
)


def _vit_resnas() -> list[PublishedSubnet]:
    """Return them with the last optional layers left out; which ones is not printed."""
    return [
        PublishedSubnet(
            f"ViT-ResNAS-{name}",
            "vit_resnas",
            _staged_transformer(size, stages),
            giga_macs * 1e9,
            None,
            _RESNAS_SOURCE,
            options={"size": size},
            macs_within=0.5e6,
        )
        for name, size, giga_macs, *stages in _RESNAS
    ]


def _staged_transformer(size: str, stages: list[tuple[int, str, str]]) -> Architecture:
    """Return an architecture of ViT-ResNAS; layers left out get any option."""
    options: dict[str, Option] = {}
    for s, (width, heads, mlp_dims) in enumerate(stages, start=1):
        options[f"embed_dim_{s}"] = width
        layers = list(zip(heads.split(), mlp_dims.split(), strict=True))
        missing = RESNAS_SIZES[size].layers - len(layers)
        for b in reversed(range(RESNAS_SIZES[size].layers)):
            left_out = b % 2 == 1 and missing > 0
            if b % 2 == 1:
                options[f"layer_{s}_{b}"] = "no" if left_out else "yes"
            missing -= left_out
            h, m = layers[-1] if left_out else layers.pop()
            options[f"heads_{s}_{b}"], options[f"mlp_dim_{s}_{b}"] = int(h), int(m)
    return Architecture(options)


def _nasbench201() -> list[PublishedSubnet]:
    """Return the most accurate cell on CIFAR-10; the bias of the classifier counts 10 there."""
    conv_3, conv_1, skip = "nor_conv_3x3", "nor_conv_1x1", "skip_connect"
    edges = ("0_1", "0_2", "1_2", "0_3", "1_3", "2_3")
    operations = (conv_3, conv_3, conv_3, skip, conv_3, conv_1)
    return [
        PublishedSubnet(
            "NAS-Bench-201 best on CIFAR-10",
            "nasbench201",
            Architecture({f"edge_{e}": o for e, o in zip(edges, operations, strict=True)}),
            153.27296e6,
            1.073466e6,
            "NATS-Bench's table (arXiv:2001.00326)",
            macs_within=10,
        )
    ]


# Lin et al. 2020: name, classes, resolution, for each stage the kernels and the expansions of its
# blocks; MACs and parameters, of in3 as its authors' definition counts to the integer, of vww1 as
# the README prints them.
_MCUNET_SOURCE = "mit-han-lab/tinyml's definition and mcunet's README (arXiv:2007.10319)"
_MCUNET = (
    ("in3", 1000, 176, "7375 555 375 573 373 7", "3554 555 564 555 654 5", 81_785_520, 737_408, 0),
    ("vww1", 2, 80, "333 735 77 33 533 7", "633 365 66 64 554 3", 11.6e6, 0.43e6, 0.05e6),
)


def _mcunet() -> list[PublishedSubnet]:
    return [
        PublishedSubnet(
            f"mcunet-{name}",
            "mcunet",
            Architecture(
                {**_stages(resolution, kernels.split(), expansions.split()), "width": 0.5}
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


# Han et al. 2020: width, MACs, parameters.
_GHOSTNET_SOURCE = "timm's definition, recounted (arXiv:1911.11907)"
_GHOSTNET = (
    (0.5, 42_328_152, 2_587_292),
    (1.0, 141_150_512, 5_182_508),
    (1.3, 227_003_256, 7_358_820),
)


def _ghostnet() -> list[PublishedSubnet]:
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


def _fasternet() -> list[PublishedSubnet]:
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


def _efficientnet_v2() -> list[PublishedSubnet]:
    """Return EfficientNetV2-S (Tan, Le 2021)."""
    options: dict[str, Option] = {"resolution": 384}
    stages = zip((1, 4, 4, 4, 6, 6), (2, 4, 4, 6, 9, 15), strict=True)
    for s, (expand, depth) in enumerate(stages, start=1):
        operation = "fused" if s <= 3 else "mbconv"
        options |= {f"operation_{s}": operation, f"kernel_{s}": 3}
        options |= {f"expand_{s}": expand, f"depth_{s}": depth}
    return [
        PublishedSubnet(
            "EfficientNetV2-S",
            "efficientnet_v2",
            Architecture(options),
            8_365_617_152,
            21_458_488,
            "torchvision's definition, recounted (arXiv:2104.00298)",
        )
    ]


# Wang et al. 2025: name, widths, depths, MACs, parameters; the aggregation of the large-small
# convolutions is left out, as in the authors' own counts.
_LSNET_SOURCE = "jameslahm/lsnet's definition, recounted without aggregation (arXiv:2503.23135)"
_LSNET = (
    ("T", (64, 128, 256, 384), (0, 2, 8, 10), 315_147_392, 11_409_832),
    ("S", (96, 192, 320, 448), (1, 2, 8, 10), 537e6, 16_146_304),
    ("B", (128, 256, 384, 512), (4, 6, 8, 10), 1_240_906_752, 23_313_608),
)


def _lsnet() -> list[PublishedSubnet]:
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


# Cai et al. 2022: width, resolution, channels of the layers, MACs, parameters.
_NETAUG_SOURCE = (
    "mit-han-lab/tinyml's definition of NetAug's networks, recounted (arXiv:2110.08890)"
)
_NETAUG = (
    (0.3, 176, (16, 8, 16, 16, 24, 32, 56, 96, 1280), 40_762_792, 1_695_448),
    (0.35, 160, (16, 8, 16, 16, 32, 32, 64, 112, 1280), 35_716_800, 1_781_344),
)


def _netaug() -> list[PublishedSubnet]:
    """Return ProxylessNAS's mobile network at small widths; the last convolution keeps its."""
    mobile = next(subnet for subnet in _proxyless() if subnet.name == "proxyless_mobile")
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


# Cells as their authors write them: for each node twice an operation and the state it reads.
_NASNET_A = {
    "normal": "sep5 1 sep3 0 | sep5 0 sep3 0 | avg3 1 skip 0 | avg3 0 avg3 0 | sep3 1 skip 1",
    "reduction": "sep5 1 sep7 0 | max3 1 sep7 0 | avg3 1 sep5 0 | skip 3 avg3 2 | sep3 2 max3 1",
}
_DARTS_V2 = {
    "normal": "sep3 0 sep3 1 | sep3 0 sep3 1 | skip 0 sep3 1 | skip 0 dil3 2",
    "reduction": "max3 0 max3 1 | max3 1 skip 2 | max3 0 skip 2 | max3 1 skip 2",
}
_CELL_OPERATIONS = {"sep": "sep_conv", "dil": "dil_conv", "avg": "avg_pool", "max": "max_pool"}


def _nodes(cell: str) -> list[tuple[tuple[str, int], tuple[str, int]]]:
    """Return the two operations of every node, each with the state it reads."""
    nodes = []
    for text in cell.split("|"):
        first, state, second, other = text.split()
        nodes.append(((_operation(first), int(state)), (_operation(second), int(other))))
    return nodes


def _operation(text: str) -> str:
    if text == "skip":
        return "skip_connect"
    return f"{_CELL_OPERATIONS[text[:3]]}_{text[3]}x{text[3]}"


def _nasnet() -> list[PublishedSubnet]:
    """Return NASNet-A; the published 88.9 M parameters of the large one hold statistics too."""
    options: dict[str, Option] = {}
    for kind, cell in _NASNET_A.items():
        for node, operands in enumerate(_nodes(cell), start=2):
            for letter, (operation, state) in zip("ab", operands, strict=True):
                options[f"{kind}_{node}_{letter}_input"] = state
                options[f"{kind}_{node}_{letter}_operation"] = operation
    return [
        PublishedSubnet(
            "NASNet-A mobile (4@1056)",
            "nasnet",
            Architecture(options),
            564e6,
            5_289_978,
            "slim/nets/nasnet of tensorflow/models (arXiv:1707.07012); parameters recounted",
            macs_within=0.5e6,
        ),
        PublishedSubnet(
            "NASNet-A large (6@4032)",
            "nasnet",
            Architecture(options),
            23_783_414_658,
            88_753_150,
            "timm's definition, recounted (arXiv:1707.07012)",
            options={
                "resolution": 331,
                "filters": 4032,
                "cells": 6,
                "stem": 96,
                "skip_reduction_input": True,
            },
        ),
    ]


def _darts() -> list[PublishedSubnet]:
    """Return DARTS's second-order cells.

    The paper prints 574 M multiply-adds on ImageNet and not how they are counted; convolutions
    and classifier make 529.9 M of them.
    """
    options: dict[str, Option] = {}
    for kind, cell in _DARTS_V2.items():
        for node, (first, second) in enumerate(_nodes(cell), start=2):
            options[f"{kind}_{node}_inputs"] = f"{first[1]},{second[1]}"
            options[f"{kind}_{node}_a_operation"] = first[0]
            options[f"{kind}_{node}_b_operation"] = second[0]
    return [
        PublishedSubnet(
            "DARTS_V2 on CIFAR-10",
            "darts",
            Architecture(options),
            None,
            3_349_342,
            "printed by train.py of quark0/darts (arXiv:1806.09055)",
        ),
        PublishedSubnet(
            "DARTS_V2 on ImageNet",
            "darts",
            Architecture(options),
            None,
            4.7e6,
            "table 3 of the paper (arXiv:1806.09055)",
            options={
                "classes": 1000,
                "resolution": 224,
                "width": 48,
                "cells": 14,
                "imagenet": True,
            },
            params_within=0.05e6,
        ),
    ]
