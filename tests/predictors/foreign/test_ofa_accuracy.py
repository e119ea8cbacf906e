"""Once-for-all's accuracy predictor: encoding by hand, forward against torch, bad files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from predictors import TableError
from predictors.foreign import OfaAccuracyPredictor, load_ofa_accuracy
from search_spaces import Architecture, SearchSpace, get_space


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return get_space("ofa_mobilenet_v3", width=1.2, resolutions=[112, 160, 164, 224, 236])


@pytest.fixture(scope="module")
def network() -> nn.Sequential:
    """Return the published layers with random weights."""
    layers: list[nn.Module] = []
    generator = torch.Generator().manual_seed(0)
    for cin, cout in ((128, 400), (400, 400), (400, 400), (400, 1)):
        layers += [nn.Linear(cin, cout), nn.ReLU()]
    network = nn.Sequential(*layers[:-1])
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0.0, 0.05, generator=generator)
    return network.eval()


@pytest.fixture
def predictor(space: SearchSpace, network: nn.Sequential, tmp_path: Path) -> OfaAccuracyPredictor:
    path = tmp_path / "acc_predictor.pth"
    torch.save(network.state_dict(), path)
    return load_ofa_accuracy(path, space)


def _by_hand(architecture: Architecture) -> list[float]:
    """The encoding in plain loops, as the facts describe it."""
    kernels, expansions = [0.0] * 60, [0.0] * 60
    for block in range(20):
        s, b = block // 4 + 1, block % 4
        if b < int(architecture[f"depth_{s}"]):
            kernels[3 * block + {3: 0, 5: 1, 7: 2}[int(architecture[f"kernel_{s}_{b}"])]] = 1.0
            expansions[3 * block + {3: 0, 4: 1, 6: 2}[int(architecture[f"expand_{s}_{b}"])]] = 1.0
    resolution = [0.0] * 8
    resolution[(int(architecture["resolution"]) - 112) // 16] = 1.0
    return kernels + expansions + resolution


def test_positions_of_the_largest_and_of_a_small_subnet(
    space: SearchSpace, predictor: OfaAccuracyPredictor
) -> None:
    options = {choice.name: choice.options[-1] for choice in space.choices}
    row = space.encode(Architecture({**options, "resolution": 224}))[None]
    assert np.flatnonzero(predictor.encode(row)[0]).tolist() == [*range(2, 120, 3), 127]
    small = {c.name: c.options[0] for c in space.choices}
    row = space.encode(Architecture({**small, "depth_1": 3, "kernel_1_2": 5, "expand_1_2": 4}))
    hot = np.flatnonzero(predictor.encode(row[None])[0]).tolist()
    kernels = [0, 3, 7, 12, 15, 24, 27, 36, 39, 48, 51]
    assert hot == [*kernels, *(60 + position for position in kernels), 120]


def test_random_subnets_against_the_plain_loop_and_torch(
    space: SearchSpace, predictor: OfaAccuracyPredictor, network: nn.Sequential
) -> None:
    population = space.sample(200, np.random.default_rng(0))
    expected = np.array([_by_hand(space.decode(row)) for row in population], dtype=np.float32)
    np.testing.assert_array_equal(predictor.encode(population), expected)
    with torch.no_grad():
        accuracy = network(torch.from_numpy(expected))[:, 0].numpy()
    predicted = predictor(population)
    assert predicted.dtype == np.float64
    np.testing.assert_allclose(predicted, accuracy, atol=1e-5)
    assert predicted.std() > 1e-3


def test_the_forward_by_hand(space: SearchSpace) -> None:
    """Weights under which the answer can be counted: open kernels and expansions, and ReLU."""
    first = np.zeros((400, 128), dtype=np.float32)
    first[0], first[1] = 1.0, -1.0  # the second is cut off by the ReLU
    pick = np.zeros((400, 400), dtype=np.float32)
    pick[0, 0], pick[0, 1] = 2.0, 100.0
    last = np.zeros((1, 400), dtype=np.float32)
    last[0, 0] = 0.001
    zero, one = np.zeros(400, dtype=np.float32), np.full(1, 0.5, dtype=np.float32)
    layers = ((first, zero), (pick, zero), (pick, zero), (last, one))
    predictor = OfaAccuracyPredictor(space, layers, source="by hand")
    largest = space.encode(Architecture({c.name: c.options[-1] for c in space.choices}))[None]
    assert predictor(largest)[0] == pytest.approx(0.5 + 0.001 * 4 * 41)
    assert str(predictor.provenance) == "predicted, by hand"


def test_skipped_blocks_do_not_count_and_chunks_do_not_show(
    space: SearchSpace, predictor: OfaAccuracyPredictor
) -> None:
    population = space.sample(5000, np.random.default_rng(1))
    np.testing.assert_allclose(
        predictor(population), predictor(space.canonical(population)), atol=1e-6
    )
    assert predictor(population[:0]).shape == (0,)


def test_spaces_it_does_not_know(network: nn.Sequential, tmp_path: Path) -> None:
    path = tmp_path / "p.pth"
    torch.save(network.state_dict(), path)
    with pytest.raises(TableError, match="not 'mobile_small'"):
        load_ofa_accuracy(path, get_space("mobile_small"))
    with pytest.raises(TableError, match=r"112 to 239 px, the space has \[96, 240\]"):
        load_ofa_accuracy(path, get_space("ofa_mobilenet_v3", resolutions=[96, 128, 240]))


def test_bad_files(space: SearchSpace, network: nn.Sequential, tmp_path: Path) -> None:
    good: dict[str, Any] = dict(network.state_dict())
    path = tmp_path / "p.pth"
    for value, match in (
        ({**good, "6.bias": torch.zeros(2)}, r"6.bias is \[2\], needed is \[1\]"),
        ({k: v for k, v in good.items() if k != "2.weight"}, "2.weight is missing"),
        ({**good, "8.weight": torch.zeros(2)}, "8.weight is .* no such tensor"),
        ({**good, "6.bias": torch.tensor([float("nan")])}, "NaN or infinity in 6.bias"),
        ([1, 2], "not once-for-all's accuracy predictor"),
        (Path("x"), "plain tensors"),
    ):
        torch.save(value, path)
        with pytest.raises(TableError, match=match):
            load_ofa_accuracy(path, space)
    path.write_bytes(b"half")
    with pytest.raises(TableError, match="damaged"):
        load_ofa_accuracy(path, space)
    with pytest.raises(TableError, match="Cannot read"):
        load_ofa_accuracy(tmp_path / "none.pth", space)
