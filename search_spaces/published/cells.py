"""Networks of cells: NAS-Bench-201, NASNet, DARTS."""

from __future__ import annotations

from search_spaces.architecture import Architecture
from search_spaces.choices import Option
from search_spaces.published.subnet import PublishedSubnet

__all__ = ["darts", "nasbench201", "nasnet"]


def nasbench201() -> list[PublishedSubnet]:
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


def nasnet() -> list[PublishedSubnet]:
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


def darts() -> list[PublishedSubnet]:
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
