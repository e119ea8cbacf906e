"""What was searched, under which limits, and the best subnets."""

from __future__ import annotations

from nas.chosen import read_chosen
from nas.report.best import NOTHING, best_columns, best_table
from nas.report.collect import Collected
from nas.report.markup import Html, code, join, missing, paragraph, section, table
from nas.text import in_sentence, quantity, title

__all__ = ["headline"]


def headline(data: Collected) -> Html:
    """Return the first section."""
    return section("result", "Result", _tiles(data), _sentence(data), _limits(data), _best(data))


def _tiles(data: Collected) -> Html:
    within = [row for row in data.scored if data.within_limits(row)]
    values = [row.metrics[data.objective].value for row in within]
    best = quantity(data.objective, max(values)) if values else NOTHING
    tiles = [
        (_large(data.space.size), "different architectures in the space"),
        (f"{len(data.scored):,}", "evaluated"),
        (f"{len(within):,}", "of these within all limits"),
        (best, f"best {in_sentence(data.objective)} within the limits"),
    ]
    inside = "".join(
        f'<div class="tile"><b>{number}</b><span>{words}</span></div>' for number, words in tiles
    )
    return Html(f'<div class="tiles">{inside}</div>')


def _sentence(data: Collected) -> Html:
    config = data.run.config
    how = f"searched by {config.search.searcher}"
    if read_chosen(data.run.path, data.space):
        how = "of which the training chose what was scored"
    parts = [
        "Search space ",
        code(data.space.name),
        f" on {config.data.format} images, {how}; "
        f"supernet trained with the strategy {config.train.strategy.replace('_', ' ')} "
        f"for {config.train.epochs} epochs.",
    ]
    if data.failures:
        count = len(data.failures)
        noun = "evaluation" if count == 1 else "evaluations"
        parts.append(f" {count} {noun} failed and {'is' if count == 1 else 'are'} left out.")
    return paragraph(*parts)


def _limits(data: Collected) -> Html:
    if not data.limits:
        return paragraph("The search had no limits.")
    rows = []
    for limit in data.limits:
        said = quantity(limit.metric, limit.value) + limit.remark
        cost = data.costs.get(limit.metric)
        reach = [
            quantity(limit.metric, extreme.value)
            for extreme in ((cost.minimum(), cost.maximum()) if cost else ())
        ] or [NOTHING, NOTHING]
        rows.append([title(limit.metric), said, *reach])
    header = ["Cost", "At most", "Smallest possible", "Largest possible"]
    parts = [Html("<h3>Limits</h3>"), table(header, rows)]
    if any(limit.is_share for limit in data.limits):
        note = "A percentage is a share of what the subnet with most MACs costs."
        parts.append(paragraph(note, style="soft"))
    if any(limit.margin for limit in data.limits):
        note = (
            "A limit with a confidence is lowered by the error that the latency table makes on "
            "held-out networks: so many of all networks within it are, when measured, within "
            "what was asked."
        )
        parts.append(paragraph(note, style="soft"))
    return join(*parts)


def _best(data: Collected) -> Html:
    heading = Html("<h3>Best subnets</h3>")
    if not data.chosen:
        return join(heading, _nothing(data))
    header, rows = best_table(data)
    marked = [[Html(f"<b>{row[0]}</b>"), code(row[1]), *row[2:]] for row in rows]
    parts = [heading, table(header, marked, words=(0, 1))]
    columns = best_columns(data)
    if "test_accuracy" in columns and data.objective == "accuracy":
        parts.append(
            paragraph(
                "Validation accuracy guided the search and is therefore optimistic; test "
                "accuracy was measured once, on images that neither training nor search saw.",
                style="soft",
            )
        )
    if any(chosen.exported for chosen in data.chosen):
        files = [
            join(chosen.name, ": ", code(f"exports/{chosen.folder}/"), " ")
            for chosen in data.chosen
            if chosen.exported
        ]
        parts.append(paragraph("Files: ", *files, style="soft"))
    if left := [chosen.name for chosen in data.chosen if not chosen.exported]:
        some = f"Not exported yet: {', '.join(left)}."
        what = "These subnets are not exported yet." if len(left) == len(data.chosen) else some
        parts.append(missing(what, _run(data, "export")))
    return join(*parts)


def _nothing(data: Collected) -> Html:
    if not data.scored:
        return missing(
            "No subnet was evaluated yet: the search has not run.", _run(data, "search --resume")
        )
    return paragraph(
        "None of the evaluated subnets is within all limits. Raise search.evaluations, "
        "or loosen a limit.",
        style="missing",
    )


def _run(data: Collected, verb: str) -> str:
    return f"nas {verb} {data.run_name}"


def _large(value: int) -> Html:
    """Return an exact number where it is short, else one with a power of ten."""
    if value < 10_000_000:
        return Html(f"{value:,}")
    exponent = len(str(value)) - 1
    return Html(f"{value / 10**exponent:.1f}·10<sup>{exponent}</sup>")
