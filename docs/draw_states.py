"""Draw the job states in `docs/jobs.md` from the table in the code: `python docs/draw_states.py` rewrites the block.

What must not live here: states or transitions of its own.
"""

from __future__ import annotations

from pathlib import Path

from batchyard.domain.job_states import FINAL, TRANSITIONS, JobStatus

PAGE = Path(__file__).with_name("jobs.md")
BEGIN, END = "<!-- states: made by docs/draw_states.py -->", "<!-- end of states -->"


def diagram() -> str:
    """Give the mermaid block, every transition of the table once, in the order of the states."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {JobStatus.QUEUED.value}"]
    for before in JobStatus:
        lines += [f"    {before.value} --> {after.value}" for after in JobStatus if after in TRANSITIONS[before]]
    lines += [f"    {state.value} --> [*]" for state in JobStatus if state in FINAL]
    return "\n".join([*lines, "```"])


def with_diagram(page: str) -> str:
    """Give the page's text with the block between its two marks drawn anew."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{diagram()}\n{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(with_diagram(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
