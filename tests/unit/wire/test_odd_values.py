"""Values of YAML, `--set` and bodies that Python itself stumbles over are mistakes like any other."""

from __future__ import annotations

import pytest

from batchyard.domain.errors import InvalidInput
from batchyard.wire.documents import apply_set, load_yaml
from batchyard.wire.durations import seconds_from_iso
from batchyard.wire.overrides import overrides_from_set


@pytest.mark.parametrize(
    "value", ["!!bool x", "!!timestamp x", "!!set {x}", "!!binary aGk=", "!!omap [{a: b}]", "!!int x", "!!float x"]
)
def test_a_value_of_a_tag_that_documents_have_not_is_refused(value):
    with pytest.raises(InvalidInput):
        load_yaml(f"a: {value}", subject="f.yml")


@pytest.mark.parametrize("text", [f"a[{'9' * 5000}]=1", f"a.{'9' * 5000}=1", f"{'a.' * 2000}b=1"])
def test_a_path_of_set_that_leads_nowhere_is_a_mistake(text):
    with pytest.raises(InvalidInput, match="--set"):
        apply_set({"a": [1]}, [text])


@pytest.mark.parametrize("text", ["timeout=" + "9" * 400, "mini_batch_size=" + "9" * 400])
def test_a_number_without_end_is_a_mistake_of_its_field(text):
    with pytest.raises(InvalidInput, match=text.partition("=")[0]):
        overrides_from_set([text])


def test_a_duration_without_end_is_none():
    assert seconds_from_iso("P" + "9" * 400 + "D") is None
