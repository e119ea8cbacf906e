"""Ids and fingerprints: equal for equal networks, in every process and version."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import field

import numpy as np
import pytest
from hypothesis import given

from search_spaces import SearchSpace, SpaceBuilder, get_space
from search_spaces.blocks import BlockSpec, Conv, Head, Layer, Shape, Tape
from search_spaces.blocks.spec import block_family
from tests.random_spaces import every_row, networks, random_spaces

# Id of all first options, of all last options, and the fingerprint. They are keys of archives,
# tables and exports: a change of one of these breaks every stored run.
GOLDEN = {
    "attentive_nas": ("e31ea972584bab3f", "4a16cc9021de7318", "523d5eacd6fe4b5a"),
    "autoformer": ("7958bca982d5a2c8", "a30c5c4f3f67c2c4", "d55635563eb84212"),
    "bignas": ("d57ec380d302cee4", "252c513c7ae2f862", "1f17a36fc48de431"),
    "compofa": ("273556be22b8d8c4", "0904287d0d078c44", "25c9bde342b8b8a3"),
    "darts": ("ac42ec167fddddfa", "efd9c524d89bfeea", "a9f6e959e366af02"),
    "efficientnet": ("2619672d3af871b3", "2029cc4b7f6e8c29", "fdb81aee34feac86"),
    "mobile_small": ("945039178ac4305a", "1e43197be58cc659", "36e6aeb8b3c8b9cb"),
    "mpc_resnet": ("5a07d3502f39c83e", "a5e404f416510459", "26f13227729134cb"),
    "mpc_vit": ("f60e528a8305926c", "37d52d4d34fb3c84", "22d3301ea53a42f4"),
    "nasbench201": ("a8b25713b5427b40", "b7fd91960ac820ca", "3695ed161609c91c"),
    "nasnet": ("1f2c401bb4b1f563", "d4503bb6dac6bfe2", "4fc46e31249073ab"),
    "ofa_mobilenet_v3": ("685f2841e1e997be", "206a8a3ce4f575ec", "ede340b7daf92745"),
    "ofa_proxyless": ("84331db369aed1ee", "2dce80e587a767e9", "dee0d6bfbf9ccdd4"),
    "ofa_resnet50": ("068772d2945476a1", "8ce785d739ac1de0", "4c3eefbb8febf3b5"),
    "proxyless": ("9b21ea663aa27264", "16b7a62fd5605621", "b2be5346f79d65a7"),
    "spos_shufflenet_v2": ("a6baea91f3ab35ef", "128eea8612025f63", "def2d61bda776762"),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_ids_and_fingerprints_never_change(name: str) -> None:
    space = get_space(name)
    last = (space.option_counts - 1)[None].astype(np.int16)
    first_id, last_id = space.ids(np.concatenate([np.zeros_like(last), last]))
    assert (first_id, last_id, space.fingerprint) == GOLDEN[name]


def test_ids_are_the_same_in_another_process() -> None:
    code = (
        "import numpy as np\n"
        "from search_spaces import get_space\n"
        "space = get_space('mobile_small')\n"
        "print(space.fingerprint, *space.ids(space.sample(5, np.random.default_rng(0))))"
    )
    texts = []
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        texts.append(done.stdout.split())
    space = get_space("mobile_small")
    here = [space.fingerprint, *space.ids(space.sample(5, np.random.default_rng(0)))]
    assert texts == [here, here]


@given(random_spaces())
def test_ids_are_equal_exactly_for_equal_networks(space: SearchSpace) -> None:
    rows = every_row(space)
    pairs = set(zip(space.ids(rows), networks(space, rows), strict=True))
    assert len(pairs) == len({i for i, _ in pairs}) == len({n for _, n in pairs})
    assert space.ids(rows) == [f"{key:016x}" for key in space.keys(rows).tolist()]


@given(random_spaces())
def test_equal_canonical_forms_have_equal_ids(space: SearchSpace) -> None:
    rows = every_row(space)
    forms = [tuple(row) for row in space.canonical(rows).tolist()]
    assert len(set(zip(forms, space.ids(rows), strict=True))) == len(set(forms))


def space_of(block, *, name: str = "slot", options=(1, 3), **slot) -> SearchSpace:
    builder = SpaceBuilder("space")
    kernel = builder.choice("kernel", options)
    builder.slot(name, reads=(kernel,), block=block, **slot)
    return builder.build()


def test_the_fingerprint_tells_what_a_space_means() -> None:
    def conv(kernel: int) -> Conv:
        return Conv(4, 4, 8, kernel=kernel)

    same = space_of(conv), space_of(lambda k: Conv(4, 4, 8, kernel=k))
    assert same[0].fingerprint == same[1].fingerprint
    others = [
        space_of(lambda k: Conv(4, 8, 8, kernel=k)),
        space_of(lambda k: Conv(4, 4, 8, kernel=k, act=None)),
        space_of(lambda k: conv(k) if k == 3 else None),
        space_of(lambda k: conv(4 - k)),
        space_of(conv, name="other"),
        space_of(conv, options=(3, 1)),
        space_of(conv, options=(1, 3, 5)),
        space_of(conv, separate_weights=("kernel",)),
    ]
    assert len({space.fingerprint for space in (same[0], *others)}) == len(others) + 1


def test_the_fingerprint_tells_folds_apart() -> None:
    def folded(step) -> SearchSpace:
        builder = SpaceBuilder("folded")
        heads = [builder.choice(f"head_{i}", (0, 1)) for i in range(2)]
        state = builder.fold("state", reads=heads, states=(0, 1), initial=0, step=step)
        builder.slot("slot", reads=(state,), block=lambda s: Conv(4, 4, 8, kernel=1 + 2 * s))
        return builder.build()

    assert folded(max).fingerprint == folded(lambda s, o: s | o).fingerprint
    assert folded(max).fingerprint != folded(lambda s, o: s ^ o).fingerprint


def test_the_same_block_in_another_slot_is_another_network() -> None:
    builder = SpaceBuilder("skips")
    for i in range(2):
        skip = builder.choice(f"skip_{i}", (False, True))
        builder.slot(f"slot_{i}", reads=(skip,), block=lambda s: None if s else Conv(4, 4, 8))
    assert len(set(builder.build().ids(every_row(builder.build())))) == 4


@block_family
class Versioned(BlockSpec):
    width: int
    ratio: float = 1.0
    rate: float = field(default=0.0, compare=False)

    @property
    def in_shape(self) -> Shape:
        return (4, 8, 8)

    def layers(self) -> list[Layer]:
        tape = Tape(self.in_shape)
        tape.conv(-1, self.width)
        return tape.layers


def id_of(block: BlockSpec) -> str:
    space = space_of(lambda kernel: block, options=(1,))
    return space.id_of(space.decode([0]))


def test_equal_values_of_other_types_have_one_id() -> None:
    assert (
        len({id_of(b) for b in (Versioned(4, 2), Versioned(4, 2.0), Versioned(np.int64(4), 2))})
        == 1
    )


def test_a_new_field_at_its_default_keeps_the_id() -> None:
    """What `Versioned` had before it gained `ratio` and `rate`."""
    assert Versioned(4).identity() == {"block": "Versioned", "width": 4}
    assert id_of(Versioned(4)) == id_of(Versioned(4, ratio=1.0))
    assert id_of(Versioned(4)) != id_of(Versioned(4, ratio=1.5))


def test_what_matters_in_training_only_is_no_part_of_the_id() -> None:
    assert Versioned(4, rate=0.5) == Versioned(4)
    assert id_of(Versioned(4, rate=0.5)) == id_of(Versioned(4))
    assert Head(4, 10, 8, dropout=0.2) == Head(4, 10, 8)
    spaces = [get_space("mobile_small", dropout=rate) for rate in (0, 0.5)]
    assert spaces[0].fingerprint == spaces[1].fingerprint
    heads = [space.slot_blocks("head")[0].dropout for space in spaces]
    assert heads == [0, 0.5]
