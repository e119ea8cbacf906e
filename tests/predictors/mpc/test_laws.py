"""Laws of SEMI2K and ABY3 against what SPU 0.9.5 sent, and how costs add up."""

from __future__ import annotations

import dataclasses

import pytest

from predictors import TableError, compile_cost
from predictors.mpc import (
    NETWORKS,
    Laws,
    MpcCost,
    Operator,
    PrivateCost,
    ReluCount,
    get_network,
    get_protocol,
    operators_of,
    private_costs,
    total,
)
from search_spaces import get_space
from search_spaces.blocks import Conv, MBConv, ShuffleV2, TransformerLayer

# Bytes of all parties, as the engine logged them: (operator, sizes, SEMI2K, its sends, ABY3).
MEASURED = [
    ("matmul", (1, 65, 64, 65), 166_920, 2, 219_700),
    ("matmul", (4, 65, 64, 65), 667_680, 8, 878_800),
    ("mul", (1000,), 40_000, 2, 52_000),
    ("scale", (1000,), 8_000, 1, 28_000),
    ("mean", (100,), 800, 1, 2_824),
    ("max_pool", (500, 4), 216_000, 16, 258_024),
    ("max_pool", (500, 9), 576_000, 32, 688_024),
    ("softmax", (10, 64), 254_420, 103, 439_208),
    ("softmax", (7, 65), 180_782, 111, 312_136),
    ("softmax", (7, 100), 274_862, 119, 475_796),
    ("relu_softmax", (7, 65), 90_790, 46, 111_296),
    ("two_quad", (10, 64), 61_300, 40, 79_944),
    ("layer_norm", (7, 100), 62_118, 32, 84_052),
    ("relu", (1000,), 144_000, 8, 172_000),
    ("relu6", (1000,), 288_000, 16, 344_000),
    ("h_swish", (1000,), 336_000, 19, 424_000),
    ("h_sigmoid", (1000,), 296_000, 17, 372_000),
    ("sigmoid", (1000,), 1_210_000, 53, 1_780_000),
    ("swish", (1000,), 1_250_000, 55, 1_832_000),
    ("gelu", (1000,), 792_000, 45, 1_108_000),
    ("quadratic", (1000,), 48_000, 3, 80_000),
    ("square", (1000,), 40_000, 2, 52_000),
    ("polynomial", (1000,), 80_000, 4, 104_000),
    ("partition", (1000, 100), 0, 0, 0),
]


@pytest.mark.parametrize(("kind", "sizes", "semi2k", "sends", "aby3"), MEASURED)
def test_laws_are_what_the_engine_sent(
    kind: str, sizes: tuple[int, ...], semi2k: int, sends: int, aby3: int
) -> None:
    cost = Laws(get_protocol("semi2k"))(Operator(kind, sizes))
    assert (cost.online_bytes, cost.sends) == (semi2k, sends)
    assert cost.one_way_bytes == semi2k / 2
    assert cost.cpu_s is None
    assert Laws(get_protocol("aby3"))(Operator(kind, sizes)).online_bytes == aby3


def test_what_has_no_law_says_so() -> None:
    with pytest.raises(TableError, match=r"no laws for cheetah.*nas mpc measure"):
        Laws(get_protocol("cheetah"))
    with pytest.raises(TableError, match="no law"):
        Laws(get_protocol("semi2k"))(Operator("sparsemax", (3, 4)))
    with pytest.raises(TableError, match=r"no protocol 'semi2'.*'semi2k'"):
        get_protocol("semi2")
    with pytest.raises(TableError, match="semi2k is a protocol of 2 parties, got 3"):
        dataclasses.replace(get_protocol("semi2k"), parties=3)


def test_batch_norm_costs_nothing_and_a_depthwise_kernel_what_a_dense_one_does() -> None:
    block = MBConv(8, 8, 16, 6, kernel=3, act="relu", shortcut=True)
    assert operators_of(block) == (
        Operator("matmul", (1, 36, 8, 16)),
        Operator("relu", (16 * 36,)),
        Operator("matmul", (1, 36, 9 * 16, 16)),
        Operator("relu", (16 * 36,)),
        Operator("matmul", (1, 36, 16, 8)),
    )
    assert ReluCount()(block) == 2 * 16 * 36


def test_a_layer_without_a_private_form_is_named() -> None:
    block = TransformerLayer(64, 2, 128, 17)
    with pytest.raises(TableError, match="'relative_scores' has no private form"):
        operators_of(block)


def test_costs_add_up_and_know_what_they_do_not_know() -> None:
    known, unknown = MpcCost(100, 50, 2, 2, 0.5), MpcCost(10, 5, 1, 1, None)
    assert total([known, known]) == MpcCost(200, 100, 4, 4, 1.0)
    assert (known + unknown).cpu_s is None
    wan = NETWORKS["wan"]
    assert known.latency_s(wan) == pytest.approx(0.5 + 2 * 0.020 + 50 * 8 / 400e6)
    assert unknown.latency_s(wan) == unknown.network_s(wan)


def test_networks_are_profiles_or_the_users_own() -> None:
    assert get_network("lan").rtt_ms == 0.3
    own = get_network("wan", mbit_per_s=100.0)
    assert (own.name, own.rtt_ms, own.mbit_per_s) == ("custom", 40.0, 100.0)
    with pytest.raises(TableError, match="bandwidth above 0"):
        get_network("wan", mbit_per_s=0.0)
    with pytest.raises(TableError, match="no network profile 'wann'"):
        get_network("wann")


def test_private_costs_compile_and_rank_differently() -> None:
    space = get_space("mobile_small", resolutions=[24])
    laws = Laws(get_protocol("semi2k"))
    tables = {m.metric: compile_cost(space, m) for m in private_costs(laws, NETWORKS["lan"])}
    architecture = tables["mpc_online_bytes"].minimum().architecture
    blocks = [b for b in space.blocks(architecture).values() if b is not None]
    by_hand = total(laws(operator) for block in blocks for operator in operators_of(block))
    assert tables["mpc_online_bytes"].of(architecture) == by_hand.online_bytes
    assert tables["mpc_rounds"].of(architecture) == by_hand.rounds
    assert tables["mpc_online_s"].of(architecture) == pytest.approx(
        by_hand.network_s(NETWORKS["lan"])
    )
    assert "lan" in tables["mpc_online_s"].provenance.source
    assert "lan" not in tables["mpc_rounds"].provenance.source


def test_a_shuffle_is_local_to_every_party() -> None:
    """Selecting, shuffling and joining channels move nothing between parties."""
    kinds = {operator.kind for operator in operators_of(ShuffleV2(16, 16, 8, 8))}
    assert kinds == {"matmul", "relu"}
    cost = PrivateCost("mpc_online_bytes", Laws(get_protocol("semi2k")), NETWORKS["wan"])
    assert cost(Conv(3, 8, 8, act=None)) == 2 * (8 * (64 * 3 + 3 * 8) + 4 * 64 * 8)
