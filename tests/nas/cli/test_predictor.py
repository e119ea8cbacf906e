"""``nas predictor``: from a file of measured networks, and from an archive."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nas.archive import Archive, Metric
from nas.cli import main
from predictors import Macs, Provenance, compile_cost
from predictors.learned import load_predictor
from search_spaces import get_space

pytest.importorskip("sklearn")


def test_fit_on_a_file_and_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    space = get_space("mobile_small", resolutions=[24, 32])
    rows = space.unique(space.sample(24, np.random.default_rng(0)))
    energy = 2.0 + compile_cost(space, Macs())(rows) / 1e6
    nets = [
        {"architecture": a.to_json(), "energy_mj": float(e)}
        for a, e in zip(space.decode_all(rows), energy, strict=True)
    ]
    (tmp_path / "nets.json").write_text(json.dumps(nets), encoding="utf-8")
    out = tmp_path / "energy.npz"
    arguments = ["--space", "mobile_small", "--option", "resolutions=[24,32]"]
    arguments += ["--metric", "energy_mj", "--device", "board", "--out", str(out), "--json"]
    assert main(["predictor", "fit", str(tmp_path / "nets.json"), *arguments]) == 0
    assert json.loads(capsys.readouterr().out)["spearman"] > 0.9
    assert main(["predictor", "show", str(out)]) == 0
    assert "energy_mj of mobile_small, predicted, nets.json, board" in capsys.readouterr().out
    assert load_predictor(out)(rows) == pytest.approx(energy, rel=0.2)


def test_fit_on_an_archive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    space = get_space("nasbench201", resolution=8, width=4, cells=1)
    rows = space.unique(space.sample(20, np.random.default_rng(0)))
    path = tmp_path / "archive.sqlite"
    where = Provenance("measured", "validation split")
    with Archive.open(
        path,
        space_name=space.name,
        space_options=space.options,
        fingerprint=space.fingerprint,
    ) as archive:
        for row, id in zip(rows, space.ids(rows), strict=True):
            accuracy = 0.5 + 0.05 * int((row == 3).sum())
            archive.record(id, space.decode(row), {"accuracy": Metric(accuracy, where)})
    out = tmp_path / "accuracy.npz"
    assert main(["predictor", "fit", str(path), "--out", str(out)]) == 0
    assert "Kendall" in capsys.readouterr().out
    assert main(["predictor", "fit", str(path), "--metric", "acuracy"]) == 2
    assert "Did you mean 'accuracy'" in capsys.readouterr().err
