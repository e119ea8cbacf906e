"""Charts: well-formed, escaped, within the paper, names that do not cover each other."""

from __future__ import annotations

import itertools
import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.archive import Evaluated
from nas.report.charts import accuracy_scale, cost_scale, front_line, lower_edge, thinned
from nas.report.scales import Scale
from nas.report.svg import BOTTOM, LEFT, RIGHT, TOP, WIDTH, Plot, bar, number
from search_spaces import Architecture

POINTS = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=12)


def blank() -> Plot:
    return Plot("a & b <c>", Scale(0, 1, LEFT, RIGHT), Scale(0, 1, BOTTOM, TOP))


def drawn(plot: Plot) -> ElementTree.Element:
    """The chart and its legend as one tree; fails where the markup is not well-formed."""
    return ElementTree.fromstring(f"<figure>{plot.render()}</figure>")


def test_every_word_is_escaped() -> None:
    plot = blank()
    plot.axes("x <&>", 'y "q"', x_format=lambda v: f"<{v}>", y_format=str)
    plot.points([(0.5, 0.5, "</title><script>alert(1)</script>")], "dot good", legend="<b>")
    plot.marked([(0.1, 0.1, "<i>", "&")], "diamond mark", legend="l")
    plot.vertical(0.3, "line limit", text="<u>")
    tree = drawn(plot)
    assert not {"script", "b", "i", "u"} & {element.tag for element in tree.iter()}
    text = "".join(tree.itertext())
    assert "</title><script>alert(1)</script>" in text
    assert tree[0].attrib["aria-label"] == "a & b <c>"


def test_every_style_is_explained_once() -> None:
    plot = blank()
    plot.points([(0.1, 0.2, "")], "dot good", legend="within")
    plot.line([(0.0, 0.0), (1.0, 1.0)], "line front", legend="front")
    plot.band([(0, 0), (1, 0)], [(0, 1), (1, 1)], "area band", legend="band")
    plot.points([(0.1, 0.2, "")], "dot bad")
    items = ["".join(item.itertext()) for item in drawn(plot).iter("li")]
    assert items == ["within", "front", "band"]


@given(POINTS)
def test_marks_stay_on_the_paper(points: list[tuple[float, float]]) -> None:
    plot = blank()
    plot.points([(x, y, "") for x, y in points], "dot good")
    plot.marked([(x, y, "A", "") for x, y in points], "diamond mark")
    circles = list(drawn(plot).iter("circle"))
    assert len(circles) == len(points)
    for circle in circles:
        assert LEFT <= float(circle.attrib["cx"]) <= RIGHT
        assert TOP <= float(circle.attrib["cy"]) <= BOTTOM
    for name in drawn(plot).iter("text"):
        assert 0 < float(name.attrib["x"]) < WIDTH


@given(st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_names_of_marks_close_together_can_be_read(x: float, y: float) -> None:
    plot = blank()
    plot.marked(
        [(x, y, "A", ""), (x + 0.01, y + 0.01, "B", ""), (x - 0.01, y, "C", "")], "diamond mark"
    )
    names = [(float(t.attrib["x"]), float(t.attrib["y"])) for t in drawn(plot).iter("text")]
    assert len(names) == 3
    for first, second in itertools.combinations(names, 2):
        assert math.dist(first, second) > 9


def test_labels_of_an_axis_do_not_touch() -> None:
    plot = Plot("t", Scale(0, 5e6, LEFT, RIGHT), Scale(0, 1, BOTTOM, TOP))
    plot.axes("x", "y", x_format=lambda v: f"{v:,.4f}", y_format=str)
    ticks = [t for t in drawn(plot).iter("text") if t.get("y") == number(BOTTOM + 17)]
    spans = [(float(t.attrib["x"]), 3.4 * len(t.text or "")) for t in ticks]
    assert len(spans) >= 2
    for (x, half), (next_x, next_half) in itertools.pairwise(spans):
        assert x + half < next_x - next_half


def test_a_bar_fills_its_share() -> None:
    tree = ElementTree.fromstring(bar(0.25, "first", "a < b"))
    assert tree.findall("rect")[1].attrib["width"] == "25"
    assert tree.attrib["aria-label"] == "a < b"
    assert 'width="100"' in bar(7.0, "first", "")
    assert re.search(r'class="first" width="0"', bar(-1.0, "first", ""))


@given(POINTS)
def test_the_front_is_what_no_point_beats(points: list[tuple[float, float]]) -> None:
    """Against the definition, in the slow way."""

    def beaten(point: tuple[float, float]) -> bool:
        return any(
            other != point and other[0] <= point[0] and other[1] >= point[1] for other in points
        )

    assert front_line(points) == sorted({point for point in points if not beaten(point)})


def test_no_points_have_no_front() -> None:
    assert front_line([]) == []


def test_a_few_bad_subnets_do_not_press_the_others_together() -> None:
    values = [0.1, *np.linspace(0.93, 0.97, 50).tolist()]
    scale, below = accuracy_scale(values)
    assert below == 1
    assert scale(0.97) - scale(0.93) < -0.4 * (BOTTOM - TOP)
    assert accuracy_scale([0.5, 0.6, 0.7])[1] == 0


def test_a_cost_over_more_than_a_decade_is_logarithmic() -> None:
    assert cost_scale("macs", [1e6, 50e6]).log
    assert not cost_scale("macs", [1e6, 5e6]).log
    assert not cost_scale("macs", [0.0, 5e6]).log
    assert cost_scale("peak_memory_bytes", [1e5, 2e5]).unit == 1024


def test_a_huge_search_is_thinned_evenly() -> None:
    rows = [Evaluated(str(i), Architecture({}), {}, i) for i in range(9000)]
    drawn, note = thinned(rows)
    orders = [row.order for row in drawn]
    assert len(set(orders)) == 2000
    assert max(np.diff(orders)) <= 5
    assert note == " 2,000 of them are drawn."
    assert thinned(rows[:2000]) == (rows[:2000], "")


def test_words_on_what_lies_below() -> None:
    assert lower_edge(0) == ""
    assert lower_edge(1) == " 1 with lower accuracy is drawn at the lower edge."
    assert lower_edge(2000) == " 2,000 with lower accuracy are drawn at the lower edge."


@pytest.mark.parametrize(("value", "text"), [(1.0, "1"), (0.125, "0.12"), (100.0, "100")])
def test_coordinates_have_no_needless_digits(value: float, text: str) -> None:
    assert number(value) == text
