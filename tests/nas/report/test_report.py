"""The page and the plain table, made from run folders at every stage."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from nas.archive import Archive, Metric
from nas.errors import ExportError, RunError
from nas.export import write_measurements
from nas.report import report_plain, write_report
from nas.report.collect import collect
from nas.report.page import page
from nas.runs import RunFolder
from predictors import Provenance
from predictors.latency import LatencyTable

MakeRun = Callable[..., RunFolder]
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Reads a page strictly: every tag closed in order; keeps text, anchors and attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data

    def ids(self) -> list[str]:
        return [attributes["id"] for _, attributes in self.tags if "id" in attributes]


def read(run: RunFolder) -> Page:
    return Page(write_report(run).read_text(encoding="utf-8"))


def test_a_finished_run_shows_every_section(make_run: MakeRun) -> None:
    report = read(make_run())
    assert report.ids() == [
        "result",
        "pareto",
        "blocks",
        "latency",
        "progress",
        "training",
        "provenance",
    ]
    links = [a["href"] for tag, a in report.tags if tag == "a"]
    assert links == [f"#{anchor}" for anchor in report.ids()]
    assert "missing" not in " ".join(a.get("class", "") for _, a in report.tags)


def test_the_page_needs_nothing_but_itself(make_run: MakeRun) -> None:
    html = write_report(make_run()).read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]|@import|url\(|<script|<link|<img|<iframe", html)
    assert "default-src 'none'" in html
    for tag, attributes in Page(html).tags:
        assert "src" not in attributes
        assert attributes.get("href", "#").startswith("#"), tag
        assert not any(name.startswith("on") for name in attributes)


def test_every_drawing_is_well_formed(make_run: MakeRun) -> None:
    html = write_report(make_run()).read_text(encoding="utf-8")
    drawings = re.findall(r"<svg.*?</svg>", html, flags=re.S)
    assert len(drawings) > 20
    for drawing in drawings:
        for element in ElementTree.fromstring(drawing).iter():
            assert "nan" not in " ".join(element.attrib.values())


def test_every_subnet_is_drawn_and_the_infeasible_are_told_apart(make_run: MakeRun) -> None:
    run = make_run()
    data = collect(run)
    within = sum(data.within_limits(row) for row in data.rows)
    assert 0 < within < len(data.rows) == 300
    html = write_report(run).read_text(encoding="utf-8")
    first = re.findall(r'<svg class="plot".*?</svg>', html, flags=re.S)[0]
    assert first.count('class="dot good"') == within
    assert first.count('class="dot bad"') == 300 - within
    assert first.count('class="diamond mark"') == 3
    assert first.count('class="line limit"') == 1


def test_limits_are_resolved_like_the_search_s(make_run: MakeRun) -> None:
    data = collect(make_run())
    macs, memory = data.limits
    largest = data.costs["macs"].maximum()
    assert macs.value == pytest.approx(0.35 * largest.value)
    assert memory.value == 100 * 1024
    assert "2.68 M (35%)" in page(data)


def test_the_best_subnets_are_within_limits_and_in_order(make_run: MakeRun) -> None:
    for stage in ("searched", "exported"):
        data = collect(make_run(stage))
        rows = [chosen.row for chosen in data.chosen]
        best = sorted(
            (row.metrics["accuracy"].value for row in data.rows if data.within_limits(row)),
            reverse=True,
        )
        assert [row.metrics["accuracy"].value for row in rows] == best[:3]
        assert [chosen.name for chosen in data.chosen] == ["A", "B", "C"]
        subprocess.run(["rm", "-r", str(data.run.path)], check=True)


def test_the_blocks_of_a_subnet_add_up_to_its_cost(make_run: MakeRun) -> None:
    data = collect(make_run())
    architecture = data.chosen[0].row.architecture
    for name in ("macs", "latency_ms"):
        cost = data.costs[name]
        whole = sum(cost.breakdown(architecture).values()) + cost.constant
        assert whole == pytest.approx(cost.of(architecture))
    text = Page(page(data)).text
    present = [name for name, block in data.space.blocks(architecture).items() if block]
    for name in present:
        assert f"{name}" in text
    assert "inverted residual" in text
    assert ("blocks in a row" if cost.constant < 0 else "beside the blocks") in text


def test_the_quality_of_the_table_is_stated(make_run: MakeRun) -> None:
    data = collect(make_run())
    assert "latency_ms" in data.tables
    table = data.tables["latency_ms"]
    assert isinstance(table, LatencyTable)
    assert table.validation is not None
    text = Page(page(data)).text
    estimate = table.validation.estimate
    row = f"Held out8{estimate.spearman:.3f}{estimate.within_5_percent:.0%}"
    assert row in text
    assert "Measurement against itself8" in text
    assert "Example CPU 3000" in text


def test_every_number_says_where_it_comes_from(make_run: MakeRun) -> None:
    data = collect(make_run())
    text = Page(page(data)).text
    origins = {m.provenance for row in data.rows for m in row.metrics.values()}
    origins |= {m.provenance for chosen in data.chosen for m in chosen.row.metrics.values()}
    assert len(origins) >= 5
    for origin in origins:
        for word in (origin.kind, origin.source, origin.device, origin.runtime, origin.date[:10]):
            assert word in text


def test_words_from_outside_are_escaped(make_run: MakeRun, tmp_path: Path) -> None:
    evil = "</style><script>alert('&')</script>"
    run = make_run("exported", data={"format": "npz", "path": evil, "validation": 3})
    about = json.loads((run.path / "run.json").read_text())
    about.update(command=["nas", evil], platform=evil, packages={evil: evil})
    (run.path / "run.json").write_text(json.dumps(about))
    with Archive.read(run.archive_path) as archive:
        name, options, mark = archive.space_name, archive.space_options, archive.fingerprint
        row = archive.rows()[0]
    metric = Metric(0.5, Provenance("measured", evil, evil, evil, evil))
    with Archive.open(
        run.archive_path, space_name=name, space_options=options, fingerprint=mark
    ) as archive:
        archive.record(row.id, row.architecture, {"accuracy": metric, "odd_metric": metric})
    html = write_report(run).read_text(encoding="utf-8")
    assert "<script" not in html
    assert evil in Page(html).text


def test_a_run_that_asks_for_no_latency_is_not_told_to_build_a_table(make_run: MakeRun) -> None:
    report = read(make_run("exported", table=False))
    assert "latency" not in report.ids()
    assert "nas lut" not in report.text
    assert "latency table" not in report.text


@pytest.mark.parametrize(
    ("stage", "table", "sections", "sentences"),
    [
        ("new", False, ["result", "training", "provenance"],
         ["nas search --resume", "nas train --resume"]),
        ("trained", True, ["result", "latency", "training", "provenance"],
         ["nas search --resume"]),
        ("searched", False,
         ["result", "pareto", "blocks", "progress", "training", "provenance"],
         ["nas export"]),
        ("searched", True,
         ["result", "pareto", "blocks", "latency", "progress", "training", "provenance"],
         ["nas export"]),
    ],
)  # fmt: skip
def test_what_is_not_there_yet_is_replaced_by_what_to_run(
    make_run: MakeRun, stage: str, table: bool, sections: list[str], sentences: list[str]
) -> None:
    report = read(make_run(stage, table=table))
    assert report.ids() == sections
    for sentence in sentences:
        assert sentence in report.text


def test_a_table_that_is_asked_for_and_not_there_yet(make_run: MakeRun) -> None:
    report = read(make_run("searched", table=False, latency={}))
    assert "latency" in report.ids()
    assert "The latency table of this run is not there yet" in report.text
    assert "latencies are not shown" in report.text


def test_the_losses_of_a_step_s_subnets_are_told_apart(make_run: MakeRun) -> None:
    run = make_run("new")
    for step in range(5):
        losses = {"loss": 2.0, "loss_largest": 1.5, "loss_smallest": float("nan")}
        run.append_metrics({"kind": "train", "step": step, **losses})
    run.append_metrics({"kind": "train", "step": 5, "loss": None, "learning_rate": 0.1})
    text = read(run).text
    assert "largest subnet" in text
    assert "Loss of the supernet, 4 steps." in text


def test_a_run_without_limits_and_without_good_subnets(make_run: MakeRun) -> None:
    run = make_run("searched", search={"population": 25, "limits": {}})
    assert "The search had no limits." in read(run).text
    assert len(collect(run).chosen) == 3
    subprocess.run(["rm", "-r", str(run.path)], check=True)
    run = make_run("searched", search={"population": 25, "limits": {"macs": 500_000}})
    assert collect(run).chosen == []
    text = read(run).text
    assert "None of the evaluated subnets is within all limits" in text
    assert report_plain(run) == "No subnet within the limits was evaluated yet."


def test_a_table_for_another_space_is_said_and_not_used(make_run: MakeRun) -> None:
    run = make_run("exported")
    path = run.path / "latency.lut.json"
    value = json.loads(path.read_text())
    value["rows"] = value["rows"][:5]
    path.write_text(json.dumps(value))
    report = read(run)
    assert "The latency table cannot be used" in report.text
    path.write_text("{")
    assert "The latency table cannot be used" in read(run).text


def test_a_damaged_export_is_named(make_run: MakeRun) -> None:
    run = make_run()
    folder = next(run.exports.iterdir())
    (folder / "measurements.json").write_text("{")
    with pytest.raises(ExportError, match=folder.name):
        write_report(run)


def test_exports_beyond_new_limits_are_not_among_the_best(make_run: MakeRun) -> None:
    run = make_run()
    before = collect(run)
    costs = sorted(chosen.row.metrics["macs"].value for chosen in before.chosen)
    search = run.config.search
    limits = {**search.limits, "macs": (costs[0] + costs[1]) / 2}
    changed = search.model_copy(update={"limits": limits})
    run = run.with_config(run.config.model_copy(update={"search": changed}))
    after = collect(run)
    assert all(after.within_limits(chosen.row) for chosen in after.chosen)
    assert [chosen.name for chosen in after.chosen] == ["A", "B", "C", "D"][: len(after.chosen)]
    assert sum(bool(chosen.exported) for chosen in after.chosen) == 1
    names = ", ".join(chosen.name for chosen in after.chosen if not chosen.exported)
    assert f"Not exported yet: {names}." in Page(page(after)).text


def test_an_unfinished_export_is_left_out(make_run: MakeRun) -> None:
    run = make_run()
    folder = next(run.exports.iterdir())
    folder.rename(folder.with_name(f".writing-12345678-{folder.name}"))
    assert sum(bool(chosen.exported) for chosen in collect(run).chosen) == 2


def test_a_damaged_archive_is_named(make_run: MakeRun) -> None:
    run = make_run("searched")
    run.archive_path.write_bytes(b"hello")
    with pytest.raises(RunError, match="archive"):
        write_report(run)


def test_a_report_is_made_while_the_run_goes_on(make_run: MakeRun) -> None:
    run = make_run("searched")
    with run.lock():
        assert read(run).ids()


def test_the_report_is_replaced_whole(make_run: MakeRun) -> None:
    run = make_run()
    first = write_report(run).read_text(encoding="utf-8")
    id = next(run.exports.iterdir()).name
    write_measurements(
        run.exports / id, {"test_accuracy": Metric(0.12345, Provenance("measured", "x"))}
    )
    second = write_report(run).read_text(encoding="utf-8")
    assert "12.35%" not in first
    assert "12.35%" in second
    assert sorted(path.name for path in run.path.iterdir() if path.name[0] == ".") == []


def test_the_plain_table_has_aligned_columns_and_every_number(make_run: MakeRun) -> None:
    table = report_plain(make_run())
    header, rule, *rows = table.splitlines()
    assert len(rows) == 3
    assert len({len(line) for line in (header, *rows)}) == 1
    assert set(rule) == {"-", " "}
    assert max(len(line) for line in rows) <= 120
    for word in ("val. acc.", "test acc.", "MACs", "params", "pred. lat.", "meas. lat."):
        assert word in header
    assert re.match(r"A  [0-9a-f]{16}  +\d\d\.\d\d%  +\d\d\.\d\d%  +\d\.\d\d M", rows[0])


def test_a_report_needs_no_torch(make_run: MakeRun) -> None:
    run = make_run()
    code = (
        "import sys\n"
        "from nas.report import write_report\n"
        "from nas.runs import RunFolder\n"
        "write_report(RunFolder.open(sys.argv[1]))\n"
        "print('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(run.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_limit_with_a_confidence_says_what_was_kept_back(make_run):
    search = {"population": 25, "evaluations": 300, "limits": {"latency_ms": "<= 20 @ 80%"}}
    run = make_run("searched", search=search, latency={})
    (limit,) = collect(run).problem.limits
    assert limit.margin > 0
    html = write_report(run).read_text(encoding="utf-8")
    assert f"@ 80%: predictions may be {limit.margin:.1%} too low" in html
    assert "A limit with a confidence is lowered" in html
    assert "A percentage is a share" not in html
