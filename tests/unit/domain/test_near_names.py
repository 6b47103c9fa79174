"""Near names are found at once, however long the wanted one is."""

from __future__ import annotations

import time

from batchyard.domain.errors import near_names


def test_a_name_of_absurd_length_costs_nothing() -> None:
    began = time.process_time()

    assert near_names("x" * 1_000_000, ["digits", "y" * 36] * 100) == []
    assert time.process_time() - began < 2.0


def test_near_names_come_best_first() -> None:
    assert near_names("digit", ["digest", "digits", "weather"]) == ["digits", "digest"]


def test_a_name_that_was_cut_short_or_went_on_is_near() -> None:
    assert near_names("code_config", ["compute", "code_configuration", "model"]) == ["code_configuration"]
    assert near_names("environment_variables", ["environment", "model"]) == ["environment"]
    assert near_names("co", ["code_configuration"]) == []
