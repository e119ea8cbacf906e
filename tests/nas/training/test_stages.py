"""Stages of progressive shrinking: what is open when, and what sorting must not change."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nas.config import StageConfig
from nas.errors import ConfigError
from nas.training import STRATEGIES
from nas.training.stages import OpenOptions, open_options
from nas.training.state import TrainState
from search_spaces.supernet import Supernet
from tests.nas.training.jobs import STAGES, moment, tiny_config, tiny_space


def stage(**options: object) -> StageConfig:
    return StageConfig.model_validate({"name": "s", "epochs": 1, **options})


def opened(*stages: StageConfig) -> list[OpenOptions]:
    return open_options(tiny_space(), stages)


def seen(options: OpenOptions) -> dict[str, set[object]]:
    drawn = options.space.decode_all(options.sample(400, np.random.default_rng(0)))
    return {c.name: {a[c.name] for a in drawn} for c in options.space.choices}


def test_what_a_stage_opens_stays_open_and_the_rest_is_the_largest() -> None:
    first, second = opened(stage(open={"resolution": [8]}), stage(open={"kernel": [3, 5]}))
    largest = {"resolution": {8}, "width": {16}, "depth": {2}, "kernel": {5}, "expand": {2}}
    assert seen(first) == largest
    assert seen(second) == {**largest, "kernel": {3, 5}}


def test_a_pattern_opens_several_choices_and_later_stages_may_close() -> None:
    first, second = opened(stage(open={"*p*h": [1, 2], "w*": [8, 16]}), stage(open={"width": [8]}))
    assert (seen(first)["depth"], seen(first)["width"]) == ({1, 2}, {8, 16})
    assert (seen(second)["depth"], seen(second)["width"]) == ({1, 2}, {8})


def test_an_option_or_choice_that_the_space_lacks_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"stage 's'.*opens 7 of 'kernel'.*allowed are 3, 5"):
        opened(stage(open={"kernel": [3, 7]}))
    with pytest.raises(ConfigError, match=r"opens 'kernels'.*'kernel'"):
        opened(stage(open={"kernels": [3]}))


def test_phases_have_their_steps_rates_and_preparations() -> None:
    config = tiny_config(strategy="progressive", learning_rate=0.1, batch_size=16).train
    strategy = STRATEGIES["progressive"](tiny_space(), config, 4)
    assert config.epochs == 4
    assert [(p.name, p.steps) for p in strategy.phases] == [
        ("full", 4),
        ("kernel", 4),
        ("expand", 8),
    ]
    rates = [strategy.at(step)[0].learning_rate(step) for step in range(16)]
    assert rates[:3] == pytest.approx([0.05, 0.1, 0.1])
    assert (rates[4], rates[8]) == (0.1, 0.02)
    assert rates[15] < 0.002
    full, kernel, expand = strategy.phases
    assert (full.prepare, full.taught) == ((), False)
    assert kernel.prepare[:2] == (TrainState.restart_optimizer, TrainState.keep_teacher)
    assert TrainState.keep_teacher not in expand.prepare  # the teacher stays the full net
    assert len(kernel.prepare) == 3  # with the sorting of channels
    assert len(expand.prepare) == 2
    assert expand.taught


def test_subnets_of_a_step_share_the_resolution() -> None:
    config = tiny_config(strategy="progressive").train
    draw = STRATEGIES["progressive"](tiny_space(), config, 4).phases[1].draw
    resolutions = [
        {m.architecture["resolution"] for m in draw(moment(step))} for step in range(40)
    ]
    assert all(len(used) == 1 for used in resolutions)
    assert {8} in resolutions
    assert {12} in resolutions
    assert any(len({m.architecture for m in draw(moment(step))}) == 2 for step in range(40))


def test_sorting_keeps_every_network_of_the_stages_before() -> None:
    config = tiny_config(strategy="progressive", ema_decay=None).train
    space = tiny_space()
    before = opened(*map(stage_of, STAGES))[1]
    state = TrainState.begin(Supernet(space, seed=0).double().eval(), config)
    rows = space.unique(before.sample(200, np.random.default_rng(0)))
    images = {r: torch.randn(2, 1, r, r, dtype=torch.float64) for r in (8, 12)}

    def outputs() -> torch.Tensor:
        nets = space.decode_all(rows)
        with torch.no_grad():
            return torch.cat([state.supernet(images[int(a["resolution"])], a) for a in nets])

    old, small = outputs(), Supernet(space, seed=0).state_dict()
    for name, tensor in state.supernet.named_parameters():
        state.optimizer.state[f"momentum/{name}"].copy_(tensor)
    state.sort_channels(before.blocks)
    assert len(rows) == 8
    torch.testing.assert_close(outputs(), old, rtol=1e-6, atol=1e-9)
    weights = state.supernet.state_dict()
    assert not torch.equal(
        weights["blocks.second.project.conv.weight"].float(),
        small["blocks.second.project.conv.weight"],
    )
    for name, tensor in state.supernet.named_parameters():
        assert torch.equal(state.optimizer.state[f"momentum/{name}"].to(tensor.dtype), tensor), (
            name
        )


def stage_of(options: dict[str, object]) -> StageConfig:
    return StageConfig.model_validate(options)
