"""The table of all search spaces and of the published subnets they must reproduce, as Markdown."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from itertools import groupby

from nas.cli.describe import describe
from nas.text import quantity
from predictors import Macs, Params, compile_cost
from search_spaces import get_space, list_spaces
from search_spaces.published import PublishedSubnet, published_subnets
from search_spaces.registry import space_factory

__all__ = ["space_table"]

_INTRODUCTION = """\
# Search spaces

Made by `nas spaces table`. Sizes count different networks exactly; smallest and largest are the
exact extremes in MACs, found by variable elimination. MACs are multiply-accumulates of
convolution, linear and attention matmuls for one image.
"""
_PUBLISHED = """
## Published subnets

Every count below is computed from the space's blocks and compared with what the authors print.
"""


def space_table() -> str:
    """Return the page."""
    parts = [_INTRODUCTION, _spaces(), _PUBLISHED]
    for space, subnets in groupby(published_subnets(), key=lambda subnet: subnet.space):
        parts.append(f"\n### {space}\n\n{_subnets(list(subnets))}")
    return "\n".join(parts) + "\n"


def _spaces() -> str:
    header = ("space", "networks", "smallest: MACs, params", "largest: MACs, params", "about")
    rows = []
    for name in list_spaces():
        about = describe(get_space(name))
        ends = [_counts(about[which]) for which in ("smallest", "largest")]
        text = (inspect.getdoc(space_factory(name)) or "").splitlines()[0]
        rows.append((f"`{name}`", f"{about['size']:,}", *ends, text))
    return _markdown(header, rows)


def _counts(subnet: dict[str, float]) -> str:
    macs, params = quantity("macs", subnet["macs"]), quantity("params", subnet["params"])
    return f"{macs}, {params} at {subnet['resolution']} px"


def _subnets(subnets: list[PublishedSubnet]) -> str:
    header = ("subnet", "MACs published", "computed", "params published", "computed", "equal")
    rows = []
    for subnet in subnets:
        space = get_space(subnet.space, **subnet.options)
        macs = compile_cost(space, Macs()).of(subnet.architecture)
        params = compile_cost(space, Params()).of(subnet.architecture)
        pairs = (
            (subnet.macs, macs, subnet.macs_within),
            (subnet.params, params, subnet.params_within),
        )
        printed = [(given, found, within) for given, found, within in pairs if given is not None]
        equal = all(abs(given - found) <= within for given, found, within in printed)
        exact = not any(within for _, _, within in printed)
        verdict = ("exactly" if exact else "to the printed digits") if equal else "NO"
        cells = [text for given, found, _ in pairs for text in (_printed(given), f"{found:,.0f}")]
        rows.append((subnet.name, *cells, verdict))
    source = f"\nSource: {subnets[0].source}"
    return _markdown(header, rows) + source


def _printed(count: float | None) -> str:
    return "not printed" if count is None else f"{count:,.0f}"


def _markdown(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
