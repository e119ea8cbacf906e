"""Small charts as inline SVG: axes, points, lines, bands; colours come from the page.

Every mark carries a class, so that the page's style sheet decides its colour in light, dark
and print. Sizes are in user units of the view box; the page scales the whole drawing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape

from nas.report.scales import Scale

__all__ = ["HEIGHT", "WIDTH", "Plot", "bar", "number", "sample"]

WIDTH, HEIGHT = 460.0, 312.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 448.0, 12.0, 264.0
_LETTER = 8.0
"""Widest a letter of a tick gets, on narrow screens, where the style sheet enlarges it."""


def number(value: float) -> str:
    """Return a coordinate without needless digits."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


class Plot:
    """One chart under construction: marks are drawn in the order in which they are added.

    Args:
        title: What it shows, in words; also read by screen readers.
        x: Scale from `LEFT` to `RIGHT`.
        y: Scale from `BOTTOM` to `TOP`.
    """

    def __init__(self, title: str, x: Scale, y: Scale) -> None:
        self.title = title
        self.x = x
        self.y = y
        self._marks: list[str] = []
        self._legend: list[tuple[str, str]] = []

    def axes(
        self,
        x_label: str,
        y_label: str,
        *,
        x_format: Callable[[float], str],
        y_format: Callable[[float], str],
    ) -> None:
        """Draw grid lines, ticks with their numbers, and a label with its unit at each axis."""
        for value in self.y.ticks(5):
            self._add(f'<path class="grid" d="M{LEFT} {number(self.y(value))}H{RIGHT}"/>')
            self._add(_text(LEFT - 7, self.y(value) + 4, y_format(value), "tick end"))
        room = 12.0
        for value in self.x.ticks(5):
            at, label = self.x(value), x_format(value)
            self._add(f'<path class="grid" d="M{number(at)} {BOTTOM}V{TOP}"/>')
            half = _LETTER / 2 * len(label)
            if at - half < room:  # would run into the label before it
                continue
            room = at + half + 6
            anchor = "tick end" if at + half > WIDTH else "tick middle"
            self._add(_text(min(at, WIDTH - 2), BOTTOM + 17, label, anchor))
        self._add(f'<path class="axis" d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}"/>')
        self._add(_text((LEFT + RIGHT) / 2, BOTTOM + 36, x_label, "label middle"))
        middle = number((TOP + BOTTOM) / 2)
        self._add(
            f'<text class="label middle" transform="translate(14 {middle}) rotate(-90)">'
            f"{escape(y_label)}</text>"
        )

    def points(
        self,
        points: Iterable[tuple[float, float, str]],
        style: str,
        *,
        radius: float = 3.0,
        legend: str = "",
    ) -> None:
        """Draw circles; the text of each point is shown when the mouse rests on it."""
        for x, y, text in points:
            self._add(
                f'<circle class="{style}" cx="{number(self.x(x))}" cy="{number(self.y(y))}" '
                f'r="{number(radius)}">{_title(text)}</circle>'
            )
        self._note(style, legend)

    def marked(
        self, points: Sequence[tuple[float, float, str, str]], style: str, *, legend: str = ""
    ) -> None:
        """Draw diamonds with a short name beside each: x, y, name, hover text.

        A name is put where it covers neither another name nor a mark, if there is such a place.
        """
        marks = [(self.x(x), self.y(y)) for x, y, _, _ in points]
        taken: list[tuple[float, float]] = []
        for (cx, cy), (_, _, _, text) in zip(marks, points, strict=True):
            self._add(
                f'<path class="{style}" d="M{number(cx)} {number(cy - 6)}l6 6-6 6-6-6z">'
                f"{_title(text)}</path>"
            )
            taken.append(_name_place(cx, cy, obstacles=[*marks, *taken]))
        for (px, py), (_, _, name, _) in zip(taken, points, strict=True):
            self._add(_text(px, py + 4, name, "name middle"))
        self._note(style, legend)

    def line(self, points: Sequence[tuple[float, float]], style: str, *, legend: str = "") -> None:
        """Draw a line through points."""
        if points:
            path = "L".join(f"{number(self.x(x))} {number(self.y(y))}" for x, y in points)
            self._add(f'<path class="{style}" d="M{path}"/>')
            self._note(style, legend)

    def steps(
        self, points: Sequence[tuple[float, float]], style: str, *, legend: str = ""
    ) -> None:
        """Draw a staircase: a value holds until the next point."""
        if points:
            x, y = points[0]
            path = f"M{number(self.x(x))} {number(self.y(y))}"
            for x, y in points[1:]:
                path += f"H{number(self.x(x))}V{number(self.y(y))}"
            self._add(f'<path class="{style}" d="{path}"/>')
            self._note(style, legend)

    def band(
        self,
        lower: Sequence[tuple[float, float]],
        upper: Sequence[tuple[float, float]],
        style: str,
        *,
        legend: str = "",
    ) -> None:
        """Fill the area between two lines."""
        points = [*lower, *reversed(upper)]
        path = "L".join(f"{number(self.x(x))} {number(self.y(y))}" for x, y in points)
        self._add(f'<path class="{style}" d="M{path}z"/>')
        self._note(style, legend)

    def vertical(self, x: float, style: str, *, text: str, legend: str = "") -> None:
        """Draw a vertical line over the whole height, for a limit."""
        at = number(self.x(x))
        self._add(f'<path class="{style}" d="M{at} {TOP}V{BOTTOM}">{_title(text)}</path>')
        self._note(style, legend)

    def render(self) -> str:
        """Return the chart as one SVG element, with its legend in HTML below, which wraps."""
        legend = "".join(
            f"<li>{sample(style)}{escape(words)}</li>" for style, words in self._legend
        )
        return (
            f'<svg class="plot" viewBox="0 0 {number(WIDTH)} {number(HEIGHT)}" role="img" '
            f'aria-label="{escape(self.title)}">{"".join(self._marks)}</svg>'
            + (f'<ul class="legend">{legend}</ul>' if legend else "")
        )

    def _add(self, mark: str) -> None:
        self._marks.append(mark)

    def _note(self, style: str, legend: str) -> None:
        if legend:
            self._legend.append((style, legend))


def bar(share: float, style: str, text: str) -> str:
    """Return a horizontal bar that fills a share in [0, 1] of the width it is given."""
    width = number(100 * min(max(share, 0.0), 1.0))
    return (
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(text)}">{_title(text)}<rect class="track" width="100" height="10"/>'
        f'<rect class="{style}" width="{width}" height="10"/></svg>'
    )


def sample(style: str) -> str:
    """Return what stands for a style in the legend; the first word of a style is its kind."""
    shapes = {
        "dot": f'<circle class="{style}" cx="9" cy="6" r="4"/>',
        "diamond": f'<path class="{style}" d="M9 0l6 6-6 6-6-6z"/>',
        "area": f'<rect class="{style}" y="1" width="18" height="10"/>',
    }
    shape = shapes.get(style.split()[0], f'<path class="{style}" d="M0 6h18"/>')
    return f'<svg class="sample" viewBox="0 0 18 12" aria-hidden="true">{shape}</svg>'


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text class="{style}" x="{number(x)}" y="{number(y)}">{escape(text)}</text>'


def _title(text: str) -> str:
    return f"<title>{escape(text)}</title>" if text else ""


def _name_place(
    cx: float, cy: float, *, obstacles: Sequence[tuple[float, float]]
) -> tuple[float, float]:
    """Return the centre of a free place for a name around a mark; the clearest if none is."""
    angles = [math.radians(angle) for angle in (-45, 225, 45, 135, -90, 90, 0, 180)]
    places = [
        (cx + radius * math.cos(angle), cy + radius * math.sin(angle))
        for radius in (15, 23)
        for angle in angles
    ]
    inside = [(x, y) for x, y in places if LEFT + 6 < x < RIGHT - 4 and TOP + 5 < y < BOTTOM - 6]

    def room(place: tuple[float, float]) -> float:
        return min(math.dist(place, obstacle) for obstacle in obstacles)

    return next((p for p in inside if room(p) > 12.5), max(inside or places, key=room))
