"""Where the chosen subnets spend their MACs, their latencies and what was limited, by block."""

from __future__ import annotations

from html import escape

from nas.report.blocks import describe
from nas.report.collect import Chosen, Collected
from nas.report.markup import Html, paragraph, section
from nas.report.svg import bar, sample
from nas.text import in_sentence, quantity, title

__all__ = ["breakdown"]

_BESIDE = "beside the blocks<small>what a network takes once, by measured networks</small>"
_EXCESS = (
    "blocks in a row<small>taken off once: each block was measured alone, with a pool behind it, "
    "and measured networks take less than their sum</small>"
)
"""What the constant of a calibration means, above and below zero."""


def breakdown(data: Collected) -> Html:
    """Return the cost of every block of every chosen subnet."""
    heading = "Cost of each block"
    if not data.chosen:
        return Html("")
    parts = [_of(data, chosen, opened=i == 0) for i, chosen in enumerate(data.chosen)]
    intro = (
        "The longest bar of a column is the costliest block; rest the mouse on a bar to see its "
        "share of the whole."
    )
    intro += " Costs are predicted." if _beside_macs(data) else ""
    if any(metric not in data.costs for metric in data.latencies):
        note = "There is no usable latency table, so latencies are not shown; see below."
        parts.append(paragraph(note, style="missing"))
    return section("blocks", heading, paragraph(intro), *parts)


def _beside_macs(data: Collected) -> list[str]:
    """Return the latencies, and what else was limited or minimised and is a sum over blocks."""
    latencies = [metric for metric in data.latencies if metric in data.costs]
    limits, objectives = data.problem.limits, data.problem.objectives
    asked = [*(limit.metric for limit in limits), *(aim.metric for aim in objectives)]
    slots = {slot.name for slot in data.space.slots}
    sums = [
        metric
        for metric in dict.fromkeys(asked)
        if metric in data.costs
        and data.costs[metric].reduce == "sum"
        and slots <= set(data.costs[metric].parts)
    ]
    return [name for name in dict.fromkeys([*latencies, *sums]) if name != "macs"]


def _of(data: Collected, chosen: Chosen, *, opened: bool) -> Html:
    architecture = chosen.row.architecture
    beside = _beside_macs(data)
    shown = [("macs", "first"), *((name, "other") for name in beside)]
    prices = {name: data.costs[name].breakdown(architecture) for name, _ in shown}
    totals = {name: sum(price.values()) or 1.0 for name, price in prices.items()}
    heads = "".join(
        f'<span class="head">{escape(title(name))}</span><span class="head"></span>'
        for name, _ in shown
    )
    cells = [f'<span class="head">Block</span>{heads}']
    for slot, block in data.space.blocks(architecture).items():
        if block is None:
            continue
        words = f"{escape(slot)}<small>{escape(describe(block))}</small>"
        cells.append(f'<span class="what">{words}</span>')
        for name, style in shown:
            value = prices[name][slot]
            share = value / totals[name]
            text = f"{title(name)} of {slot}: {quantity(name, value)}, {share:.0%}"
            cells.append(bar(share / _largest(prices[name], totals[name]), style, text))
            cells.append(f'<span class="value">{quantity(name, value)}</span>')
    constants = [(name, data.costs[name].constant) for name, _ in shown]
    if any(value for _, value in constants):
        lowest = min(value for _, value in constants)
        cells.append(f'<span class="what">{_EXCESS if lowest < 0 else _BESIDE}</span>')
        for name, value in constants:
            words = quantity(name, value) if value else ""
            cells.append(f'<span></span><span class="value">{words}</span>')
    one = " one" if len(shown) == 1 else ""
    whole = [f"{quantity('macs', data.costs['macs'].of(architecture))} MACs"]
    whole += [
        f"{in_sentence(name)} {quantity(name, data.costs[name].of(architecture))}"
        for name in beside
    ]
    pixels = data.space.resolution_of(architecture)
    summary = f"{chosen.name} · {chosen.row.id} · {' · '.join(whole)} · {pixels} px"
    return Html(
        f"<details{' open' if opened else ''}><summary>{escape(summary)}</summary>"
        f'{_legend(shown)}<div class="blocks{one}" style="--costs:{len(shown)}">'
        f"{''.join(cells)}</div></details>"
    )


def _legend(shown: list[tuple[str, str]]) -> str:
    """Return the colours of the bars in words, for narrow screens, where columns have no heads."""
    items = "".join(
        f"<li>{sample(f'area {style}')}{escape(title(name))}</li>" for name, style in shown
    )
    return f'<ul class="legend narrow">{items}</ul>'


def _largest(price: dict[str, float], total: float) -> float:
    return max(price.values()) / total or 1.0
