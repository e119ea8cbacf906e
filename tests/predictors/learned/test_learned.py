"""Learned predictors: what runs by hand, models, files, selection, support."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from predictors import PredictorError, Provenance
from predictors.learned import (
    Candidate,
    Encoder,
    Execution,
    LearnedPredictor,
    choose_support,
    compare,
    fit,
    load_predictor,
    save_predictor,
    transfer,
)
from predictors.learned.execution import View
from search_spaces import Population, SearchSpace, get_space
from search_spaces.nasbench201 import OPERATIONS

pytest.importorskip("sklearn")

MEASURED = Provenance("measured", "test", device="phone")
MODELS = ("ridge", "additive", "gaussian_process", "forest", "boosting", "perceptrons")


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return get_space("nasbench201", resolution=8, width=4, cells=1)


def cell(*operations: str) -> Population:
    return np.array([[OPERATIONS.index(operation) for operation in operations]], dtype=np.int16)


CONV, POOL, SKIP, NONE = "nor_conv_3x3", "avg_pool_3x3", "skip_connect", "none"


def prices(space: SearchSpace, population: Population, view: str = "layers") -> np.ndarray:
    """A device that adds up layers, in ms."""
    x = Encoder(space, view)(population)
    return 1.0 + x @ np.linspace(0.5, 2.0, x.shape[1]) / x.max()


@pytest.fixture(scope="module")
def sample(space: SearchSpace) -> Population:
    rows = space.unique(space.sample(400, np.random.default_rng(0)))
    return rows[~Execution(space).constant(rows)]


def running(space: SearchSpace, population: Population, view: View) -> set[str]:
    """Return the edges of a cell that run; `cell` takes 01, 02, 12, 03, 13, 23 in turn."""
    execution = Execution(space)
    mask = execution.runs(execution.blocks(population), view)[0]
    names = [slot.name for slot in space.slots]
    return {n[-2:] for n, runs in zip(names, mask, strict=True) if runs and "1.0.edge" in n}


def test_what_runs_by_hand(space: SearchSpace) -> None:
    """Node 1 is zero; nothing reads a convolution on 01."""
    unread = cell(CONV, NONE, NONE, CONV, NONE, NONE)
    assert running(space, unread, "all") == {"01", "02", "12", "03", "13", "23"}
    assert running(space, unread, "read") == {"03"}
    fed_by_zero = cell(NONE, NONE, NONE, CONV, CONV, NONE)
    assert running(space, fed_by_zero, "read") == {"03", "13"}
    assert running(space, fed_by_zero, "live") == {"03"}


def test_equal_operations_of_one_input_run_once(space: SearchSpace) -> None:
    both = cell(POOL, POOL, CONV, CONV, SKIP, SKIP)
    assert running(space, both, "merged") == running(space, both, "all") - {"02"}
    through_a_skip = cell(SKIP, POOL, POOL, CONV, NONE, SKIP)  # node 1 is the input, too
    assert running(space, through_a_skip, "merged") == {"02", "03", "13"}
    weights_differ = cell(CONV, CONV, NONE, POOL, SKIP, SKIP)
    assert running(space, weights_differ, "merged") == running(space, weights_differ, "all")


def test_a_factor_of_zero_is_folded_into_the_convolution_before_it(space: SearchSpace) -> None:
    read_by_zeros = cell(CONV, POOL, NONE, POOL, NONE, SKIP)
    assert running(space, read_by_zeros, "read") == {"02", "03"}
    assert running(space, read_by_zeros, "folded") == {"01", "02", "03"}
    a_pool = cell(POOL, POOL, NONE, POOL, NONE, SKIP)  # has no weights to fold into
    assert running(space, a_pool, "folded") == {"02", "03"}
    read_otherwise = cell(CONV, POOL, CONV, POOL, NONE, NONE)  # by a convolution that is dead
    assert running(space, read_otherwise, "folded") == {"03"}
    in_a_sum = cell(NONE, CONV, NONE, POOL, NONE, NONE)  # node 2 is the convolution plus zero
    assert running(space, in_a_sum, "folded") == {"02", "03"}
    reads_another = cell(POOL, NONE, CONV, POOL, NONE, NONE)  # what it reads runs, too
    assert running(space, reads_another, "folded") == {"01", "12", "03"}


def test_choices_that_reach_no_output_are_left_out_of_the_encoding(space: SearchSpace) -> None:
    skips = {choice.name: "skip_connect" for choice in space.choices}
    dead = {**skips, "edge_0_1": "none", "edge_1_2": "none"}  # node 1 is zero, whatever follows
    row = space.encode(dead)[None]
    reached = dict(zip(skips, Execution(space).reaches(row)[0].tolist(), strict=True))
    assert reached == {
        **dict.fromkeys(skips, False),
        **dict.fromkeys(("edge_0_2", "edge_0_3", "edge_2_3"), True),
    }
    assert Encoder(space, "live_one_hot")(row).sum() == 3
    assert Encoder(space, "one_hot")(row).sum() == 6


@pytest.mark.parametrize("name", ["nasnet", "mpc_vit", "autoformer"])
def test_where_every_path_counts_the_choices_that_matter_reach_the_output(name: str) -> None:
    space = get_space(name)
    rows = space.canonical(space.sample(40, np.random.default_rng(0)))
    reached = Execution(space).reaches(rows)
    assert (reached | space.inactive(rows)).all()


@pytest.mark.parametrize("name", ["nasnet", "darts"])
def test_what_a_slot_selects_runs(name: str) -> None:
    """Nodes select what they read, and what none selects is concatenated: nothing is idle."""
    space = get_space(name)
    execution = Execution(space)
    blocks = execution.blocks(space.sample(20, np.random.default_rng(0)))
    everything = execution.runs(blocks, "all")
    assert everything.any()
    for view in ("read", "live"):
        np.testing.assert_array_equal(execution.runs(blocks, view), everything)


def test_a_cell_without_a_path_computes_a_constant(space: SearchSpace) -> None:
    dead, alive = cell(CONV, NONE, NONE, NONE, NONE, CONV), cell(*[NONE] * 3, SKIP, NONE, NONE)
    found = Execution(space).constant(np.concatenate([dead, alive]))
    assert found.tolist() == [True, False]


@pytest.mark.parametrize("model", MODELS)
def test_the_file_predicts_the_same_numbers(
    space: SearchSpace, sample: Population, tmp_path: Path, model: str
) -> None:
    predictor = fit(
        space,
        sample[:30],
        prices(space, sample[:30]),
        metric="energy_mj",
        provenance=MEASURED,
        candidates=[Candidate(model, "layers")],
    )
    path = tmp_path / "p.npz"
    save_predictor(predictor, path)
    loaded = load_predictor(path)
    for one, other in zip(predictor.predict(sample), loaded.predict(sample), strict=True):
        assert np.array_equal(one, other)
    assert (loaded.metric, loaded.provenance) == (predictor.metric, predictor.provenance)
    assert loaded.provenance.kind == "predicted"
    assert loaded.provenance.device == "phone"


def test_forest_and_boosting_equal_scikit_learn() -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    from predictors.learned.fitting import FITTERS

    rng = np.random.default_rng(0)
    x, asked = rng.normal(size=(60, 5)), rng.normal(size=(40, 5))
    y = x[:, 0] * x[:, 1] + x[:, 2]
    forest = ensemble.ExtraTreesRegressor(200, max_features=0.5, random_state=3).fit(x, y)
    ours = FITTERS["forest"](x, y, 3).predict(asked)[0]
    assert ours == pytest.approx(forest.predict(asked), abs=1e-12)
    boosting = ensemble.GradientBoostingRegressor(
        n_estimators=300, learning_rate=0.05, max_depth=3, subsample=0.7, random_state=3
    ).fit(x, y)
    ours = FITTERS["boosting"](x, y, 3).predict(asked)[0]
    assert ours == pytest.approx(boosting.predict(asked), abs=1e-9)


def test_a_gaussian_process_returns_to_its_data_and_is_less_sure_elsewhere() -> None:
    from predictors.learned.fitting import FITTERS

    x = np.linspace(0, 1, 12)[:, None]
    mean, std = FITTERS["gaussian_process"](x, np.sin(6 * x[:, 0]), 0).predict(
        np.concatenate([x, [[8.0]]])
    )
    assert mean[:-1] == pytest.approx(np.sin(6 * x[:, 0]), abs=0.1)
    assert std[-1] > 3 * std[:-1].max()


def test_cross_validation_finds_the_view_that_the_device_executes(
    space: SearchSpace, sample: Population
) -> None:
    for view in ("layers", "read_layers"):
        y = prices(space, sample, view)
        predictor = fit(space, sample[:24], y[:24], metric="latency_ms", provenance=MEASURED)
        assert predictor.figures["averaged"][0] == f"additive on {view}"
        assert compare(predictor(sample[24:]), y[24:]).spearman > 0.98


def test_constant_networks_are_left_out_and_said(space: SearchSpace, sample: Population) -> None:
    dead = cell(*[NONE] * 6)
    rows = np.concatenate([sample[:12], dead])
    y = np.append(prices(space, sample[:12]), 1e-6)
    predictor = fit(space, rows, y, metric="latency_ms", provenance=MEASURED)
    assert predictor.figures["constant_networks_left_out"] == 1
    assert predictor.figures["networks"] == 12


def test_chosen_networks_tell_more_than_the_first_ones(
    space: SearchSpace, sample: Population
) -> None:
    chosen = choose_support(space, sample, 10)
    assert len(set(chosen.tolist())) == 10

    def information(rows: Population) -> float:
        x = Encoder(space, "layers+read_layers")(sample)
        x = (Encoder(space, "layers+read_layers")(rows) - x.mean(0)) / np.maximum(x.std(0), 1e-9)
        return float(np.linalg.slogdet(np.eye(len(x)) + x @ x.T)[1])

    assert information(sample[chosen]) > max(
        information(sample[i : i + 10]) for i in range(0, 200, 10)
    )


def test_transfer_needs_few_networks_of_a_mixture_of_known_devices(
    space: SearchSpace, sample: Population
) -> None:
    known = []
    for view in ("layers", "read_layers"):
        y = prices(space, sample, view)
        known.append(fit(space, sample[:60], y[:60], metric="latency_ms", provenance=MEASURED))
    y = 0.4 * prices(space, sample) + 0.6 * prices(space, sample, "read_layers")
    rows = choose_support(space, sample, 10)
    predictor = transfer(known, sample[rows], y[rows], provenance=MEASURED)
    assert compare(predictor(sample), y).spearman > 0.97


def test_a_predictor_of_a_part_of_a_space(space: SearchSpace, tmp_path: Path) -> None:
    part = space.restrict({space.choices[0].name: space.choices[0].options[:2]})
    rows = part.sample(40, np.random.default_rng(6))
    y = prices(space, space.encode_all(part.decode_all(rows)))
    predictor = fit(part, rows, y, metric="latency_ms", provenance=MEASURED)
    save_predictor(predictor, tmp_path / "p.npz")
    loaded = load_predictor(tmp_path / "p.npz")
    assert loaded.space.fingerprint == part.fingerprint
    assert np.array_equal(loaded(rows), predictor(rows))


def test_accuracies_transfer_too(space: SearchSpace, sample: Population) -> None:
    """What known predictors say is a feature; an accuracy is no sum of prices."""
    y = 0.9 - 0.1 / prices(space, sample)
    known = [fit(space, sample[:60], y[:60], metric="accuracy", provenance=MEASURED)]
    predictor = transfer(known, sample[60:80], y[60:80] ** 2, provenance=MEASURED)
    assert compare(predictor(sample), y**2).spearman > 0.9


def test_few_measured_networks_of_a_real_device(shared_data: Path) -> None:
    """Ten chosen networks of gold_6226; published for HELP with source devices: 0.989."""
    space = get_space("nasbench201")
    with np.load(shared_data / "nasbench201_latency.npz", allow_pickle=False) as file:
        y = file["latency_ms"][:, file["devices"].tolist().index("gold_6226")].astype(np.float64)
    with np.load(shared_data / "nasbench201_cifar10.npz", allow_pickle=False) as file:
        cells = file["ops"].astype(np.int16)
    chosen = choose_support(space, cells[:2000], 10)
    predictor = fit(space, cells[chosen], y[chosen], metric="latency_ms", provenance=MEASURED)
    assert compare(predictor(cells[2000:]), y[2000:]).spearman > 0.97


def test_bad_input(space: SearchSpace, sample: Population, tmp_path: Path) -> None:
    y = prices(space, sample)

    def fitted(count: int, values: np.ndarray) -> LearnedPredictor:
        rows = sample[:count]
        return fit(space, rows, values, metric="latency_ms", provenance=MEASURED)

    with pytest.raises(PredictorError, match="at least 4 networks, got 2"):
        fitted(2, y[:2])
    with pytest.raises(PredictorError, match="one latency_ms for each"):
        fitted(8, y[:7])
    with pytest.raises(PredictorError, match=r"architecture 3 is 0\.0"):
        fitted(8, np.where(np.arange(8) == 3, 0.0, y[:8]))
    with pytest.raises(PredictorError, match="Did you mean 'forest'"):
        Candidate("forrest", "layers")
    with pytest.raises(PredictorError, match="at least one predictor of a known device"):
        transfer([], sample[:10], y[:10], provenance=MEASURED)
    path = tmp_path / "p.npz"
    save_predictor(fitted(8, y[:8]), path)
    with pytest.raises(PredictorError, match="fitted on nasbench201"):
        load_predictor(path, get_space("nasbench201"))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(PredictorError, match="cut short"):
        load_predictor(path)
    with pytest.raises(PredictorError, match="Cannot read"):
        load_predictor(tmp_path / "none.npz")
