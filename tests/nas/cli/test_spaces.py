"""``nas spaces``: the JSON that scripts read, and the page that is kept in docs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nas.cli import main

PAGE = Path(__file__).resolve().parents[3] / "docs" / "spaces.md"


def _printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main(["spaces", *arguments]) == 0
    return capsys.readouterr().out


def test_show_gives_the_keys_that_scripts_rely_on(capsys: pytest.CaptureFixture[str]) -> None:
    text = _printed(capsys, "show", "ofa_mobilenet_v3", "--option", "resolutions=[224]", "--json")
    about = json.loads(text)
    assert about["name"] == "ofa_mobilenet_v3"
    assert about["size"] == about["size_per_resolution"] == 7371**5
    assert about["choices"]["depth_1"] == [2, 3, 4]
    assert about["largest"]["macs"] == 566_170_656
    assert about["smallest"]["params"] == 3_410_792
    assert about["smallest"]["resolution"] == 224
    assert set(about["largest"]["architecture"]) == set(about["choices"])


def test_list_names_every_space(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(_printed(capsys, "list", "--json"))
    text = _printed(capsys, "list")
    assert {"mobile_small", "ofa_mobilenet_v3", "spos_shufflenet_v2"} <= set(found)
    assert all(name in text for name in found)


def test_the_page_in_docs_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    page = _printed(capsys, "table")
    assert page == PAGE.read_text(encoding="utf-8"), "run: nas spaces table > docs/spaces.md"
    assert "| NO |" not in page
