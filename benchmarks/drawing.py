"""Line charts as SVG: panels with axes, lines, bars of spread and dots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import final


@final
class Panel:
    """One pair of axes in a drawing; what is drawn is added to `out`, the SVG elements so far.

    Values beyond the ends of an axis are drawn at its ends.

    Args:
        box: Left, top, right and bottom in units of the drawing.
        across: First and last value of the horizontal axis.
        up: Lowest and highest value of the vertical axis.
    """

    def __init__(self, box: Sequence[float], across: tuple[float, float], up: tuple[float, float]) -> None:
        self.left, self.top, self.right, self.bottom = box
        self.across, self.up, self.out = across, up, list[str]()

    def x(self, value: float) -> float:
        """Return where a value of the horizontal axis is."""
        return round(self.left + _share(value, *self.across) * (self.right - self.left), 1)

    def y(self, value: float) -> float:
        """Return where a value of the vertical axis is."""
        return round(self.bottom - _share(value, *self.up) * (self.bottom - self.top), 1)

    def grid(self, ticks: Iterable[float], decimals: int) -> None:
        """Draw a thin line across at each tick, with its value."""
        for tick in ticks:
            self.level(tick, "#e0e0e0")
            self.say(self.left - 6, self.y(tick) + 4, f"{tick:.{decimals}f}", "end")

    def below(self, ticks: Iterable[tuple[float, str]]) -> None:
        """Write a text below each of these values."""
        for value, text in ticks:
            self.say(self.x(value), self.bottom + 16, text)

    def say(self, x: float, y: float, text: str, anchor: str = "middle") -> None:
        """Write a text at a place of the drawing."""
        self.out.append(f'<text x="{round(x, 1)}" y="{round(y, 1)}" text-anchor="{anchor}">{text}</text>')

    def beside(self, text: str) -> None:
        """Write what the vertical axis is, upwards at the left rim of the drawing."""
        middle = (self.top + self.bottom) / 2
        self.out.append(f'<text transform="translate(16 {middle}) rotate(-90)" text-anchor="middle">{text}</text>')

    def level(self, value: float, colour: str, width: float = 1, dashes: str = "") -> None:
        """Draw a line across at a value."""
        self.out.append(f'<path d="M{self.left} {self.y(value)}H{self.right}" {_stroke(colour, width, dashes)}/>')

    def line(self, points: Iterable[tuple[float, float]], colour: str, width: float = 2, dashes: str = "") -> None:
        """Draw a line through points."""
        places = " ".join(f"{self.x(x)},{self.y(y)}" for x, y in points)
        self.out.append(f'<polyline points="{places}" fill="none" {_stroke(colour, width, dashes)}/>')

    def spread(self, x: float, value: float, spread: float, colour: str, title: str = "") -> None:
        """Draw a bar from `spread` below a value to as much above it; the title shows under the mouse."""
        ends = self.y(value - spread), self.y(value + spread)
        self.out.append(f'<path d="M{self.x(x)} {ends[0]}V{ends[1]}" stroke="{colour}">{_title(title)}</path>')

    def dot(self, x: float, value: float, colour: str, title: str = "") -> None:
        """Draw a dot; the title shows under the mouse."""
        self.out.append(f'<circle cx="{self.x(x)}" cy="{self.y(value)}" r="4" fill="{colour}">{_title(title)}</circle>')


def legend(entries: Iterable[tuple[str, str]], left: float, y: float, step: float) -> list[str]:
    """Return a dot of the colour and a text for each (text, colour), `step` apart."""
    found = []
    for number, (text, colour) in enumerate(entries):
        found.append(f'<circle cx="{left + step * number}" cy="{y - 4}" r="4" fill="{colour}"/>')
        found.append(f'<text x="{left + 10 + step * number}" y="{y}">{text}</text>')
    return found


def drawing(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    """Return the SVG of all parts."""
    start = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="12" fill="#333">'
    )
    paper = f'<rect width="{width}" height="{height}" fill="#fff"/>'
    return "\n".join([start, f"<title>{title}</title>", paper, *parts, "</svg>\n"])


def _share(value: float, first: float, last: float) -> float:
    return min(max((value - first) / max(last - first, 1e-9), 0.0), 1.0)


def _stroke(colour: str, width: float, dashes: str) -> str:
    return f'stroke="{colour}" stroke-width="{width:g}"' + (f' stroke-dasharray="{dashes}"' if dashes else "")


def _title(text: str) -> str:
    return f"<title>{text}</title>" if text else ""
