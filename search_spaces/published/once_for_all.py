"""Once-for-all's subnets, and ResNet-50-D, which lies in its ResNet space."""

from __future__ import annotations

from search_spaces.architecture import Architecture
from search_spaces.choices import Option
from search_spaces.published.subnet import PublishedSubnet

__all__ = ["ofa_resnet50", "once_for_all", "stages_of"]

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


def once_for_all() -> list[PublishedSubnet]:
    """Return the networks that once-for-all found for several devices."""
    return [
        PublishedSubnet(
            name,
            "ofa_proxyless" if width == 1.3 else "ofa_mobilenet_v3",
            stages_of(resolution, kernels.split(), expansions.split()),
            macs * 1e6,
            params * 1e6,
            _OFA_SOURCE,
            options={"width": width, "resolutions": list(range(128, 261, 4))},
            macs_within=1e6,
            params_within=0.06e6,
        )
        for name, width, resolution, kernels, expansions, macs, params in _OFA
    ]


def stages_of(resolution: int, kernels: list[str], expansions: list[str]) -> Architecture:
    """Return an architecture of once-for-all; blocks beyond a stage's depth get any option."""
    options: dict[str, Option] = {"resolution": resolution}
    for s, (ks, es) in enumerate(zip(kernels, expansions, strict=True), start=1):
        blocks = 1 if s == 6 else 4
        if blocks > 1:
            options[f"depth_{s}"] = len(ks)
        for b, (k, e) in enumerate(zip(ks.ljust(blocks, "3"), es.ljust(blocks, "3"), strict=True)):
            options[f"kernel_{s}_{b}"], options[f"expand_{s}_{b}"] = int(k), int(e)
    return Architecture(options)


def ofa_resnet50() -> list[PublishedSubnet]:
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
