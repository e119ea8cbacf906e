"""Pieces of the page: everything that is not marked as HTML already is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

__all__ = ["Html", "code", "figure", "figures", "join", "missing", "paragraph", "section", "table"]


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(value: str) -> Html:
    """Return text as HTML, escaped unless it is HTML already."""
    return value if isinstance(value, Html) else Html(escape(value))


def join(*parts: str) -> Html:
    """Return several pieces as one."""
    return Html("".join(text(part) for part in parts))


def code(value: str) -> Html:
    """Return text in the type of commands and file names."""
    return Html(f"<code>{escape(value)}</code>")


def paragraph(*parts: str, style: str = "") -> Html:
    """Return a paragraph."""
    css = f' class="{style}"' if style else ""
    return Html(f"<p{css}>{join(*parts)}</p>")


def missing(what: str, command: str) -> Html:
    """Return a sentence that says what is not there yet and which command makes it."""
    return paragraph(f"{what} Run ", code(command), ".", style="missing")


def section(anchor: str, heading: str, *parts: str) -> Html:
    """Return a section under a heading."""
    return Html(f'<section id="{anchor}"><h2>{escape(heading)}</h2>{join(*parts)}</section>')


def figure(drawing: str, caption: str) -> Html:
    """Return a chart, which is HTML, with its caption."""
    return Html(f"<figure>{drawing}<figcaption>{text(caption)}</figcaption></figure>")


def figures(drawings: Sequence[Html]) -> Html:
    """Return charts side by side where there is room."""
    return Html(f'<div class="figures">{"".join(drawings)}</div>')


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, words: Sequence[int] = (0,)
) -> Html:
    """Return a table that scrolls sideways on a narrow screen.

    Args:
        header: One title for each column.
        rows: As many cells in each.
        words: Positions of the columns that hold words; all others are aligned as numbers.
    """

    def cells(tag: str, values: Sequence[str]) -> str:
        css = ["" if i in words else ' class="number"' for i in range(len(values))]
        return "".join(
            f"<{tag}{style}>{text(value)}</{tag}>"
            for style, value in zip(css, values, strict=True)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return Html(
        f'<div class="scroll"><table><thead><tr>{cells("th", header)}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
