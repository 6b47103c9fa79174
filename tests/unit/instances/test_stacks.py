"""What is told of a dump of stacks."""

from __future__ import annotations

from batchyard.instances.stacks import main_thread

DUMP = """Thread 0x00007f01 (most recent call first):
  File "/job/score.py", line 4 in helper
  File "/usr/lib/python3.11/threading.py", line 982 in run

Current thread 0x00007f02 (most recent call first):
  File "/job/score.py", line 9 in run
  File "/home/u/batchyard_runtime/scoring.py", line 90 in _score_each
"""


def test_the_main_threads_stack_is_told_without_our_own_frames() -> None:
    assert main_thread(DUMP).splitlines()[1:] == ['  File "/job/score.py", line 9 in run']


def test_a_dump_that_did_not_come_tells_nothing() -> None:
    assert main_thread("") == ""
