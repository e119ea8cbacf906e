"""What has to be measured for a table: every different block, and some whole networks."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias, get_args

import numpy as np

from predictors.analytic import Macs
from predictors.cost import compile_cost
from predictors.latency.graph import Executed, executed, is_timed, network, weight_megabytes
from predictors.latency.models import ArchitectureModel, BlockModel, EmptyModel, Model
from predictors.latency.runner.campaign import Schedule
from predictors.latency.runner.options import LutOptions
from search_spaces import Architecture, Population, SearchSpace
from search_spaces.blocks import BlockSpec

__all__ = [
    "ROLES",
    "Item",
    "Plan",
    "Role",
    "block_item",
    "choose_networks",
    "distinct_work",
    "make_plan",
    "networks_plan",
    "reference_network",
]

Role: TypeAlias = Literal["block", "calibration", "validation", "call", "reference"]

ROLES: tuple[Role, ...] = get_args(Role)

_CANDIDATES = 1500


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to measure.

    Attributes:
        role: A block, a network to calibrate with or to validate with, an empty call, or the
            network that is sampled throughout.
        model: What the runtime loads.
        megabytes: Its weights, in 10^6 bytes.
        block: Of a block.
        architecture: Of a network.
    """

    role: Role
    model: Model
    megabytes: float = 0.0
    block: BlockSpec | None = None
    architecture: Architecture | None = None


@dataclass(frozen=True)
class Plan:
    """Everything to measure.

    Attributes:
        items: In a fixed order; the last two are the empty call and the reference.
        parts: Positions of the items that are loaded together, one part after another; the
            call is in each.
    """

    items: tuple[Item, ...]
    parts: tuple[tuple[int, ...], ...]

    @property
    def reference(self) -> Item:
        """The network that is sampled throughout."""
        return self.items[-1]

    @property
    def schedule(self) -> Schedule:
        """What the device needs to know of it."""
        return Schedule(self.digest, self.parts, len(self.items) - 1)

    @cached_property
    def digest(self) -> str:
        """A hash of what is measured in which parts."""
        content = [
            [
                item.role,
                item.block.to_json() if item.block is not None else None,
                item.architecture.to_json() if item.architecture is not None else None,
            ]
            for item in self.items
        ]
        text = json.dumps([content, self.parts], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def distinct_work(space: SearchSpace) -> dict[Executed, BlockSpec]:
    """Return one block for everything different that a runtime may have to execute.

    Blocks that are not timed are left out.
    """
    work: dict[Executed, BlockSpec] = {}
    for block in space.distinct_blocks():
        if is_timed(block):
            work.setdefault(executed(block), block)
    return work


def choose_networks(
    space: SearchSpace, options: LutOptions, *, taken: Sequence[Architecture] = ()
) -> tuple[list[Architecture], list[Architecture]]:
    """Choose the networks to calibrate and to validate with, spread over the range of MACs.

    Candidates are uniform samples, and crossovers of samples with the smallest and with the
    largest network, where uniform samples hardly come. Both sets are spread over the quantiles
    of the candidates' MACs; they share no network. Small spaces give fewer.

    Args:
        space: Where from.
        options: How many, and the seed.
        taken: Networks that are not to be chosen again.
    """
    rng = np.random.default_rng(options.seed)
    candidates = _without(space, _candidates(space, rng), space.encode_all(taken))
    wanted = options.calibration_nets + options.validation_nets
    share = min(1.0, len(candidates) / max(1, wanted))
    calibration = _spread(candidates, math.ceil(share * options.calibration_nets))
    rest = _without(space, candidates, calibration)
    validation = _one_of_each_quantile(rest, options.validation_nets, rng)
    return space.decode_all(calibration), space.decode_all(validation)


def reference_network(space: SearchSpace) -> Architecture:
    """Return the network that tells how fast the machine is: the middle one by MACs."""
    candidates = _candidates(space, np.random.default_rng(0))
    return space.decode(candidates[len(candidates) // 2])


def _without(space: SearchSpace, candidates: Population, taken: Population) -> Population:
    """Return the candidates that are not taken, in their order."""
    rows: Population = candidates[~np.isin(space.keys(candidates), space.keys(taken))]
    return rows


def _candidates(space: SearchSpace, rng: np.random.Generator) -> Population:
    """Return different networks, smallest MACs first."""
    macs = compile_cost(space, Macs())
    sample = space.sample(_CANDIDATES, rng)
    ends = space.encode_all([macs.minimum().architecture, macs.maximum().architecture])
    third = len(sample) // 3
    small = space.crossover(sample[:third], np.repeat(ends[:1], third, axis=0), rng)
    large = space.crossover(sample[-third:], np.repeat(ends[1:], third, axis=0), rng)
    candidates = space.unique(np.concatenate([small, sample, large]))
    rows: Population = candidates[np.argsort(macs(candidates), kind="stable")]
    return rows


def _spread(ordered: Population, n: int) -> Population:
    """Return up to n rows at equal distances."""
    n = min(n, len(ordered))
    rows: Population = ordered[((np.arange(n) + 0.5) * len(ordered) / max(n, 1)).astype(int)]
    return rows


def _one_of_each_quantile(ordered: Population, n: int, rng: np.random.Generator) -> Population:
    """Return up to n rows, one drawn from each of n equal parts."""
    parts = np.array_split(np.arange(len(ordered)), min(n, len(ordered)) or 1)
    chosen = [int(rng.choice(part)) for part in parts if len(part) and n]
    rows: Population = ordered[np.array(chosen, dtype=int)]
    return rows


def make_plan(space: SearchSpace, options: LutOptions) -> Plan:
    """Return the plan of a table; it depends on the space and the options only."""
    calibration, validation = choose_networks(space, options)
    blocks = [block_item(block, options.batch_size) for block in distinct_work(space).values()]
    return _plan(space, options, blocks, calibration, validation, reference_network(space))


def networks_plan(
    space: SearchSpace,
    options: LutOptions,
    *,
    calibration: Sequence[Architecture] = (),
    validation: Sequence[Architecture] = (),
    reference: Architecture,
) -> Plan:
    """Return a plan of whole networks, for a table that has its blocks."""
    return _plan(space, options, [], calibration, validation, reference)


def _plan(
    space: SearchSpace,
    options: LutOptions,
    blocks: list[Item],
    calibration: Sequence[Architecture],
    validation: Sequence[Architecture],
    reference: Architecture,
) -> Plan:
    batch = options.batch_size
    items = [
        *blocks,
        *(_network_item(space, a, "calibration", batch) for a in calibration),
        *(_network_item(space, a, "validation", batch) for a in validation),
    ]
    parts = _parts(items, options)
    last = (Item("call", EmptyModel()), _network_item(space, reference, "reference", batch))
    # Every part measures the call, too; its samples are taken together.
    return Plan((*items, *last), tuple((*part, len(items)) for part in parts))


def block_item(block: BlockSpec, batch_size: int) -> Item:
    """Return the item of a block alone."""
    model = BlockModel(block, batch_size, pooled=True)
    return Item("block", model, weight_megabytes(block), block=block)


def _network_item(space: SearchSpace, architecture: Architecture, role: Role, batch: int) -> Item:
    placed = network(space, architecture)
    megabytes = sum(weight_megabytes(step.block) for step in placed)
    model = ArchitectureModel(space, architecture, batch)
    return Item(role, model, megabytes, architecture=architecture)


def _parts(items: Sequence[Item], options: LutOptions) -> list[tuple[int, ...]]:
    """Deal the items into as few parts as the weights allow, at random but each role evenly.

    Parts are measured at different times, and the reference network corrects most, not all, of
    how fast the machine was then: of ofa_mobilenet_v3's networks in OpenVINO, those of four
    parts were estimated -1.9, +3.3, +1.7 and -3.3 % off on average. Where more networks of one
    role than of the other fall into a part, that becomes a bias of the table.
    """
    megabytes = sum(item.megabytes for item in items)
    count = min(len(items), max(1, math.ceil(megabytes / options.loaded_megabytes)))
    rng = np.random.default_rng(options.seed)
    roles = np.array([item.role for item in items])
    order = [i for role in ROLES for i in rng.permutation(np.flatnonzero(roles == role)).tolist()]
    return [tuple(sorted(order[start::count])) for start in range(count)]
