"""Once-for-all's accuracy predictor: a multilayer perceptron 128-400-400-400-1.

Cai et al. 2020 (arXiv:1908.09791, section 3.4), in the form that the authors' tutorial ships:
60 inputs one-hot for the kernels of twenty blocks, 60 for their expansions, all zero for a
skipped block, and 8 one-hot for the resolution, from 112 px in steps of 16.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictors.errors import TableError
from predictors.foreign.torch_file import load_plain
from predictors.provenance import Provenance
from search_spaces import Population, SearchSpace

__all__ = ["OfaAccuracyPredictor", "load_ofa_accuracy"]

Weights = tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]

_STAGES, _BLOCKS = 5, 4
_EACH_STAGE = [stage for stage in range(1, _STAGES + 1) for _ in range(_BLOCKS)]
_KERNELS, _EXPANSIONS = (3, 5, 7), (3, 4, 6)
_FIRST_PX, _STEP_PX, _RESOLUTIONS = 112, 16, 8
_INPUTS = 128
_CHUNK = 4096


class OfaAccuracyPredictor:
    """Predicted ImageNet accuracy of populations of ``ofa_mobilenet_v3``.

    Args:
        space: ``ofa_mobilenet_v3``, any options of which the encoding knows.
        layers: Weight [out, in] and bias [out] of every linear layer; ReLU between them.
        source: Where the weights come from.

    Raises:
        TableError: The space is another, or has resolutions outside [112, 240).
    """

    metric = "accuracy"

    def __init__(self, space: SearchSpace, layers: Weights, *, source: str) -> None:
        if space.name != "ofa_mobilenet_v3":
            raise TableError(
                "Once-for-all's accuracy predictor knows the space 'ofa_mobilenet_v3', not "
                f"{space.name!r}."
            )
        self.space = space
        self.layers = layers
        self.provenance = Provenance("predicted", source)
        self._choices = {choice.name: i for i, choice in enumerate(space.choices)}
        # products are a third faster with weights that lie in the order [in, out]
        self._ready = tuple((np.ascontiguousarray(weight.T), bias) for weight, bias in layers)
        self._check_resolutions()

    def __call__(self, population: Population) -> NDArray[np.float64]:
        """Return the accuracy in [0, 1] of every row, float64 [n], for a population [n, d]."""
        chunks = [
            self._forward(self.encode(population[i : i + _CHUNK]))
            for i in range(0, len(population), _CHUNK)
        ]
        return np.concatenate(chunks) if chunks else np.zeros(0)

    def encode(self, population: Population) -> NDArray[np.float32]:
        """Return the predictor's input, float32 [n, 128], for a population [n, d]."""
        self.space.variables(population)  # refuses another number of columns
        features = np.zeros((len(population), _INPUTS + 1), dtype=np.float32)
        depths = population[:, self._depths]
        blocks = np.arange(_STAGES * _BLOCKS)
        for columns, inputs in self._one_hot:
            hot = inputs[blocks, depths, population[:, columns]]
            np.put_along_axis(features, hot, 1.0, axis=1)
        features[:, -1 - _RESOLUTIONS : -1] = self._resolution_slots[
            population[:, self._choices["resolution"]]
        ]
        return features[:, :-1]

    @cached_property
    def _depths(self) -> NDArray[np.intp]:
        """The column of the depth of each block's stage."""
        return np.array([self._choices[f"depth_{s}"] for s in _EACH_STAGE])

    @cached_property
    def _one_hot(self) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """For kernels and expansions their columns, and the input that each option sets.

        The input is one for each block, option of its depth and option; it is the one after
        the last where the block is skipped or the encoding does not know the option.
        """
        result, start = [], 0
        block = np.tile(np.arange(_BLOCKS), _STAGES)
        present: NDArray[np.bool_] = np.less(block[:, None], self._values("depth_1"))
        for kind, known in (("kernel", _KERNELS), ("expand", _EXPANSIONS)):
            names = [f"{kind}_{s}_{b}" for s, b in zip(_EACH_STAGE, block, strict=True)]
            hot = np.array([self._values(name)[:, None] == known for name in names])
            first = start + len(known) * np.arange(len(names))
            slots = np.where(hot.any(axis=2), first[:, None] + hot.argmax(axis=2), _INPUTS)
            inputs = np.where(present[:, :, None], slots[:, None, :], _INPUTS)
            result.append((np.array([self._choices[name] for name in names]), inputs))
            start += len(known) * len(names)
        return result

    def _values(self, name: str) -> NDArray[np.int64]:
        """Return the options of a choice."""
        return np.array(self.space.choices[self._choices[name]].options, dtype=np.int64)

    @cached_property
    def _resolution_slots(self) -> NDArray[np.float32]:
        """One row of the one-hot resolution for each option; in between counts as the lower."""
        slots = (self._values("resolution") - _FIRST_PX) // _STEP_PX
        return np.eye(_RESOLUTIONS, dtype=np.float32)[slots]

    def _check_resolutions(self) -> None:
        end = _FIRST_PX + _STEP_PX * _RESOLUTIONS
        wrong = [int(r) for r in self._values("resolution") if not _FIRST_PX <= r < end]
        if wrong:
            raise TableError(
                f"The accuracy predictor knows resolutions from {_FIRST_PX} to {end - 1} px, the "
                f"space has {wrong}. Leave them out: --option resolutions=[160,192,224]."
            )

    def _forward(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        for i, (weight, bias) in enumerate(self._ready):
            x = x @ weight
            x += bias
            if i < len(self._ready) - 1:
                np.maximum(x, 0, out=x)
        return x[:, 0].astype(np.float64)


def load_ofa_accuracy(path: Path | str, space: SearchSpace) -> OfaAccuracyPredictor:
    """Read the predictor's state dict, a file of torch.

    Nothing in the file can execute code.

    Args:
        path: Of ``acc_predictor.pth``: weight and bias of the layers 0, 2, 4 and 6.
        space: ``ofa_mobilenet_v3``.

    Raises:
        TableError: The file is missing, damaged or holds another network; or see
            `OfaAccuracyPredictor`.
    """
    path = Path(path)
    state = load_plain(path, error=TableError, advice="Download it again.")
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    return OfaAccuracyPredictor(space, _layers(state, path), source=f"OFA predictor {path.name}")


_SHAPES = {
    "0.weight": (400, 128),
    "0.bias": (400,),
    "2.weight": (400, 400),
    "2.bias": (400,),
    "4.weight": (400, 400),
    "4.bias": (400,),
    "6.weight": (1, 400),
    "6.bias": (1,),
}


def _layers(state: Any, path: Path) -> Weights:
    """Return the layers of a state dict.

    Raises:
        TableError: Names or shapes are others, or a value is not finite.
    """
    found = state if isinstance(state, Mapping) else {}
    given = {str(name): tuple(getattr(t, "shape", ())) for name, t in found.items()}
    wrong = [
        f"{name} is {list(given[name]) if name in given else 'missing'}, needed is "
        f"{list(_SHAPES[name]) if name in _SHAPES else 'no such tensor'}"
        for name in {**_SHAPES, **given}
        if given.get(name) != _SHAPES.get(name)
    ]
    if wrong:
        raise TableError(
            f"{path} is not once-for-all's accuracy predictor 128-400-400-400-1: "
            f"{'; '.join(wrong[:8])}. Use the tutorial's acc_predictor.pth."
        )
    arrays = {name: found[name].detach().float().numpy() for name in _SHAPES}
    infinite = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    if infinite:
        raise TableError(f"{path} holds NaN or infinity in {', '.join(infinite)}.")
    return tuple((arrays[f"{i}.weight"], arrays[f"{i}.bias"]) for i in (0, 2, 4, 6))
