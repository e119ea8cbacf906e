"""``nas search --sweep``: one subnet for each limit from one archive."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nas.cli import main


def test_a_sweep_prints_and_keeps_a_subnet_for_each_limit(
    copied_run: Path,
    config_file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["search", str(config_file), "--resume", str(copied_run)]
    more = ["--set", "search.evaluations=21", "--sweep", "macs=2%..50%:16%"]
    assert main([*command, *more]) == 0
    printed = capsys.readouterr().out
    assert "none: the smallest reachable is" in printed
    table = json.loads((copied_run / "sweep.json").read_text(encoding="utf-8"))
    assert table["metric"] == "macs"
    assert [len(table["targets"]), table["targets"][0]["id"]] == [4, None]
    met = [target for target in table["targets"] if target["id"] is not None]
    assert met[-1] is table["targets"][-1]
    for target in met:
        assert target["macs"] <= target["limit"] * (1 + 1e-9)
        assert target["id"] in printed
    scores = [target["accuracy"] for target in met]
    assert scores == sorted(scores)


def test_a_sweep_over_no_cost_is_refused(
    copied_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", "--resume", str(copied_run), "--sweep", "mac=1M..2M:1M"]) == 2
    assert "sweep over mac: no such cost" in capsys.readouterr().err
    assert main(["search", "--resume", str(copied_run), "--sweep", "macs=1M"]) == 2
    assert "write METRIC=FIRST..LAST:STEP" in capsys.readouterr().err
