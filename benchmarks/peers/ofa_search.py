"""Run in an environment with `ofa`: its evolutionary search with a given accuracy predictor.

Reads the predictor's layers (NPZ), prints one line of JSON: CPU seconds, what was found, and how
many different networks were evaluated, which is counted when the clock has stopped.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import sys
import time
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import torch

# ofa's image loaders import torchvision, which has no CPU build for many versions of torch;
# its search needs none of them.
for name in ("", ".transforms", ".transforms.functional", ".datasets"):
    sys.modules.setdefault(f"torchvision{name}", MagicMock())

from ofa.imagenet_classification.elastic_nn.networks import OFAMobileNetV3  # noqa: E402
from ofa.nas.accuracy_predictor import AccuracyPredictor, MobileNetArchEncoder  # noqa: E402
from ofa.nas.efficiency_predictor import Mbv3FLOPsModel  # noqa: E402
from ofa.nas.search_algorithm import EvolutionFinder  # noqa: E402


class Predictor(AccuracyPredictor):
    """Ofa's predictor, which notes what it is asked."""

    asked: list[dict[str, Any]]

    def predict_acc(self, arch_dict_list: list[dict[str, Any]]) -> torch.Tensor:
        """Predict as ofa does."""
        self.asked.extend(arch_dict_list)
        return super().predict_acc(arch_dict_list)


def predictor(layers: str, resolutions: list[int]) -> Predictor:
    """Return ofa's predictor with the weights of a file, columns put in ofa's order."""
    arrays = np.load(layers)
    encoder = MobileNetArchEncoder(image_size_list=resolutions)
    model = Predictor(encoder, device="cpu")
    model.asked = []
    slots = [120 + (resolution - 112) // 16 for resolution in resolutions]
    with torch.no_grad():
        for i in range(4):
            weight = arrays[f"weight_{i}"]
            weight = weight[:, [*slots, *range(120)]] if i == 0 else weight
            layer = model.layers[i] if i == 3 else model.layers[i][0]
            layer.weight.copy_(torch.from_numpy(weight))
            if layer.bias is not None:
                layer.bias.zero_()
    return model


def different(asked: list[dict[str, Any]]) -> int:
    """Return how many different networks there are among architectures."""
    networks = set()
    for arch in asked:
        present = [i % 4 < arch["d"][i // 4] for i in range(len(arch["ks"]))]
        blocks = zip(arch["ks"], arch["e"], present, strict=True)
        networks.add((str(arch["image_size"]), tuple((k, e) if p else 0 for k, e, p in blocks)))
    return len(networks)


def main() -> None:
    """Search once and print the figures."""
    options = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    random.seed(options["seed"])
    np.random.seed(options["seed"])  # noqa: NPY002 - what ofa draws from
    said = io.StringIO()
    with contextlib.redirect_stdout(said), torch.no_grad():
        net = OFAMobileNetV3(
            width_mult=1.0, ks_list=[3, 5, 7], expand_ratio_list=[3, 4, 6], depth_list=[2, 3, 4]
        )
        model = predictor(options["layers"], options["resolutions"])
        finder = EvolutionFinder(
            Mbv3FLOPsModel(net),
            model,
            population_size=options["population"],
            max_time_budget=options["generations"],
        )
        start = time.process_time()
        _, best = finder.run_evolution_search(options["macs"] / 1e6)
        seconds = time.process_time() - start
    found = {"cpu_s": seconds, "best": best[0], "macs": best[2] * 1e6}
    print(
        json.dumps({**found, "evaluations": len(model.asked), "different": different(model.asked)})
    )


if __name__ == "__main__":
    main()
