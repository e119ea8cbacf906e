"""The cost of computing on secrets: predicted for any architecture, checked by a real engine."""

from __future__ import annotations

from predictors.mpc.cost import MpcCost, total
from predictors.mpc.laws import Laws
from predictors.mpc.metrics import (
    ActivationCount,
    OperatorPrices,
    PrivateCost,
    ReluCount,
    SoftmaxHeads,
    block_cost,
    private_costs,
)
from predictors.mpc.profiles import (
    NETWORKS,
    PROTOCOLS,
    Network,
    Protocol,
    executable_protocol,
    get_network,
    get_protocol,
)
from predictors.mpc.program import Operator, Program, operators_of, program_of
from predictors.mpc.published import PublishedLaws, laws_of
from predictors.mpc.table import MpcTable, load_mpc_table, save_mpc_table
from predictors.mpc.validation import predict

__all__ = [
    "NETWORKS",
    "PROTOCOLS",
    "ActivationCount",
    "Laws",
    "MpcCost",
    "MpcTable",
    "Network",
    "Operator",
    "OperatorPrices",
    "PrivateCost",
    "Program",
    "Protocol",
    "PublishedLaws",
    "ReluCount",
    "SoftmaxHeads",
    "block_cost",
    "executable_protocol",
    "get_network",
    "get_protocol",
    "laws_of",
    "load_mpc_table",
    "operators_of",
    "predict",
    "private_costs",
    "program_of",
    "save_mpc_table",
    "total",
]
