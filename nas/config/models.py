"""The sections of a configuration file: frozen, typed, and every unknown key refused."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from nas.config.limits import Limit, parse_limit
from nas.config.section import (
    Count,
    Positive,
    Section,
    Share,
    check_names,
    one_or_named,
    refuse,
)
from nas.config.train import TrainConfig
from nas.data.config import AugmentConfig, DataConfig
from nas.errors import ConfigError
from nas.metric_names import LATENCY, is_latency, is_private, placed, split_place

__all__ = [
    "Config",
    "EnsembleConfig",
    "EvaluateConfig",
    "ExportConfig",
    "LatencyConfig",
    "NniConfig",
    "OptunaConfig",
    "PredictorConfig",
    "SearchConfig",
    "SpaceConfig",
    "TrainConfig",
]


Kept: TypeAlias = dict[str, Annotated[tuple[int | float | str, ...], Field(strict=False)]]
"""The options to keep by choice; a name may be a pattern such as kernel_*."""


class SpaceConfig(Section):
    """Which search space, and the arguments of its factory."""

    name: str
    """Name of a registered search space."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Arguments of the space's factory, for example classes and width."""
    keep: Kept = Field(default_factory=dict)
    """The options that are trained and searched, by choice or pattern; others are dropped."""


class LatencyConfig(Section):
    """Where the latency table comes from: a file, or a measurement of this machine."""

    table: str | None = None
    """Path of an existing latency table, of this or another device; none builds one here. A
    YAML file is a table of once-for-all or ProxylessNAS."""
    table_device: str = ""
    """What a YAML table was measured on; other tables say so themselves."""
    runtime: str = "onnxruntime"
    """The runtime that blocks are measured in."""
    threads: Count = 1
    """Threads of the runtime."""
    batch_size: Count = 1
    """Images in one call."""
    rounds: Count | None = None
    """Rounds of measurement over all blocks; none lets the profiler decide."""
    calibration_nets: Annotated[int, Field(ge=0)] = 20
    """Whole subnets measured to correct and to validate the table."""
    max_seconds: Positive | None = None
    """Longest time that building the table may take."""


LatencySections: TypeAlias = Annotated[
    Annotated[LatencyConfig, Tag("one")] | Annotated[dict[str, LatencyConfig], Tag("named")],
    Discriminator(one_or_named),
]
"""One section for the only device, or one for each of several devices by its name."""


class PredictorConfig(Section):
    """One predictor made by `nas predictor fit`, or a table, whose metric becomes a cost."""

    path: str
    """The file: one sum of prices of layers, from ``--model additive``; or a table of another
    metric than latency, from `nas lut build --metric`, whose name ends in .json."""


class EvaluateConfig(Section):
    """How a subnet with inherited weights is scored."""

    calibration_images: Count = 2000
    """Training images that the batch-norm statistics are computed from."""
    calibration_seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the choice of these images."""
    batch_size: Count = 250
    """Images in a batch."""


class OptunaConfig(Section):
    """Which of Optuna's samplers proposes subnets, and where a copy of the archive is kept."""

    sampler: str = "TPESampler"
    """Name of the sampler, as in `optuna.samplers`."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Arguments of its constructor; genetic operators and other samplers by name."""
    study: str | None = None
    """Where any search is mirrored into an Optuna study: a database URL or a journal file."""


class NniConfig(Section):
    """Which of NNI's tuners proposes subnets."""

    tuner: Literal["Random", "TPE", "Evolution", "GridSearch", "Batch"] = "TPE"
    """Name of the tuner."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Arguments of its constructor."""
    limits: Literal["penalty", "reject"] = "penalty"
    """Whether subnets outside the limits are told with a bad value, or as failed trials."""


class EnsembleConfig(Section):
    """Searching for several subnets that share layers and are averaged."""

    members: Annotated[int, Field(ge=2, le=4)] = 2
    """Subnets in an ensemble."""
    splits: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Slots at which they may part; none allows every slot where one tensor passes."""


class SearchConfig(Section):
    """How subnets are searched."""

    searcher: Literal[
        "evolution",
        "random",
        "spos",
        "ofa",
        "aging",
        "assisted",
        "nsga2",
        "nsga3",
        "optuna",
        "nni",
    ] = "evolution"
    """Evolution with fresh starts, random search, the published evolutions of SPOS and
    once-for-all, aging evolution, search assisted by a fitted prediction, NSGA-II and NSGA-III
    for several objectives, or a sampler of Optuna or a tuner of NNI."""
    workers: Count = 1
    """Evaluations at the same time; above 1 each worker loads a supernet of its own."""
    executor: str = "processes"
    """Where workers run: processes of this machine, ray, or an installed entry point."""
    population: Count = 50
    """Architectures in a generation."""
    evaluations: Count = 300
    """Architectures to evaluate in all."""
    parents: Count = 10
    """Best architectures that the next generation descends from, for evolution and spos."""
    tournament: Count = 25
    """Architectures that compete to be a parent, for aging."""
    mutation_probability: Share | None = None
    """Probability with which a mutation redraws each choice; none leaves the searcher's own:
    0.1 for evolution, spos and ofa, one choice on average for the others."""
    mutation_share: Share | None = None
    """Share of a generation that comes from mutation alone; crossover makes the rest. None
    leaves the searcher's own, which is half."""
    objective: str = "accuracy"
    """The metric to maximise."""
    minimize: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Costs to minimise beside the objective, for nsga2, nsga3 and optuna."""
    limits: dict[str, int | float | str] = Field(default_factory=dict)
    """Upper limits by metric: 2.5, "60M", "2.5 ms", or "60%" of the largest subnet's; for a
    latency also "<= 20 ms @ 95%", which keeps back what the table may be wrong by."""
    keep: Kept = Field(default_factory=dict)
    """The options that are searched, by choice or pattern, of those that were trained."""
    ensemble: EnsembleConfig | None = None
    """Searches for ensembles in place of single subnets."""
    optuna: OptunaConfig = OptunaConfig()
    """Optuna's part."""
    nni: NniConfig = NniConfig()
    """NNI's part."""

    @field_validator("limits", mode="before")
    @classmethod
    def _check_limits(cls, limits: Any) -> Any:
        problems = {}
        for metric, text in limits.items() if isinstance(limits, dict) else ():
            try:
                parse_limit(metric, text)
            except ConfigError as error:
                problems[metric] = str(error).partition(": ")[2]
        refuse(problems)
        return limits

    @model_validator(mode="after")
    def _check(self) -> SearchConfig:
        problems = {}
        if self.searcher in ("evolution", "spos") and self.parents > self.population:
            problems["parents"] = f"must be at most population = {self.population}"
        if self.minimize and self.searcher not in ("nsga2", "nsga3", "optuna", "random"):
            problems["minimize"] = (
                f"{self.searcher} looks for one objective; set searcher to nsga2, nsga3 or optuna"
            )
        refuse(problems)
        return self

    def parsed_limits(self) -> tuple[Limit, ...]:
        """Return the limits in the order in which they were written."""
        return tuple(parse_limit(metric, text) for metric, text in self.limits.items())


class ExportConfig(Section):
    """What is exported after the search."""

    top: Count = 3
    """How many of the best subnets."""
    formats: Annotated[
        tuple[Literal["safetensors", "onnx", "pt2"], ...], Field(strict=False, min_length=1)
    ] = ("safetensors",)
    """File formats; onnx needs the extra `export`."""


class MpcConfig(Section):
    """Private inference: the protocol and the network that its costs are for."""

    protocol: Literal["semi2k", "aby3", "cheetah", "delphi"] = "semi2k"
    """The protocol; semi2k and aby3 have laws, delphi published ones, cheetah needs a table."""
    table: str | None = None
    """Table of measured operators by `nas mpc measure`, of that protocol; none takes the laws."""
    network: Literal["lan", "wan"] = "wan"
    """Between the parties: 0.3 ms and 3 Gbit/s, or 40 ms and 400 Mbit/s."""
    rtt_ms: Annotated[float, Field(ge=0)] | None = None
    """Round-trip time, in place of the network's."""
    mbit_per_s: Positive | None = None
    """Bandwidth in one direction, 10^6 bits a second, in place of the network's."""


MpcSections: TypeAlias = Annotated[
    Annotated[MpcConfig, Tag("one")] | Annotated[dict[str, MpcConfig], Tag("named")],
    Discriminator(one_or_named),
]
"""One section, or one for each of several protocols and networks by its name."""


class Config(Section):
    """One experiment: everything that a run depends on."""

    seed: Annotated[int, Field(ge=0)] = 0
    """The one seed that every random stream descends from."""
    space: SpaceConfig
    """Which search space."""
    data: DataConfig
    """Which images."""
    augment: AugmentConfig = AugmentConfig()
    """How training images are varied."""
    train: TrainConfig
    """How the supernet is trained."""
    latency: LatencySections | None = None
    """Where the latency table comes from; none measures no latency. For several devices, a
    section [latency.NAME] for each, whose cost is ``NAME_latency_ms``."""
    mpc: MpcSections | None = None
    """What private inference costs; none prices and limits none. For several protocols or
    networks, a section [mpc.NAME] for each, whose costs are ``NAME_mpc_online_s`` and so on."""
    predictors: Annotated[tuple[PredictorConfig, ...], Field(strict=False)] = ()
    """Fitted predictors, each of which gives one more cost."""
    evaluate: EvaluateConfig = EvaluateConfig()
    """How a subnet is scored."""
    search: SearchConfig = SearchConfig()
    """How subnets are searched."""
    export: ExportConfig = ExportConfig()
    """What is exported."""

    @field_validator("latency", mode="before")
    @classmethod
    def _check_devices(cls, latency: Any) -> Any:
        check_names(latency, LatencyConfig, "latency")
        return latency

    @field_validator("mpc", mode="before")
    @classmethod
    def _check_settings(cls, mpc: Any) -> Any:
        check_names(mpc, MpcConfig, "mpc")
        return mpc

    @field_validator("predictors", mode="before")
    @classmethod
    def _check_predictors(cls, predictors: Any) -> Any:
        if not isinstance(predictors, list | tuple):
            raise ValueError("each predictor has a section of its own: write [[predictors]]")
        return predictors

    @model_validator(mode="after")
    def _check(self) -> Config:
        for metric in self.search.limits:
            if is_latency(metric) and metric not in self.latencies and not self.predictors:
                refuse({f"search.limits.{metric}": self.latency_missing(metric)})
            place, _ = split_place(metric)
            if is_private(metric) and place not in self.mpcs:
                section = f"[mpc.{place}]" if place else "[mpc]"
                there = f"; the sections there are named {', '.join(self.mpcs)}"
                needs = f"it needs a section {section}{there if any(self.mpcs) else ''}"
                refuse({f"search.limits.{metric}": needs})
        return self

    @property
    def mpcs(self) -> dict[str, MpcConfig]:
        """The sections of private inference by name; the only one has none, ``""``."""
        if self.mpc is None:
            return {}
        return {"": self.mpc} if isinstance(self.mpc, MpcConfig) else dict(self.mpc)

    @property
    def latencies(self) -> dict[str, LatencyConfig]:
        """The sections of latency tables by the cost that each gives."""
        if self.latency is None:
            return {}
        if isinstance(self.latency, LatencyConfig):
            return {LATENCY: self.latency}
        return {placed(name, LATENCY): section for name, section in self.latency.items()}

    def latency_missing(self, metric: str) -> str:
        """Return what a latency needs that no section gives."""
        device, _ = split_place(metric)
        section = f"[latency.{device}]" if device else "[latency]"
        there = f"; the sections there are give {', '.join(self.latencies)}"
        return (
            f"a latency needs a section {section}, or a predictor of it in [[predictors]]"
            f"{there if self.latencies else ''}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the resolved configuration, every default spelt out, as a JSON object."""
        return self.model_dump(mode="json")

    @property
    def config_hash(self) -> str:
        """16 hex digits that differ when any resolved value differs."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]
