"""Vision transformers: AutoFormer, PreNAS, ViT-ResNAS."""

from __future__ import annotations

from search_spaces.architecture import Architecture
from search_spaces.autoformer import SIZES
from search_spaces.choices import Option
from search_spaces.published.subnet import PublishedSubnet
from search_spaces.vit_resnas import SIZES as RESNAS_SIZES

__all__ = ["autoformer", "prenas", "vit_resnas"]

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


def autoformer() -> list[PublishedSubnet]:
    """Return AutoFormer's tiny, small and base."""
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


def prenas() -> list[PublishedSubnet]:
    """Return the candidates that PreNAS kept."""
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


def vit_resnas() -> list[PublishedSubnet]:
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
