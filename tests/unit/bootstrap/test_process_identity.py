"""Which process is meant by an owner: one of this boot, this host and this container, or one that cannot be seen."""

from __future__ import annotations

from dataclasses import replace

from batchyard.bootstrap.process_identity import is_alive, this_process


def test_a_process_is_told_by_its_number_and_its_start() -> None:
    me = this_process()
    assert is_alive(me) is True
    assert is_alive(replace(me, start_ticks=me.start_ticks - 1)) is False


def test_an_owner_in_another_container_of_this_host_is_neither_alive_nor_dead() -> None:
    """Both share the boot: by that alone each would take the other's jobs, for nobody here has their numbers."""
    me = this_process()
    boot, _, _ = me.pid_space.partition("/")
    assert is_alive(replace(me, pid_space=f"{boot}/1", pid=1 << 22)) is None
    assert is_alive(replace(me, pid_space=f"another boot/{me.pid_space}")) is None
