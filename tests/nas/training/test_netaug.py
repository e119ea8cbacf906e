"""NetAug: the target is in every network around it, and is what a stand-alone network is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nas.chosen import read_chosen
from nas.errors import ConfigError
from nas.training import STRATEGIES, load_supernet
from nas.training.state import TrainState
from predictors import Macs, compile_cost
from search_spaces import Architecture
from search_spaces.supernet import Supernet, build_network
from tests.nas.training.jobs import moment, run_folder, tiny_config, tiny_space, train_run


def test_every_step_trains_the_target_and_a_network_that_contains_it() -> None:
    space = tiny_space()
    section = {"target": {"depth": 2}, "vary": ["expand"], "vary_early": ["width"]}
    config = tiny_config(strategy="netaug", netaug=section).train
    strategy = STRATEGIES["netaug"](space, config, 4)
    assert [(phase.name, phase.steps) for phase in strategy.phases] == [
        ("early", 4),
        ("early", 4),
        ("late", 8),
    ]
    smallest = compile_cost(space, Macs()).minimum().architecture
    supernet, varied = Supernet(space, seed=0), {"early": set(), "late": set()}
    for step in range(16):
        phase, _ = strategy.at(step)
        target, around = phase.draw(moment(step))
        assert dict(target.architecture) == {**smallest, "depth": 2}
        differ = {c for c in smallest if around.architecture[c] != target.architecture[c]}
        varied[phase.name] |= differ
        inner = supernet.active_parameters(target.architecture)
        outer = supernet.active_parameters(around.architecture)
        for name, region in inner.items():
            assert all(
                a.start >= b.start and a.stop <= b.stop
                for a, b in zip(region, outer[name], strict=True)
            )
    assert varied == {"early": {"width", "expand"}, "late": {"expand"}}


def test_sorting_keeps_the_largest_and_gives_the_target_its_important_channels() -> None:
    space = tiny_space()
    config = tiny_config(strategy="netaug", netaug={"vary": [], "vary_early": ["expand"]}).train
    strategy = STRATEGIES["netaug"](space, config, 4)
    state = TrainState.begin(Supernet(space, seed=1).eval(), config)
    sizes = {"resolution": 8, "width": 8, "depth": 1, "kernel": 3}
    largest, target = (Architecture({**sizes, "expand": expand}) for expand in (2, 1))
    x = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    outputs = {}
    for name, architecture in (("largest", largest), ("target", target)):
        outputs[name] = state.supernet(x, architecture)
    for prepare in strategy.phases[0].prepare:
        prepare(state)
    torch.testing.assert_close(state.supernet(x, largest), outputs["largest"])
    assert not torch.allclose(state.supernet(x, target), outputs["target"])
    weights = state.supernet.get_parameter("blocks.first.project.conv.weight").detach()
    readers = weights.abs().sum((0, 2, 3))
    assert readers[:8].min() >= readers[8:].max()


def test_the_exported_target_is_bit_for_bit_a_stand_alone_network(tmp_path: Path) -> None:
    space = tiny_space()
    run = run_folder(tmp_path / "run", strategy="netaug")
    train_run(run)
    (target,) = read_chosen(run.path, space)
    supernet = load_supernet(run, space)
    exported = supernet.subnet(target)
    alone = build_network(space, target, seed=5).eval()
    assert {n: t.shape for n, t in alone.state_dict().items()} == {
        n: t.shape for n, t in exported.state_dict().items()
    }
    alone.load_state_dict(exported.state_dict())
    x = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(alone(x), exported(x))
    for name, weight in alone.named_parameters():  # leading slices of the trained weights
        whole = supernet.get_parameter(name).detach()
        cut = [slice(0, size) for size in weight.shape]
        for axis in (2, 3) if "depthwise" not in name and weight.dim() == 4 else ():
            margin = (whole.shape[axis] - weight.shape[axis]) // 2
            cut[axis] = slice(margin, margin + weight.shape[axis])
        if "depthwise.conv" not in name:  # whose kernel is transformed
            assert torch.equal(weight.detach(), whole[tuple(cut)]), name


@pytest.mark.parametrize(
    ("section", "what"),
    [
        ({"vary": ["expnd"]}, r"'expnd', which is no choice.*'expand'"),
        ({"target": {"width": 9}}, r"'width' the option '?9'?\."),
    ],
)
def test_what_the_space_lacks_is_refused(section: dict[str, object], what: str) -> None:
    config = tiny_config(strategy="netaug", netaug=section).train
    with pytest.raises(ConfigError, match=what):
        STRATEGIES["netaug"](tiny_space(), config, 4)


def test_more_early_epochs_than_there_are() -> None:
    with pytest.raises(ConfigError, match="at most epochs = 4"):
        tiny_config(strategy="netaug", netaug={"early_epochs": 5})
