"""The kernel's counters of kills for lack of memory."""

from __future__ import annotations

from pathlib import Path

from batchyard.instances.memory import OOMKills

SECOND_NS = 1_000_000_000


def test_a_rise_counts_for_a_few_seconds(tmp_path: Path) -> None:
    counter = tmp_path / "memory.events"
    counter.write_text("low 0\noom 3\noom_kill 7\noom_group_kill 0\n")
    kills = OOMKills([counter])
    assert not kills.rose_lately(0)
    counter.write_text("low 0\noom 4\noom_kill 8\noom_group_kill 0\n")
    kills.look(SECOND_NS)
    assert kills.rose_lately(3 * SECOND_NS)
    assert not kills.rose_lately(60 * SECOND_NS)


def test_counters_that_cannot_be_read_tell_nothing(tmp_path: Path) -> None:
    assert not OOMKills([tmp_path / "gone"]).rose_lately(0)


def test_the_counters_of_this_machine_are_found_or_done_without() -> None:
    assert not OOMKills().rose_lately(0)
