"""Families made by compound scaling: EfficientNet, TinyNet, EfficientNetV2."""

from __future__ import annotations

from search_spaces.architecture import Architecture
from search_spaces.choices import Option
from search_spaces.published.subnet import PublishedSubnet

__all__ = ["efficientnet", "efficientnet_v2"]

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


def efficientnet() -> list[PublishedSubnet]:
    """Return EfficientNet B0 to B7 and TinyNet A to E."""
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


def efficientnet_v2() -> list[PublishedSubnet]:
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
