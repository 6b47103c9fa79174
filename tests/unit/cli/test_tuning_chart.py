"""The chart of a tuning is a whole SVG with every size that was tried, and marks the recommended setting."""

from __future__ import annotations

from xml.etree import ElementTree

from batchyard.cli.calibration import bytes_text, duration_text
from batchyard.cli.tuning_chart import draw
from batchyard.domain.forecast.advice import Advice, Prospect
from batchyard.domain.forecast.tuning import Setting

NS = "{http://www.w3.org/2000/svg}"


def prospect(size: int, workers: int, *, rate: float | None = None, is_measured: bool = True) -> Prospect:
    items_per_s = rate if rate is not None else size * workers * 1.5
    return Prospect(Setting(size, workers), items_per_s, 10.0, 10.4, 10.0 * workers, 1 << 20, is_measured)


def test_the_chart_has_a_line_for_each_size_and_a_ring_around_the_recommended_setting() -> None:
    prospects = tuple(prospect(size, n, is_measured=n != 2) for size in (1, 10) for n in (1, 2, 4))
    root = ElementTree.fromstring(draw(Advice(prospects[5], prospects, meets_target=True)))
    assert len(root.findall(f"{NS}polyline")) == 2
    texts = [element.text for element in root.iter(f"{NS}text")]
    assert "Recommended: mini_batch_size 10, 4 workers" in texts
    assert {"1", "10", "tried", "reckoned", "workers", "items/s"} <= set(texts)
    assert [c.get("r") for c in root.findall(f"{NS}circle")].count("11") == 1


def test_one_single_setting_that_was_tried_is_drawn_too() -> None:
    only = prospect(1, 1, rate=0.001)
    assert ElementTree.fromstring(draw(Advice(only, (only,), meets_target=True))) is not None


def test_of_many_sizes_six_are_drawn_the_recommended_one_among_them() -> None:
    prospects = tuple(prospect(size, 1) for size in (1, 2, 5, 10, 20, 50, 100, 200))
    root = ElementTree.fromstring(draw(Advice(prospects[3], prospects, meets_target=True)))
    assert len(root.findall(f"{NS}polyline")) == 6
    assert "10" in [element.text for element in root.iter(f"{NS}text")]


def test_durations_and_sizes_are_told_as_people_say_them() -> None:
    assert [duration_text(s) for s in (0.44, 59.9, 125, 12_000)] == ["0.4 s", "59.9 s", "2 min 5 s", "3 h 20 min"]
    assert [bytes_text(n) for n in (12, 2048, 5 << 20, 3 << 30, 5 << 40)] == [
        "12 bytes",
        "2 KiB",
        "5 MiB",
        "3.0 GiB",
        "5.0 TiB",
    ]
