"""Where every number comes from, and with what the run was made."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from html import escape

from nas.archive import Evaluated
from nas.report.best import NOTHING
from nas.report.collect import Collected
from nas.report.markup import Html, code, join, paragraph, section, table
from nas.text import moment, title
from predictors.provenance import Provenance

__all__ = ["provenance"]


def provenance(data: Collected) -> Html:
    """Return the last section."""
    return section(
        "provenance",
        "Where the numbers come from",
        _origins(data),
        Html("<h3>This run</h3>"),
        _run(data),
        _config(data),
    )


def _origins(data: Collected) -> Html:
    chosen = {subnet.row.id for subnet in data.chosen}
    rows: list[Evaluated] = [row for row in data.rows if row.id not in chosen]
    rows += [subnet.row for subnet in data.chosen]
    counts: Counter[tuple[str, Provenance]] = Counter(
        (name, metric.provenance) for row in rows for name, metric in row.metrics.items()
    )
    if not counts:
        return paragraph("No number was recorded yet.")
    lines = [
        [
            title(name),
            origin.kind,
            origin.source,
            origin.device or NOTHING,
            origin.runtime or NOTHING,
            Html(f'<span class="nobr">{escape(origin.date.partition("T")[0] or NOTHING)}</span>'),
            f"{count:,}",
        ]
        for (name, origin), count in counts.items()
    ]
    header = ["Number", "Kind", "Source", "Device", "Runtime", "Date", "How many"]
    kinds = paragraph(
        "Measured: on this very network. Table: summed from measured blocks. Predicted: by a "
        "model. Analytic: counted from shapes.",
        style="soft",
    )
    return join(kinds, table(header, lines, words=range(6)))


def _run(data: Collected) -> Html:
    about, config = data.about, data.run.config
    command = about.get("command", [])
    rows: list[list[str]] = [
        ["Folder", code(data.run_name)],
        ["Created", moment(str(about.get("created", NOTHING)))],
        ["Command", code(shlex.join(str(word) for word in command))],
        ["Seed", str(config.seed)],
        ["Configuration", code(config.config_hash)],
        ["Space", code(f"{data.space.name} {data.space.fingerprint}")],
        ["Weights", data.run.imported() or ("trained in this run" if data.training else NOTHING)],
        ["Python", str(about.get("python", NOTHING))],
        ["System", str(about.get("platform", NOTHING))],
    ]
    rows += [[name, str(version)] for name, version in dict(about.get("packages", {})).items()]
    return table(["What", "Value"], rows, words=(0, 1))


def _config(data: Collected) -> Html:
    text = json.dumps(data.run.config.to_json(), indent=2, ensure_ascii=False)
    return Html(
        "<details><summary>The whole configuration, every default spelt out</summary>"
        f"<pre>{escape(text)}</pre></details>"
    )
