"""`--set` understands a setting by either of its names, at invoke and in a deployment."""

from __future__ import annotations

import pytest

from batchyard.domain.errors import InvalidInput
from batchyard.wire.overrides import overrides_from_set
from batchyard.wire.set_spellings import as_in_deployment

NEW, LEGACY = {"type": "model", "settings": {}}, {"name": "one", "mini_batch_size": 3}


@pytest.mark.parametrize("prefix", ["", "settings."])
def test_an_invocation_takes_both_spellings(prefix: str) -> None:
    overrides, _ = overrides_from_set([f"{prefix}error_threshold=5", f"{prefix}retry_settings.max_retries=2"])
    assert (overrides.error_threshold, overrides.max_retries) == (5, 2)


def test_a_setting_that_only_the_deployment_may_change_is_refused_in_both() -> None:
    for spelling in ("logging_level=debug", "settings.logging_level=debug"):
        with pytest.raises(InvalidInput, match="cannot be changed at invoke"):
            overrides_from_set([spelling])


@pytest.mark.parametrize("spelling", ["error_threshold=5", "settings.error_threshold=5"])
def test_a_deployment_takes_both_spellings_in_both_of_its_forms(spelling: str) -> None:
    assert as_in_deployment(NEW, [spelling]) == ["settings.error_threshold=5"]
    assert as_in_deployment(LEGACY, [spelling]) == ["error_threshold=5"]


@pytest.mark.parametrize("text", ["name=x", "model.path=m", "resources.instance_count=2", "=", "tags.a=b", "compute=c"])
def test_what_is_no_setting_stays_as_it_was_typed(text: str) -> None:
    assert as_in_deployment(NEW, [text]) == [text]
