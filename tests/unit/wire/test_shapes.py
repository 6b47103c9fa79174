"""Every mistake of a document is told at once, in the document's own words."""

from __future__ import annotations

from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, BeforeValidator

from batchyard.domain.deployments import OutputAction
from batchyard.domain.errors import Mistake
from batchyard.wire.mistakes import merged, renamed, shown
from batchyard.wire.shapes import (
    ArmShape,
    Duration,
    NoEffect,
    ReadOnly,
    Seconds,
    Text,
    TextMap,
    WholeNumber,
    YamlShape,
    notes_of,
    one_of,
    read_shape,
)


class Retry(YamlShape):
    max_retries: WholeNumber | None = None
    timeout: Seconds | None = None
    vnet: NoEffect = None


class Sample(YamlShape):
    size: WholeNumber | None = None
    action: Annotated[OutputAction, BeforeValidator(one_of(OutputAction))] | None = None
    retry: Retry | None = None
    steps: dict[str, Retry] | None = None
    name: Text | None = None
    tags: TextMap | None = None
    id: ReadOnly = None


class Inner(ArmShape):
    time_out: Duration | None = None


class Outer(ArmShape):
    mini_batch: WholeNumber | None = None
    inner: Inner | None = None
    is_archived: bool | None = None


def _told(shape: type[BaseModel], document: object) -> list[str]:
    return [str(mistake) for mistake in read_shape(shape, document)[1]]


def test_all_mistakes_are_told_with_their_paths() -> None:
    document = {"size": "x", "retry": {"timeout": True, "max_retris": 1}, "steps": {"a": {"timeout": "soon"}, "b": 3}}
    unknown = "an unknown key, expected one of max_retries, timeout, vnet. Did you mean 'max_retries'?"
    assert _told(Sample, document) == [
        "size: found 'x', expected a whole number.",
        "retry.timeout: found True, expected a number of seconds.",
        f"retry.max_retris: found {unknown}",
        "steps.a.timeout: found 'soon', expected a number of seconds.",
        "steps.b: found 3, expected a mapping.",
    ]


def test_a_wrong_value_counts_as_missing_and_the_others_are_kept() -> None:
    shape, mistakes = read_shape(Sample, {"size": "x", "retry": {"timeout": "soon", "max_retries": "2"}, "name": 7})
    assert len(mistakes) == 2
    assert shape == Sample(retry=Retry(max_retries=2), name="7")


@pytest.mark.parametrize("value", ["20", 20, 20.0, " 20 ", "+20"])
def test_a_whole_number_is_read_from_what_means_one(value: object) -> None:
    assert read_shape(Sample, {"size": value})[0].size == 20


@pytest.mark.parametrize("value", ["2 0", "1_000", 1.5, "1.5", True, [1], "", "٣", "9" * 30])
def test_what_is_no_whole_number_is_refused(value: object) -> None:
    assert len(_told(Sample, {"size": value})) == 1


@pytest.mark.parametrize("text", ["append_row", "AppendRow", "APPEND_ROW", "append-row", "appendRow"])
def test_words_of_an_enum_are_read_however_they_are_cased(text: str) -> None:
    assert read_shape(Sample, {"action": text})[0].action is OutputAction.APPEND_ROW


def test_a_wrong_word_lists_the_allowed_ones() -> None:
    assert _told(Sample, {"action": "append"}) == ["action: found 'append', expected append_row or summary_only."]


def test_text_maps_take_plain_values_as_text() -> None:
    shape = read_shape(Sample, {"tags": {"a": 1, "b": True, "c": None, "d": 0.00001, 5: "x"}})[0]
    assert shape.tags == {"a": "1", "b": "true", "c": "", "d": "0.00001", "5": "x"}


def test_text_maps_refuse_containers_by_name() -> None:
    assert _told(Sample, {"tags": {"a": {"b": 1}}}) == [
        "tags: found {'a': {'b': 1}}, expected text for each name. Make 'a' plain text."
    ]
    assert _told(Sample, {"tags": ["a"]}) == ["tags: found ['a'], expected a mapping of names to text."]


def test_a_null_is_a_missing_value() -> None:
    assert read_shape(Sample, {"size": None, "tags": None, "retry": None}) == (
        Sample(size=None, tags=None, retry=None),
        [],
    )


def test_the_schema_line_is_ignored() -> None:
    assert _told(Sample, {"$schema": "https://example.org/x.json"}) == []


def test_arm_keys_are_read_in_any_case_and_unknown_ones_ignored() -> None:
    shape, mistakes = read_shape(Outer, {"MiniBatch": "20", "INNER": {"timeOut": "PT5M", "new": 1}, "other": []})
    assert shape.inner is not None
    assert (shape.mini_batch, shape.inner.time_out, mistakes) == (20, 300.0, [])


def test_arm_mistakes_are_told_in_camel_case() -> None:
    document = {"MiniBatch": "q", "inner": {"timeout": "PT5"}, "isArchived": "maybe"}
    assert _told(Outer, document) == [
        "miniBatch: found 'q', expected a whole number.",
        "inner.timeOut: found 'PT5', expected an ISO-8601 duration such as PT30S.",
        "isArchived: found 'maybe', expected true or false.",
    ]


@pytest.mark.parametrize("document", [None, [], "text", 5])
def test_a_document_that_is_no_mapping_is_one_mistake(document: object) -> None:
    assert len(_told(Outer, document)) == 1


def test_read_only_keys_are_not_offered_in_place_of_an_unknown_one() -> None:
    assert _told(Sample, {"unheard_of": 1}) == [
        "unheard_of: found an unknown key, expected one of action, name, retry, size, steps, tags. Take it out."
    ]


def test_keys_without_effect_are_noted() -> None:
    shape = read_shape(Sample, {"id": "x", "retry": {"vnet": 1}})[0]
    assert notes_of(shape) == (
        "Read-only keys are left out: id.",
        "`retry.vnet` is accepted but has no effect here.",
    )


def test_a_long_value_is_cut() -> None:
    assert len(shown("x" * 500)) == 80


def test_merging_says_each_field_once() -> None:
    first = [Mistake("a.b", "1", "x"), Mistake("c", "1", "x")]
    second = [Mistake("a", "2", "y"), Mistake("c.d", "2", "y"), Mistake("cd", "2", "y"), Mistake("", "2", "y")]
    assert [mistake.field for mistake in merged(first, second)] == ["a.b", "c", "cd", ""]


def test_renaming_takes_the_longest_known_beginning() -> None:
    names = {"settings": "s", "settings.retry": "properties.r"}
    fields = [Mistake(field, "", "") for field in ("settings.retry.max", "settings.x", "other")]
    assert [mistake.field for mistake in renamed(fields, names)] == ["properties.r.max", "s.x", "other"]


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["timeout", "x", "1"]), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*Sample.model_fields, "unknown", "$schema"]), _VALUES))
def test_any_document_is_read_or_told_and_never_crashes(document: dict[str, object]) -> None:
    shape, mistakes = read_shape(Sample, document)
    assert isinstance(shape, Sample)
    assert all(mistake.field and mistake.allowed for mistake in mistakes)
