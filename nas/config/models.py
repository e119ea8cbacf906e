"""The sections of a configuration file: frozen, typed, and every unknown key refused."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from nas.config.limits import Limit, parse_limit
from nas.data.config import AugmentConfig, DataConfig
from nas.errors import ConfigError

__all__ = [
    "Config",
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

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """What all sections share. Types are strict: ``"3"`` is no integer, and true is none."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


def _refuse(problems: dict[str, str]) -> None:
    """Raise one pydantic error that carries a sentence for each of several keys."""
    if problems:
        text = "; ".join(f"{key}: {problem}" for key, problem in problems.items())
        # No template fields: the text may hold braces.
        raise PydanticCustomError("problems", "{text}", {"text": text, "problems": problems})


def _device(name: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", name):
        raise ValueError("must be auto, cpu, mps, cuda, or one of several GPUs as cuda:0")
    return name


class SpaceConfig(Section):
    """Which search space, and the arguments of its factory."""

    name: str
    """Name of a registered search space."""
    options: dict[str, Any] = {}
    """Arguments of the space's factory, for example classes and width."""


class TrainConfig(Section):
    """How the supernet is trained."""

    strategy: Literal["single_path", "sandwich"] = "single_path"
    """One uniformly drawn path a step (SPOS), or largest, smallest and random subnets."""
    random_subnets: Annotated[int, Field(ge=0)] = 2
    """Random subnets in each sandwich step, beside the largest and the smallest."""
    epochs: Count
    """Passes over the training images."""
    batch_size: Count
    """Images in a step."""
    optimizer: Literal["sgd", "adamw"] = "sgd"
    """The optimizer."""
    learning_rate: Positive
    """The highest learning rate, reached after the warm-up; a cosine takes it to zero."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum of sgd."""
    nesterov: bool = True
    """Whether the momentum of sgd is Nesterov's."""
    weight_decay: NotNegative = 4e-5
    """Weight decay."""
    warmup_epochs: NotNegative = 0.0
    """Epochs in which the learning rate rises linearly from zero."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Label smoothing."""
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Decay of the exponential moving average of the weights; none keeps no average."""
    gradient_clip: Positive | None = None
    """Largest norm of the gradient; none does not clip."""
    amp: bool = True
    """Automatic mixed precision; it takes effect on CUDA only."""
    channels_last: bool = True
    """Whether images and weights lie in memory with the channels last."""
    device: Annotated[str, AfterValidator(_device)] = "auto"
    """Where to train; auto takes CUDA where there is one."""
    threads: Count | None = None
    """Threads on the CPU; none leaves torch's own number."""
    checkpoint_every_s: NotNegative = 60.0
    """Seconds between two checkpoints; 0 writes one after every step."""

    @model_validator(mode="after")
    def _check(self) -> TrainConfig:
        problems = {}
        if self.warmup_epochs > self.epochs:
            problems["warmup_epochs"] = f"must be at most epochs = {self.epochs}"
        if self.optimizer == "sgd" and self.nesterov and self.momentum == 0:
            problems["nesterov"] = "needs a momentum above 0; set it to false"
        _refuse(problems)
        return self


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


class PredictorConfig(Section):
    """One predictor made by `nas predictor fit`, whose metric becomes a cost."""

    path: str
    """The file; it holds one sum of prices of layers, from ``--model additive``."""


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
    options: dict[str, Any] = {}
    """Arguments of its constructor; genetic operators and other samplers by name."""
    study: str | None = None
    """Where any search is mirrored into an Optuna study: a database URL or a journal file."""


class NniConfig(Section):
    """Which of NNI's tuners proposes subnets."""

    tuner: Literal["Random", "TPE", "Evolution", "GridSearch", "Batch"] = "TPE"
    """Name of the tuner."""
    options: dict[str, Any] = {}
    """Arguments of its constructor."""
    limits: Literal["penalty", "reject"] = "penalty"
    """Whether subnets outside the limits are told with a bad value, or as failed trials."""


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
    limits: dict[str, int | float | str] = {}
    """Upper limits by metric: 2.5, "60M", "2.5 ms", or "60%" of the largest subnet's; for a
    latency also "<= 20 ms @ 95%", which keeps back what the table may be wrong by."""
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
        _refuse(problems)
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
        _refuse(problems)
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
    latency: LatencyConfig | None = None
    """Where the latency table comes from; none measures no latency."""
    predictors: Annotated[tuple[PredictorConfig, ...], Field(strict=False)] = ()
    """Fitted predictors, each of which gives one more cost."""
    evaluate: EvaluateConfig = EvaluateConfig()
    """How a subnet is scored."""
    search: SearchConfig = SearchConfig()
    """How subnets are searched."""
    export: ExportConfig = ExportConfig()
    """What is exported."""

    @field_validator("predictors", mode="before")
    @classmethod
    def _check_predictors(cls, predictors: Any) -> Any:
        if not isinstance(predictors, list | tuple):
            raise ValueError("each predictor has a section of its own: write [[predictors]]")
        return predictors

    @model_validator(mode="after")
    def _check(self) -> Config:
        sources = self.latency is not None or self.predictors
        if "latency_ms" in self.search.limits and not sources:
            problem = "a latency limit needs a [latency] section, or a predictor in [[predictors]]"
            _refuse({"search.limits.latency_ms": problem})
        return self

    def to_json(self) -> dict[str, Any]:
        """Return the resolved configuration, every default spelt out, as a JSON object."""
        return self.model_dump(mode="json")

    @property
    def config_hash(self) -> str:
        """16 hex digits that differ when any resolved value differs."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]
