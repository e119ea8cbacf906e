"""Drop-path, regularisation of the largest alone, zero-gamma and freezing."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nas.errors import ConfigError
from nas.training import STRATEGIES
from nas.training.largest import largest
from nas.training.state import TrainState
from search_spaces import get_space
from search_spaces.modules import regularise
from search_spaces.modules.regularise import Regularisation, drop, drop_path, regularised
from search_spaces.supernet import Gate, Supernet
from tests.nas.training.jobs import (
    moment,
    newest,
    operation_space,
    run_folder,
    tiny_config,
    tiny_space,
    train_run,
)
from tests.small_spaces import SMALL

X = torch.randn(6, 1, 12, 12, generator=torch.Generator().manual_seed(0))


def test_drop_path_leaves_out_images_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    branch = torch.ones(4000, 2, 3, 3)
    assert drop_path(branch, True) is branch
    with regularised(Regularisation(drop_path=0.25)):
        assert drop_path(branch, False) is branch
        dropped = drop_path(branch, True)
    per_image = dropped.flatten(1)
    assert per_image.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert bool((per_image == per_image[:, :1]).all())
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.05)
    assert drop_path(branch, True) is branch


def test_dropout_is_off_where_a_member_is_not_regularised() -> None:
    torch.manual_seed(0)
    x = torch.ones(1000)
    assert float((drop(x, 0.5, True) == 0).float().mean()) == pytest.approx(0.5, abs=0.1)
    with regularised(Regularisation(dropout=False)):
        assert torch.equal(drop(x, 0.5, True), x)


@pytest.mark.parametrize("name", ["mobile_small", "autoformer"])
def test_later_blocks_are_left_out_more_often(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    space = get_space(name, **SMALL[name])
    supernet = Supernet(space, seed=0).train()
    x = torch.randn(6, *space.input_shape_of(largest(space)))
    rates: list[float] = []

    def remember(count: int, device: torch.device) -> torch.Tensor:
        rates.append(regularise._current.get().drop_path * regularise._depth.get())
        return torch.full((count,), 0.9)

    whole = supernet(x, largest(space), Regularisation(False))
    monkeypatch.setattr(regularise, "uniform_per_image", remember)
    scaled = supernet(x, largest(space), Regularisation(False, 0.5))
    assert len(rates) > 2
    assert rates == sorted(rates)
    assert 0 < rates[0] < rates[-1] < 0.5
    assert not torch.equal(scaled, whole)


def test_a_mixture_is_regularised_as_an_architecture_is() -> None:
    space = operation_space()
    supernet, architecture = Supernet(space, seed=0).train(), largest(space)
    row = space.encode(architecture)
    gates = {
        choice.name: Gate((int(option),), torch.ones(1))
        for choice, option in zip(space.choices, row, strict=True)
    }
    outputs = []
    for run in (partial(supernet, X), partial(supernet.mixture, X)):
        torch.manual_seed(3)
        given = (architecture,) if not outputs else (architecture, gates)
        outputs.append(run(*given, Regularisation(drop_path=0.5)))
    torch.testing.assert_close(*outputs)
    assert not torch.equal(outputs[0], supernet(X, architecture, Regularisation(False)))


@pytest.mark.parametrize(("whom", "others"), [("largest", False), ("all", True)])
def test_only_the_largest_is_regularised(whom: str, others: bool) -> None:
    config = tiny_config(regularise=whom).train
    first, *rest = STRATEGIES["sandwich"](tiny_space(), config, 4).phases[0].draw(moment(0))
    assert first.regularised
    assert {member.regularised for member in rest} == {others}


def test_zero_gamma_makes_blocks_with_a_shortcut_the_identity() -> None:
    space = operation_space()
    config = tiny_config(strategy="single_path", zero_gamma=True).train
    state = TrainState.begin(Supernet(space, seed=0).eval(), config)
    x = torch.randn(3, 1, 12, 12)
    skipped = space.decode_all(space.enumerated)
    outputs = [state.supernet(x, architecture) for architecture in skipped]
    for output in outputs[1:]:
        torch.testing.assert_close(output, outputs[0])
    # Without a shortcut, as in the first block of `tiny_space`, nothing is zero.
    tiny = Supernet(tiny_space(), seed=0)
    tiny.zero_gammas()
    assert tiny.get_parameter("blocks.first.project.bn.weight").detach().min() == 1.0
    assert tiny.get_parameter("blocks.second.project.bn.weight").detach().max() == 0.0


def test_frozen_slots_stay_as_they_are(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", epochs=1, freeze=["stem", "fir*"], ema_decay=None)
    before = {n: p.clone() for n, p in Supernet(tiny_space(), seed=0).state_dict().items()}
    train_run(run)
    stored = load_file(newest(run))
    same = {key: torch.equal(stored[f"model/{key}"], tensor) for key, tensor in before.items()}
    frozen = {key for key in same if key.startswith(("blocks.stem.", "blocks.first."))}
    counted = {key for key in same if "num_batches" in key}
    weights = {key for key in same if key.endswith("conv.weight") and "transform" not in key}
    assert len(frozen - counted) > 10
    assert all(same[key] for key in frozen - counted)
    assert weights - frozen
    assert not any(same[key] for key in weights - frozen)


@pytest.mark.parametrize(
    ("freeze", "what"),
    [(["setm"], r"'setm', which is no slot of 'tiny'.*'stem'"), (["*"], "leaves no weight")],
)
def test_freezing_what_is_not_there_or_all(freeze: list[str], what: str) -> None:
    config = tiny_config(freeze=freeze).train
    with pytest.raises(ConfigError, match=what):
        TrainState.begin(Supernet(tiny_space()), config)
