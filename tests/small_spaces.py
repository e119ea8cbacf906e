"""Options that make a published space small enough to be built and run many times."""

from __future__ import annotations

from typing import Any

__all__ = ["SMALL"]

SMALL: dict[str, dict[str, Any]] = {
    "attentive_nas": {"resolutions": (32, 64), "classes": 10},
    "autoformer": {
        "resolution": 32,
        "patch": 8,
        "classes": 10,
        "embed_dims": (16, 24),
        "depths": (2, 3),
    },
    "bignas": {"resolutions": (32, 64), "classes": 10},
    "compofa": {"resolutions": (32, 64), "classes": 10, "elastic_kernel": True},
    "darts": {"resolution": 16, "width": 4, "cells": 3, "classes": 10},
    "efficientnet": {
        "resolutions": (32, 64),
        "classes": 10,
        "depths": (0.6, 1.0, 1.2),
        "widths": (0.25, 0.5),
    },
    "efficientnet_v2": {
        "resolutions": (32, 64),
        "classes": 10,
        "widths": (8, 8, 8, 12, 16, 20, 24, 32),
        "depths": (1, 2, 2, 1, 2, 2),
    },
    "ensemble": {"of": "mobile_small", "of_options": {"resolutions": [24, 32]}, "members": 2},
    "fasternet": {
        "resolutions": (32, 64),
        "classes": 10,
        "widths": (8, 13),
        "depths": ((1, 2), (1,), (2, 3), (1,)),
    },
    "ghostnet": {"resolutions": (32, 64), "classes": 10, "widths": (0.25, 0.5)},
    "gold_nas": {"resolution": 8, "width": 4, "cells": 5, "nodes": 2},
    "lsnet": {
        "resolutions": (64, 128),
        "classes": 10,
        "widths": ((8, 16), (16, 24), (24, 32), (32, 40)),
        "depths": ((0, 1, 2), (2,), (1, 2), (2,)),
    },
    "mcunet": {"resolutions": (48, 64), "classes": 10, "widths": (0.2, 0.3)},
    "mobile_small": {"resolutions": (24, 32)},
    "mpc_resnet": {"resolution": 8, "classes": 10, "widths": (4, 6), "depths": (2, 1)},
    "mpc_vit": {"resolution": 8, "classes": 10, "dim": 16, "heads": (2, 4), "depths": (1, 2)},
    "nasbench201": {"resolution": 8, "width": 4, "cells": 2, "classes": 10},
    "nasnet": {"resolution": 32, "filters": 192, "cells": 1, "stem": 6, "classes": 10},
    "ofa_mobilenet_v3": {"resolutions": (32, 64), "classes": 10},
    "ofa_proxyless": {"resolutions": (32, 64), "classes": 10, "width": 0.5},
    "ofa_resnet50": {"resolutions": (32, 64), "classes": 10},
    "proxyless": {
        "resolutions": (32, 64),
        "classes": 10,
        "widths": (16, 8, 16, 24, 40, 48, 64, 80, 128),
    },
    "spos_shufflenet_v2": {"resolution": 64, "classes": 10},
    "vit_resnas": {"resolution": 32, "patch": 4, "classes": 10, "width": 0.125},
}
