"""LatencyTable: measured blocks, the networks that correct them, and how good that is."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

from predictors.errors import TableError
from predictors.latency.calibration import Calibration
from predictors.latency.cost import TableCost
from predictors.latency.graph import Executed, executed
from predictors.latency.monotone import Suspicion, suspicious_rows
from predictors.latency.plan import distinct_work
from predictors.latency.runner.device import Device, device_identity
from predictors.latency.runner.identity import Conditions, Identity, SpaceIdentity
from predictors.latency.runner.timing import Timing
from predictors.latency.validation import Validation
from predictors.provenance import Provenance
from search_spaces import Architecture, SearchSpace
from search_spaces.blocks import BlockSpec

__all__ = ["LatencyTable", "MeasuredNetwork", "NetworkRole", "Reference", "Row"]

NetworkRole: TypeAlias = Literal["calibration", "validation"]


@dataclass(frozen=True, slots=True)
class Row:
    """A block and its latency as measured alone."""

    block: BlockSpec
    timing: Timing


@dataclass(frozen=True, slots=True)
class MeasuredNetwork:
    """A whole network: its latency by the table and as measured."""

    role: NetworkRole
    architecture: Architecture
    estimated_ms: float
    timing: Timing


@dataclass(frozen=True, slots=True)
class Reference:
    """The network that was sampled throughout, and tells how fast the machine was then."""

    architecture: Architecture
    latency_ms: float


@dataclass(frozen=True)
class LatencyTable:
    """Latencies of blocks on one device, in one runtime; or another metric, by a command.

    Numbers are in the unit of the metric, which is ms for all names that end in it.

    Attributes:
        identity: Space, conditions and device.
        started: ISO date and time.
        finished: ISO date and time.
        rounds: Rounds measured; the fewest of all parts.
        call_ms: What a call of the runtime costs; it is taken off every row.
        rows: One for everything different that the runtime executes.
        networks: The whole networks.
        calibration: From rows to whole networks.
        validation: On held-out networks, if there were any.
        reference: By which later measurements are compared; None for a table of others.
        source: Name of the file, for provenance.
    """

    identity: Identity
    started: str
    finished: str
    rounds: int
    call_ms: float
    rows: tuple[Row, ...]
    networks: tuple[MeasuredNetwork, ...] = ()
    calibration: Calibration = dataclasses.field(default_factory=Calibration)
    validation: Validation | None = None
    reference: Reference | None = None
    source: str = "latency table"

    @property
    def metric(self) -> str:
        """What was measured: ``latency_ms``, or what a command prints, in the unit it ends in."""
        return self.conditions.metric

    @property
    def conditions(self) -> Conditions:
        """Runtime, threads, batch size and type."""
        return self.identity.conditions

    @property
    def device(self) -> Device:
        """The device it was measured on."""
        return self.identity.device

    @property
    def provenance(self) -> Provenance:
        """Where its prices come from."""
        return Provenance(
            "table", self.source, str(self.device), str(self.conditions), self.finished
        )

    @cached_property
    def _by_work(self) -> Mapping[Executed, Row]:
        return {executed(row.block): row for row in self.rows}

    def cost_model(self, space: SearchSpace | None = None) -> TableCost:
        """Return the calibrated price of blocks.

        Args:
            space: Checked up front, if given.

        Raises:
            TableError: The table lacks blocks of the space.
        """
        if space is not None:
            self.check(space)
        rows = {work: row.timing.latency_ms - self.call_ms for work, row in self._by_work.items()}
        shapes = frozenset(self.identity.space.input_shapes)
        advice = self._advice(None)
        return TableCost(
            rows, self.calibration, shapes, self.provenance, advice, metric=self.metric
        )

    # checks

    def check(self, space: SearchSpace) -> None:
        """Check that every block of a space is in the table.

        Raises:
            TableError: Blocks are missing; the message says how many and most likely why.
        """
        work = distinct_work(space)
        missing = [block for key, block in work.items() if key not in self._by_work]
        if missing:
            raise TableError(
                f"{self.source} lacks {len(missing)} of the {len(work)} different blocks of space "
                f"{space.name!r}, for example {missing[0]}. {self._why(space)} "
                f"{self._advice(space)}"
            )

    def _why(self, space: SearchSpace) -> str:
        mine, asked = self.identity.space, SpaceIdentity.of(space)
        if mine.name != asked.name:
            return f"It was built for another space, {mine.name!r}."
        unknown = sorted(set(asked.input_shapes) - set(mine.input_shapes))
        if unknown:
            return (
                f"It was built for inputs of shape {_shapes(mine.input_shapes)}; the space also "
                f"takes {_shapes(unknown)}."
            )
        if mine.options != asked.options:
            return f"It was built for options {mine.options}, the space has {asked.options}."
        if mine.keep:
            return f"It was built for a part of the space,{mine.kept}."
        return (
            "It was built for another version of the space, or by an earlier version of the "
            "program for a part of it."
        )

    def _advice(self, space: SearchSpace | None) -> str:
        name = space.name if space is not None else self.identity.space.name
        return (
            f"Build a table for it: nas lut build --space {name} --runtime "
            f"{self.conditions.runtime} --threads {self.conditions.threads} --batch "
            f"{self.conditions.batch_size} --out NEW.lut.json, with the same --option and "
            "--keep values."
        )

    def check_conditions(
        self,
        *,
        runtime: str | None = None,
        threads: int | None = None,
        batch_size: int | None = None,
        metric: str | None = None,
    ) -> None:
        """Check that the table was measured as asked; None asks nothing.

        Raises:
            TableError: It was not.
        """
        asked = {
            "runtime": runtime,
            "threads": threads,
            "batch_size": batch_size,
            "metric": metric,
        }
        for name, value in asked.items():
            measured = getattr(self.conditions, name)
            if value is not None and value != measured:
                raise TableError(
                    f"{self.source} was measured with {name} = {measured!r}, not {value!r}. Use a "
                    f"table for {name} = {value!r}, build one, or change what is asked for."
                )

    def check_device(self, device: Device | None = None) -> None:
        """Check that the table was measured on a device; by default on this one.

        Raises:
            TableError: On another; the message names the differences.
        """
        differences = self.device.differences(device or device_identity())
        if differences:
            raise TableError(
                f"{self.source} was measured on another device: {'; '.join(differences)}. Its "
                "latencies hold there only; build a table on the device you mean."
            )

    def checked_reference(self) -> Reference:
        """Return the reference.

        Raises:
            TableError: There is none; the table was published by others.
        """
        if self.reference is None:
            raise TableError(
                f"{self.source} was not measured here but published by others, so networks "
                "measured now cannot be compared with it. Build a table of your own."
            )
        return self.reference

    def suspicious(self) -> tuple[Suspicion, ...]:
        """Return rows that cannot be, or hardly can be: measure again when there are many."""
        return suspicious_rows(
            [row.block for row in self.rows], [row.timing for row in self.rows], self.call_ms
        )

    def margin(self, confidence: float) -> float:
        """Return how much longer than estimated a network may take, relative to the estimate.

        Of networks drawn as the held-out ones were, the given share takes no longer than the
        estimate times one plus this: it is the conformal quantile of their errors (Lei et al.
        2018, arXiv:1604.04173, section 2.2), and never below zero.

        Args:
            confidence: In (0, 1).

        Raises:
            TableError: There are too few held-out networks to say.
        """
        held_out = [net for net in self.networks if net.role == "validation"]
        errors = sorted(net.timing.latency_ms / net.estimated_ms - 1 for net in held_out)
        rank = math.ceil((len(errors) + 1) * confidence - 1e-9)
        if rank > len(errors):
            needed = math.ceil(confidence / (1 - confidence) - 1e-9)
            raise TableError(
                f"{self.source} has {len(errors)} held-out networks; a limit at {confidence:.4g} "
                f"of confidence needs {needed} or more. Measure them: nas lut validate TABLE "
                f"--nets {max(50, needed)}."
            )
        return max(0.0, errors[rank - 1])


def _shapes(shapes: Any) -> str:
    return ", ".join("x".join(str(size) for size in shape) for shape in shapes)
