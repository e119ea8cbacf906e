"""The page in a real browser that has no network."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.report import write_report
from nas.runs import RunFolder

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.mark.slow
def test_the_page_loads_without_a_network(
    make_run: Callable[..., RunFolder], tmp_path: Path
) -> None:
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        pytest.skip("no Chromium is installed")
    report = write_report(make_run())
    log = tmp_path / "net.json"
    done = subprocess.run(
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--proxy-server=127.0.0.1:9",  # every request that is made fails
            "--proxy-bypass-list=<-loopback>",
            f"--log-net-log={log}",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--dump-dom",
            report.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    dom = done.stdout
    for anchor in ("result", "pareto", "blocks", "latency", "progress", "training", "provenance"):
        assert f'<section id="{anchor}">' in dom
    assert dom.count("<circle") > 900
    assert dom.rstrip().endswith("</html>")
    assert not re.search(r"https?://", dom)
    asked = set(re.findall(r'"url":"https?://([^/"]+)', log.read_text(errors="replace")))
    own = ("google.com", "googleapis.com", "gvt1.com")  # what the browser itself asks for
    assert {host for host in asked if not host.endswith(own)} == set()
