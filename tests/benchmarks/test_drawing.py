"""Line charts: where values are drawn."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from benchmarks.drawing import Panel, drawing, legend


def panel() -> Panel:
    return Panel((10, 20, 110, 220), (0, 4), (-1, 1))


def test_values_are_where_the_axes_say() -> None:
    made = panel()
    assert [made.x(v) for v in (0, 1, 4)] == [10, 35, 110]
    assert [made.y(v) for v in (-1, 0, 1)] == [220, 120, 20]
    assert (made.x(9), made.y(-5)) == (110, 220)  # at the ends of the axes
    assert Panel((0, 0, 10, 10), (3, 3), (2, 2)).x(3) == 0


def test_a_drawing_holds_its_parts() -> None:
    made = panel()
    made.grid([-1, 1], 1)
    made.below([(2, "two")])
    made.beside("bits")
    made.level(0, "#111", 1.5, "5 4")
    made.line([(0, -1), (4, 1)], "#222")
    made.spread(1, 0, 0.5, "#333", "a bar")
    made.dot(1, 0, "#444", "a dot")
    text = drawing(200, 240, "What is shown", [*made.out, *legend([("one", "#555"), ("two", "#666")], 10, 230, 50)])
    tree = ElementTree.fromstring(text)
    found = [(node.tag.rpartition("}")[2], dict(node.attrib), "".join(node.itertext())) for node in tree]
    texts = [(n[1].get("x"), n[2]) for n in found if n[0] == "text"]
    assert texts == [("4", "-1.0"), ("4", "1.0"), ("60.0", "two"), (None, "bits"), ("20", "one"), ("70", "two")]
    (line,) = (n[1]["points"] for n in found if n[0] == "polyline")
    assert line == "10.0,220.0 110.0,20.0"
    paths = [(n[1]["d"], n[2]) for n in found if n[0] == "path"]
    assert ("M35.0 170.0V70.0", "a bar") in paths and ("M10 120.0H110", "") in paths
    dots = [(n[1]["cx"], n[1]["cy"], n[1]["fill"], n[2]) for n in found if n[0] == "circle"]
    assert dots == [
        ("35.0", "120.0", "#444", "a dot"), ("10", "226", "#555", ""), ("60", "226", "#666", ""),
    ]  # fmt: skip
