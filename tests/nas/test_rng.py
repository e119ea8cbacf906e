from __future__ import annotations

import subprocess
import sys

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from nas.rng import stream, torch_stream

RAW = [10205384484506658124, 3233433620207733952]
TORCH_SEED = 1815826177
SEEDS = st.integers(0, 2**63 - 1)
POSITIONS = st.lists(st.integers(0, 2**31), max_size=3)


def numbers(generator: np.random.Generator) -> list[int]:
    return generator.integers(0, 2**62, size=4).tolist()


@given(seed=SEEDS, position=POSITIONS)
def test_a_stream_is_stateless(seed, position):
    first = numbers(stream(seed, "a", *position))
    numbers(stream(seed, "b", *position))
    assert numbers(stream(seed, "a", *position)) == first


@given(seed=SEEDS, position=POSITIONS)
def test_seed_name_and_position_each_change_the_numbers(seed, position):
    streams = [
        stream(seed, "shuffle", *position),
        stream(seed + 1, "shuffle", *position),
        stream(seed, "shuffles", *position),
        stream(seed, "shuffle", *position, 0),
        stream(seed, "shuffle", *position, 1),
    ]
    assert len({tuple(numbers(generator)) for generator in streams}) == len(streams)


def test_the_order_of_positions_matters():
    assert numbers(stream(0, "a", 1, 2)) != numbers(stream(0, "a", 2, 1))


def test_numbers_stay_the_same_between_versions():
    raw = stream(7, "shuffle", 3).bit_generator.random_raw(2).tolist()
    assert raw == RAW
    assert torch_stream(7, "augment", 3).initial_seed() == TORCH_SEED


@given(seed=SEEDS, position=POSITIONS)
def test_torch_streams_are_stateless_and_differ_by_name(seed, position):
    def draw(name: str) -> torch.Tensor:
        return torch.rand(4, generator=torch_stream(seed, name, *position))

    assert torch.equal(draw("augment"), draw("augment"))
    assert not torch.equal(draw("augment"), draw("mixup"))


def test_global_generators_are_left_alone():
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    stream(0, "a").random(3)
    torch.rand(3, generator=torch_stream(0, "a"))
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


def test_importing_needs_no_torch():
    code = (
        "import nas.rng, sys; nas.rng.stream(0, 'a').random(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
