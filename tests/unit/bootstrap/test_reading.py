"""A deployment that a child reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchyard.bootstrap.deployment_reading import read_local_deployment
from batchyard.bootstrap.reading import start_reading
from batchyard.domain.errors import InvalidInput

DEPLOYMENT = """\
model: {path: model.txt}
code_configuration: {code: ., scoring_script: score.py}
environment: {conda_file: {dependencies: []}}
settings: {environment_variables: {A: b}, output_columns: [item], output_format: csv}
"""


@pytest.fixture
def written(tmp_path: Path) -> Path:
    (tmp_path / "model.txt").write_text("none")
    (tmp_path / "score.py").write_text("def run(mini_batch):\n    return mini_batch\n")
    (tmp_path / "deployment.yml").write_text(DEPLOYMENT)
    return tmp_path / "deployment.yml"


def test_what_a_child_reads_is_what_this_process_would_read(written: Path) -> None:
    assignments = ["settings.mini_batch_size=7"]
    found = start_reading(written, assignments).wait()
    assert found == read_local_deployment(written, assignments)
    assert found.settings.mini_batch_size == 7


def test_a_child_hands_over_every_mistake(written: Path) -> None:
    with pytest.raises(InvalidInput) as here:
        read_local_deployment(written, ["model.path=gone", "settings.mini_batch_size=0"])
    with pytest.raises(InvalidInput) as there:
        start_reading(written, ["model.path=gone", "settings.mini_batch_size=0"]).wait()
    assert there.value.mistakes == here.value.mistakes
    assert str(there.value) == str(here.value)
