"""The page: all sections in one HTML file that needs nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from pathlib import Path

from nas import __version__
from nas.files import atomic_write
from nas.report.best import plain_table
from nas.report.collect import Collected, collect
from nas.report.sections.breakdown import breakdown
from nas.report.sections.headline import headline
from nas.report.sections.latency import latency
from nas.report.sections.pareto import pareto
from nas.report.sections.progress import progress
from nas.report.sections.provenance import provenance
from nas.report.sections.training import training
from nas.report.style import STYLE
from nas.runs import RunFolder
from nas.text import moment

__all__ = ["report_plain", "write_report"]

_SECTIONS = (
    ("result", "Result", headline),
    ("pareto", "Accuracy against cost", pareto),
    ("blocks", "Cost of each block", breakdown),
    ("latency", "Latency", latency),
    ("progress", "Search progress", progress),
    ("training", "Training", training),
    ("provenance", "Provenance", provenance),
)

_NO_NETWORK = "default-src 'none'; style-src 'unsafe-inline'"


def write_report(run: RunFolder) -> Path:
    """Write report.html of a run folder, from what lies in that folder alone.

    Args:
        run: At any stage; what is not there yet is replaced by the command that makes it.

    Returns:
        The page: one file without script, image or link to anything else.

    Raises:
        RunError: A file of the run is damaged, the disk is full or the folder not writable.
        ExportError: An export folder is damaged.
    """
    atomic_write(run.report_path, page(collect(run)))
    return run.report_path


def report_plain(run: RunFolder) -> str:
    """Return the table of the best subnets in aligned columns for a terminal."""
    return plain_table(collect(run))


def page(data: Collected) -> str:
    """Return the whole page as text."""
    made = [(anchor, short, section(data)) for anchor, short, section in _SECTIONS]
    made = [entry for entry in made if entry[2]]
    links = "".join(f'<a href="#{anchor}">{escape(short)}</a>' for anchor, short, _ in made)
    name = escape(f"{data.space.name} on {data.run.config.data.format}")
    folder = escape(data.run.path.name)
    created = escape(str(data.about.get("created", "")).partition("T")[0])
    now = moment(datetime.now(UTC).isoformat())
    body = "".join(html for _, _, html in made)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_NO_NETWORK}">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{name}: search report</title><style>{STYLE}</style></head>\n"
        f'<body><header><h1>{name}</h1><p class="soft">Search report of the run '
        f'<code>{folder}</code>, created <span class="nobr">{created}</span></p>'
        f"<nav>{links}</nav></header>\n"
        f"<main>{body}</main>\n"
        f"<footer>Written by subnet-search {escape(__version__)} on {now} from the run "
        "folder alone.</footer></body></html>\n"
    )
