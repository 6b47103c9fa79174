"""The chart of a tuning: throughput by workers, a line for each mini-batch size, as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from batchyard.domain.forecast.advice import Advice, Prospect

_WIDTH, _HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 170, 56, 56
_MOST_LINES = 6
# Colours of Okabe and Ito, told apart by their dashes as well.
_LOOKS = (
    ("#0072b2", ""),
    ("#d55e00", "6 3"),
    ("#009e73", "2 3"),
    ("#cc79a7", "8 3 2 3"),
    ("#8a6d00", "4 4"),
    ("#56b4e9", "1 4"),
)


def draw(advice: Advice) -> str:
    """Give the chart. Filled marks were tried, hollow ones reckoned; a ring is around the recommended one."""
    chosen = advice.chosen.setting
    shown = [p for p in advice.prospects if p.setting.threads == chosen.threads]
    sizes = _sizes(shown, chosen.run_items)
    shown = [p for p in shown if p.setting.run_items in sizes]
    axes = _Axes(max(p.setting.workers for p in shown), max(p.items_per_s for p in shown))
    parts = [_frame(axes), *(_line(axes, shown, size, look) for size, look in zip(sizes, _LOOKS, strict=False))]
    x, y = axes.at(chosen.workers, advice.chosen.items_per_s)
    parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="11" fill="none" stroke="#111" stroke-width="2"/>')
    parts.append(_legend(sizes))
    threads = f", {chosen.threads} threads a worker" if chosen.threads else ""
    text = f"Recommended: mini_batch_size {chosen.run_items}, {chosen.workers} workers{threads}"
    title = f'<text x="{_LEFT}" y="28" font-size="16" font-weight="600">{escape(text)}</text>'
    body = "\n".join([title, *parts])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" font-family="sans-serif" font-size="12" fill="#222" role="img">\n'
        f"<title>{escape(text)}</title>\n"
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>\n{body}\n</svg>\n'
    )


class _Axes:
    """Workers to the right, items per second upwards, both from 0."""

    def __init__(self, workers: int, items_per_s: float) -> None:
        self.workers_step, self.rate_step = max(1, round(_step(workers))), _step(items_per_s)
        self.workers = max(1, workers)
        self.rate = math.ceil(items_per_s / self.rate_step) * self.rate_step

    def at(self, workers: float, items_per_s: float) -> tuple[float, float]:
        """Give where a point is drawn."""
        width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
        return _LEFT + width * workers / self.workers, _TOP + height * (1 - items_per_s / self.rate)


def _step(most: float) -> float:
    """Give a round distance of grid lines, four to eight of them."""
    rough = max(most, 1e-9) / 5
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough * 0.999)


def _sizes(shown: Sequence[Prospect], chosen: int) -> list[int]:
    """Give the sizes to draw: the recommended one, then those that were tried, at most six, ascending."""
    tried = sorted({p.setting.run_items for p in shown if p.is_measured} - {chosen})
    while len(tried) > _MOST_LINES - 1:
        del tried[len(tried) // 2]
    return sorted([*tried, chosen])


def _frame(axes: _Axes) -> str:
    left, bottom = axes.at(0, 0)
    right, top = axes.at(axes.workers, axes.rate)
    parts = []
    for k in range(round(axes.rate / axes.rate_step) + 1):
        y = axes.at(0, k * axes.rate_step)[1]
        parts.append(f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{k * axes.rate_step:,g}</text>')
    for workers in range(0, axes.workers + 1, axes.workers_step):
        x = axes.at(workers, 0)[0]
        parts.append(f'<text x="{x:.1f}" y="{bottom + 20}" text-anchor="middle">{workers}</text>')
    middle = (left + right) / 2
    parts.append(f'<line x1="{left}" x2="{right}" y1="{bottom}" y2="{bottom}" stroke="#222"/>')
    parts.append(f'<text x="{middle}" y="{bottom + 42}" text-anchor="middle">workers</text>')
    parts.append(f'<text x="{left - 8}" y="{top - 12}" text-anchor="end">items/s</text>')
    return "\n".join(parts)


def _line(axes: _Axes, shown: Sequence[Prospect], size: int, look: tuple[str, str]) -> str:
    colour, dashes = look
    line = sorted((p for p in shown if p.setting.run_items == size), key=lambda p: p.setting.workers)
    points = [(*axes.at(p.setting.workers, p.items_per_s), p.is_measured) for p in line]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
    drawn = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>']
    for x, y, is_measured in points:
        fill, radius = (colour, 5) if is_measured else ("#fff", 3)
        drawn.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{fill}" stroke="{colour}"/>')
    return "\n".join(drawn)


def _legend(sizes: Sequence[int]) -> str:
    x, y = _WIDTH - _RIGHT + 24, _TOP + 10
    parts = [f'<text x="{x}" y="{y}" font-weight="600">mini_batch_size</text>']
    for size, (colour, dashes) in zip(sizes, _LOOKS, strict=False):
        y += 22
        mark = f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"'
        parts.append(f'<line x1="{x}" x2="{x + 30}" y1="{y - 4}" y2="{y - 4}" {mark}/>')
        parts.append(f'<text x="{x + 38}" y="{y}">{size}</text>')
    for text, fill, radius in (("tried", "#555", 5), ("reckoned", "#fff", 3)):
        y += 24
        parts.append(f'<circle cx="{x + 15}" cy="{y - 4}" r="{radius}" fill="{fill}" stroke="#555"/>')
        parts.append(f'<text x="{x + 38}" y="{y}">{text}</text>')
    return "\n".join(parts)
