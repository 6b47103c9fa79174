"""YAML is read narrowly and told with places; `--set` and patches change documents and nothing else."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.domain.errors import InvalidInput
from batchyard.wire.documents import apply_changes, apply_set, load_yaml, merge_patch
from batchyard.wire.removals import Removal


def _mistake(text: str) -> str:
    with pytest.raises(InvalidInput) as caught:
        load_yaml(text, subject="deployment.yml")
    assert len(caught.value.mistakes) == 1
    return str(caught.value)


def test_scalars_keep_the_text_that_a_number_would_lose() -> None:
    read = load_yaml("a: 5\nb: 1.5\nc: 1.10\nd: 007\ne: 1e3\nf: true\ng: True\nh: ~\ni: -1", subject="x")
    assert read == {"a": 5, "b": 1.5, "c": "1.10", "d": "007", "e": "1e3", "f": True, "g": "True", "h": None, "i": -1}


def test_words_that_only_yaml_1_1_knows_stay_text() -> None:
    read = load_yaml("a: on\nb: no\nc: 1:30\nd: 2026-11-22\ne: 0x1F\nf: 1_000", subject="x")
    assert read == {"a": "on", "b": "no", "c": "1:30", "d": "2026-11-22", "e": "0x1F", "f": "1_000"}


def test_keys_are_text_whatever_they_look_like() -> None:
    assert load_yaml("tags: {1: a, true: b}", subject="x") == {"tags": {"1": "a", "true": "b"}}


def test_anchors_and_merge_keys_work_and_own_keys_win() -> None:
    text = "x:\n  y:\n    z: &a {<<: &base {k: 1, l: 1}, k: 2}\nb: {<<: *a, k: 3}\nc: *a"
    assert load_yaml(text, subject="x") == {
        "x": {"y": {"z": {"k": 2, "l": 1}}},
        "b": {"k": 3, "l": 1},
        "c": {"k": 2, "l": 1},
    }


def test_a_key_given_twice_is_told_with_its_place() -> None:
    assert "the key 'name' a second time at line 3, column 1" in _mistake("name: a\nb: 2\nname: c")


def test_broken_yaml_is_told_with_its_place() -> None:
    assert "at line 2, column 6" in _mistake("a: 1\nb: [1}")


@pytest.mark.parametrize("text", ["- 1", "just text", "", "5", "# only a comment"])
def test_a_document_that_is_no_mapping_is_refused(text: str) -> None:
    assert "expected a mapping of keys to values" in _mistake(text)


def test_python_objects_are_refused() -> None:
    assert "the tag '!!python/object" in _mistake("a: !!python/object/apply:os.system [ls]")


def test_a_second_document_is_refused() -> None:
    assert "another document" in _mistake("a: 1\n---\nb: 2")


def test_an_alias_bomb_is_refused_without_being_expanded() -> None:
    lines = ["a0: &a0 [1,1,1,1,1,1,1,1,1,1]"]
    lines += [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    assert "more than 200000 values" in _mistake("\n".join(lines))


def test_an_alias_inside_itself_is_refused() -> None:
    assert "contains itself" in _mistake("a: &a [*a]")


def test_a_document_over_a_mebibyte_is_refused() -> None:
    assert "expected at most 1048576" in _mistake("a: " + "x" * (1 << 20))


def test_deep_nesting_is_refused_not_crashed_on() -> None:
    _mistake("a: " + "[" * 5000 + "]" * 5000)


def test_set_replaces_makes_and_removes() -> None:
    before = {"settings": {"mini_batch_size": 10, "logging_level": "info"}, "tags": {"a": "1"}}
    changes = ["settings.mini_batch_size=5", "settings.logging_level=null", "resources.n=2", "tags.b=x"]
    after = apply_set(before, changes)
    assert after == {"settings": {"mini_batch_size": 5}, "resources": {"n": 2}, "tags": {"a": "1", "b": "x"}}
    assert before["settings"] == {"mini_batch_size": 10, "logging_level": "info"}


def test_set_reads_scalars_and_containers_and_takes_the_rest_as_text() -> None:
    after = apply_set(
        {}, ["a=azureml:m:1", "b=hello: world", "c=[1, 2]", 'd={"k": "v"}', "e='5'", "f=", "g=a=b", "h= x ", "i=[x"]
    )
    assert after == {
        "a": "azureml:m:1",
        "b": "hello: world",
        "c": [1, 2],
        "d": {"k": "v"},
        "e": "5",
        "f": "",
        "g": "a=b",
        "h": " x ",
        "i": "[x",
    }


def test_set_reaches_into_lists_by_index() -> None:
    after = apply_set({"a": [{"b": 1}, 2, 3]}, ["a[0].b=5", "a.1=null", "a.2=last"])
    assert after == {"a": [{"b": 5}, 3, "last"]}


def test_set_removing_what_is_not_there_changes_nothing() -> None:
    assert apply_set({"a": 1}, ["b.c=null", "d=null"]) == {"a": 1}


def test_set_tells_all_mistakes_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        apply_set({"a": 1, "l": [1]}, ["a.b=2", "nonsense", "=3", "l.5=1", "x..y=1", "ok=1"])
    assert [mistake.field for mistake in caught.value.mistakes] == ["a", "--set", "--set", "l.5", "--set"]


_KEYS = st.text("abcdefghij_-", min_size=1, max_size=6)
_JSON = st.recursive(
    st.booleans() | st.integers(-(10**12), 10**12) | st.text(max_size=20).filter(lambda text: "\0" not in text),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(_KEYS, min_size=1, max_size=4), _JSON)
def test_set_of_a_json_value_is_read_back_at_its_path(path: list[str], value: object) -> None:
    read: object = apply_set({}, [f"{'.'.join(path)}={json.dumps(value)}"])
    for key in path:
        assert isinstance(read, dict)
        read = read[key]
    assert read == value


@given(st.dictionaries(_KEYS, _JSON, max_size=4), st.dictionaries(_KEYS, _JSON, max_size=4))
def test_a_patch_with_a_whole_document_gives_its_values(old: dict[str, object], new: dict[str, object]) -> None:
    merged = merge_patch(old, new)
    assert all(merged[key] == value for key, value in new.items() if not isinstance(value, dict))
    assert merge_patch(merged, new) == merged


def test_a_patch_merges_mappings_and_null_removes() -> None:
    old = {"a": {"b": 1, "c": 2}, "d": [1], "e": 1}
    assert merge_patch(old, {"a": {"b": None, "x": {"y": 1, "z": None}}, "d": [2], "e": None}) == {
        "a": {"c": 2, "x": {"y": 1}},
        "d": [2],
    }


def test_a_null_that_finds_nothing_is_marked_for_readers_that_know_the_keys():
    after = apply_set({"a": 1, "m": {"x": 1}}, ["a=null", "b=null", "m.y=null", "n.z=null"], marks_removals=True)

    gone = Removal.NOT_THERE
    assert after == {"b": gone, "m": {"x": 1, "y": gone}, "n": gone}
    assert copy.deepcopy(after)["b"] is gone


STORED = {"tags": {"team": "x"}, "packages": ["a", "b"], "settings": {"size": 10}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([("--add", ["packages", "c", "1"])], {"packages": ["a", "b", "c", 1]}),
        ([("--add", ["tags", "cost=7", "note=a=b"])], {"tags": {"team": "x", "cost": 7, "note": "a=b"}}),
        ([("--add", ["new.list", "v"])], {"new": {"list": ["v"]}}),
        ([("--add", ["new", "k=v"])], {"new": {"k": "v"}}),
        ([("--remove", ["tags.team"])], {"tags": {}}),
        ([("--remove", ["packages", "0"])], {"packages": ["b"]}),
        ([("--remove", ["packages[1]"])], {"packages": ["a"]}),
        ([("--remove", ["tags"]), ("--set", ["tags.only=1"])], {"tags": {"only": 1}}),
        ([("--set", ["tags.only=1"]), ("--remove", ["tags"])], {"tags": None}),
        ([("--remove", ["packages", "0"]), ("--remove", ["packages", "0"])], {"packages": []}),
    ],
)
def test_generic_changes_are_made_in_their_order_and_keep_the_rest(
    changes: list[tuple[str, list[str]]], expected: dict[str, object]
) -> None:
    wanted = {key: value for key, value in {**STORED, **expected}.items() if value is not None}
    assert apply_changes(STORED, changes) == wanted
    assert STORED["packages"] == ["a", "b"]


def test_values_are_text_where_that_is_asked_for() -> None:
    changes = [("--set", ["tags.a=1", "tags.b=null", "tags.c=[1]"]), ("--add", ["tags", "d=true"])]
    tags = apply_changes(STORED, changes, force_string=True)["tags"]
    assert tags == {"team": "x", "a": "1", "b": "null", "c": "[1]", "d": "true"}


def test_changes_that_cannot_be_made_are_told_all_at_once() -> None:
    changes = [
        ("--add", ["settings.size", "1"]),
        ("--add", ["tags", "x"]),
        ("--add", ["packages"]),
        ("--remove", ["tags.nobody"]),
        ("--remove", ["packages", "9"]),
        ("--remove", ["packages", "a"]),
        ("--set", ["nonsense"]),
    ]
    with pytest.raises(InvalidInput) as told:
        apply_changes(STORED, changes)
    fields = ["settings.size", "tags", "--add", "tags.nobody", "packages.9", "--remove", "--set"]
    assert [mistake.field for mistake in told.value.mistakes] == fields
