"""What an edit makes of what is written on a job."""

from __future__ import annotations

from batchyard.domain.job_notes import JobEdit, JobNotes, changed_fields, edited

NOTES = JobNotes("One", "first", {"team": "x", "cost": "7"}, {"p": "q"})


def test_what_an_edit_does_not_name_stays() -> None:
    assert edited(NOTES, JobEdit()) == NOTES
    assert edited(NOTES, JobEdit(description="")) == JobNotes("One", "", NOTES.tags, NOTES.properties)
    assert edited(NOTES, JobEdit(is_archived=True)).is_archived


def test_tags_are_merged_and_nothing_takes_one_away() -> None:
    edit = JobEdit(tags={"team": "y", "cost": None, "new": "1", "never": None})
    assert edited(NOTES, edit).tags == {"team": "y", "new": "1"}


def test_tags_are_replaced_where_the_edit_says_so() -> None:
    after = edited(NOTES, JobEdit(tags={"new": "1"}, replaces_maps=True))
    assert (after.tags, after.properties) == ({"new": "1"}, NOTES.properties)


def test_changed_fields_are_named() -> None:
    after = edited(NOTES, JobEdit(display_name="Two", tags={"team": "x"}, is_archived=True))
    assert changed_fields(NOTES, after) == ["display_name", "is_archived"]
